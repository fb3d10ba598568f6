"""The field that a finding names is one that its first object has, or one that is missing from what it has."""

import re

from meshtui.findings import look
from tests.fakes.snapshots import snapshot_of
from tests.unit.findings.cases import inputs

STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")


def value_at(document, field):
    """The value at a path such as spec.rules[0], or the parent of one such as spec.rules[0].from, which may be missing.

    Raises KeyError, IndexError or TypeError if it isn't there.
    """
    *steps, last = STEP.findall(field)
    for name, index in (*steps, *([last] if last[1] else [])):
        document = document[int(index)] if index else document[name]
    return document


def test_the_field_is_there():
    met = set()
    for name, objects in inputs():
        for finding in (each for each in look(snapshot_of(objects)).findings if each.field):
            ref = finding.objects[0]
            named = [
                each
                for each in objects
                if (each["kind"], each["metadata"]["name"]) == (ref.kind.partition(".")[0], ref.name)
                and each["metadata"].get("namespace", "") in {ref.namespace, ""}
            ]
            assert named, (name, finding)
            try:
                value_at(named[0], finding.field)
            except (KeyError, IndexError, TypeError) as error:
                raise AssertionError(f"{name}: {finding.rule} {finding.field} isn't in {named[0]}") from error
            met.add(finding.rule)
    assert len(met) >= 25, met
