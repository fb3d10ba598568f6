"""Every fix that a known case of a rule proposes: the finding is gone after it, and nothing else is opened or broken."""

import pytest

from meshtui.findings import look
from tests.fakes.healing import assert_it_heals
from tests.fakes.snapshots import snapshot_of
from tests.unit.findings.cases import inputs

CASES = list(inputs())
"""Only the objects: their findings are looked for when a test runs, since every process collects all tests."""
PARTS = 4


def fixable(objects):
    return [finding for finding in look(snapshot_of(objects)).findings if finding.fix is not None]


@pytest.mark.parametrize("part", range(PARTS))
def test_a_fix_heals_what_it_names_and_nothing_else_changes(part):
    """Each part has every fourth case."""
    healed = 0
    for name, objects in CASES[part::PARTS]:
        for finding in fixable(objects):
            print(f"{name}: {finding.rule}: {finding.message}")  # the last one is that of a failure
            assert_it_heals(objects, finding)
            healed += 1
    assert healed > 10


def test_all_rules_with_fixes_are_met():
    rules = {finding.rule for _, objects in CASES for finding in fixable(objects)}
    assert rules >= {"MT101", "MT104", "MT105", "MT201", "MT206", "MT208", "MT214", "MT241", "MT301", "MT303", "MT305", "MT306"}
