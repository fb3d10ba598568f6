"""The inputs of all cases in the tables of the tests of rules."""

import importlib

from meshtui.findings import look
from tests.fakes.snapshots import snapshot_of

MODULES = ("authentication", "authorization", "known", "membership", "network", "routes", "services", "validation", "waypoints")


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


def assert_found(rule, objects, expected):
    """A rule's findings have the expected severities, and words; and the rule could be evaluated."""
    report = look(snapshot_of(objects))
    assert rule not in {each.rule for each in report.not_evaluated}
    found = [finding for finding in report.findings if finding.rule == rule]
    assert [finding.severity for finding in found] == expected, [finding.message for finding in found]
    assert all(finding.message and finding.why and finding.objects for finding in found)
