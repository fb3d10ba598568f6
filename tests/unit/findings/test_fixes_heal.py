"""Every fix that a known case of a rule proposes: the finding is gone after it, and nothing else is opened or broken."""

import importlib

import pytest

from meshtui.findings import look
from tests.fakes.healing import assert_it_heals
from tests.fakes.snapshots import snapshot_of

MODULES = ("authorization", "known", "membership", "network", "routes", "services", "waypoints")


def inputs():
    """The objects of all cases, each once: lists of manifests in the tables of the tests of rules."""
    seen = set()
    for name in ("rules", *(f"peers_{each}" for each in MODULES)):
        module = importlib.import_module(f"tests.unit.findings.test_{name}")
        for table in (value for key, value in vars(module).items() if key.isupper() and isinstance(value, list)):
            for row in (row for row in table if isinstance(row, tuple)):
                name_of_row = next((each for each in row if isinstance(each, str)), "")
                for objects in filter(_are_objects, row):
                    if repr(objects) not in seen:
                        seen.add(repr(objects))
                        yield f"{name} {name_of_row}", objects


def _are_objects(cell):
    return isinstance(cell, list) and cell and all(isinstance(each, dict) and "kind" in each for each in cell)


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
