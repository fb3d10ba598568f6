"""Every fix that a known case of a rule proposes: the finding is gone after it, and nothing else is opened or broken."""

import pytest

from meshtui.findings import look
from tests.fakes.healing import assert_it_heals
from tests.fakes.snapshots import snapshot_of
from tests.unit.findings.cases import inputs

CASES = [
    pytest.param(objects, finding, id=f"{finding.rule} {name}")
    for name, objects in inputs()
    for finding in look(snapshot_of(objects)).findings
    if finding.fix is not None
]


@pytest.mark.parametrize(("objects", "finding"), CASES)
def test_a_fix_heals_what_it_names_and_nothing_else_changes(objects, finding):
    assert_it_heals(objects, finding)


def test_all_rules_with_fixes_are_met():
    rules = {case.values[1].rule for case in CASES}
    assert rules >= {"MT101", "MT104", "MT105", "MT201", "MT206", "MT208", "MT214", "MT241", "MT301", "MT303", "MT305", "MT306"}
