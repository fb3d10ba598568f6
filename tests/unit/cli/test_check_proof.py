"""A fix that doesn't keep its promise isn't offered: it is tried on the snapshot, with the other fixes and alone."""

from dataclasses import replace

import yaml

from meshtui.cli.check_proof import proven
from meshtui.findings import evaluate, look
from meshtui.model.finding import Edit, Fix, Operation
from meshtui.model.ids import ObjectRef
from tests.fakes.snapshots import ambient, pod, policy, snapshot_of

CLOSED = policy(
    "shop/db",
    {
        "podSelector": {"matchLabels": {"app": "db"}},
        "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "web"}}}], "ports": [{"port": 5432}]}],
    },
)
OBJECTS = [
    ambient("shop"),
    pod("shop/web", "10.0.0.1", [8080], account="web"),
    pod("shop/db", "10.0.0.2", [5432], account="db"),
    CLOSED,
]
SNAPSHOT = snapshot_of(OBJECTS)
FINDINGS = list(look(SNAPSHOT).findings)
TEXTS = {f.objects[0]: yaml.safe_dump(CLOSED) for f in FINDINGS if f.rule == "MT301"}


def with_fix(*operations):
    """The findings, with another fix for the closed tunnel."""
    edited = [
        replace(f, fix=Fix("a change", (Edit(f.objects[0], operations),))) if f.rule == "MT301" else replace(f, fix=None)
        for f in FINDINGS
    ]
    return edited, next(f for f in edited if f.rule == "MT301")


def fixes(found):
    return {f.rule for f in found if f.fix is not None}


def test_fixes_that_heal_are_kept():
    kept, lines = proven(SNAPSHOT, FINDINGS, TEXTS, evaluate)
    assert (kept, lines) == (FINDINGS, [])
    assert "MT301" in fixes(kept)


def test_a_fix_that_leaves_its_finding_is_named_and_not_offered():
    edited, one = with_fix(Operation("add", ("metadata", "labels", "a"), "b"))
    kept, lines = proven(SNAPSHOT, edited, TEXTS, evaluate)
    assert lines == [f"no fix is offered for MT301 {one.objects[0]}: it doesn't end the finding"]
    assert fixes(kept) == set()
    assert [replace(f, fix=None) for f in edited] == kept


def test_a_fix_that_makes_an_error_is_named_and_not_offered():
    tunnel = Operation("add", ("spec", "ingress", 0, "ports", "-"), {"protocol": "TCP", "port": 15008})
    edited, one = with_fix(tunnel)
    to = {"to": [{"operation": {"methods": ["GET"]}}]}
    spec = {"selector": {"matchLabels": {"app": "db"}}, "rules": [to]}
    made = policy("shop/new", spec, "AuthorizationPolicy")
    create = Edit(ObjectRef("AuthorizationPolicy", "shop", "new"), create=made)
    worse = replace(one, fix=replace(one.fix, edits=(*one.fix.edits, create)))
    edited = [worse if f is one else f for f in edited]
    kept, (line,) = proven(SNAPSHOT, edited, TEXTS, evaluate)
    assert line.startswith(f"no fix is offered for MT301 {one.objects[0]}: it would make an error: AuthorizationPolicy shop/new ")
    assert fixes(kept) == set()


def test_a_fix_whose_object_cannot_be_read_is_left_as_it_is():
    assert proven(SNAPSHOT, FINDINGS, {}, evaluate)[0] == FINDINGS
