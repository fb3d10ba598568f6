"""Reasons are codes with fields: each has its words, and every place that gives a reason gives exactly their fields."""

import ast
import inspect
import string
from pathlib import Path

import pytest

import meshtui
from meshtui.engine.explain import wording
from meshtui.engine.explain.wording import in_words
from meshtui.model.ids import ObjectRef
from meshtui.model.reason import Caller, Code, PortSeen, because
from meshtui.model.verdict import Decider

ROOT = Path(meshtui.__file__).parent
ROWS = {**wording._WORDS, **wording._ON_REQUEST}


def fields_of(row):
    """The fields that a row of the table fills in."""
    if callable(row):
        return set(inspect.signature(row).parameters)
    return {name for _, name, _, _ in string.Formatter().parse(row) if name}


def given():
    """Every ``because(Code.X, field=…)`` in the code: its place, its codes, its fields."""
    for path in sorted(ROOT.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "because":
                codes = [
                    n.attr
                    for n in ast.walk(node.args[0])
                    if isinstance(n, ast.Attribute) and getattr(n.value, "id", "") == "Code"
                ]
                yield f"{path.relative_to(ROOT)}:{node.lineno}", codes, {keyword.arg for keyword in node.keywords}


def test_every_code_has_words_and_no_words_are_without_a_code():
    assert ROWS.keys() == set(Code)
    assert not wording._WORDS.keys() & wording._ON_REQUEST.keys()


def test_every_place_gives_the_fields_that_the_words_need():
    places = list(given())
    assert len(places) > 60
    wrong = [
        (place, code, sorted(map(str, fields ^ fields_of(ROWS[Code[code]]))))
        for place, codes, fields in places
        for code in codes
        if fields != fields_of(ROWS[Code[code]])
    ]
    assert wrong == []


def test_every_code_is_given_somewhere():
    by_name = {code for _, codes, _ in given() for code in codes}
    indirect = {"RULE_ALLOWS", "RULE_DENIES"}  # chosen before the call
    assert {code.name for code in Code} - by_name <= indirect


def test_nothing_else_in_the_engine_looks_into_words():
    """No logic reads a sentence: only ``explain`` and what is above the engine call ``in_words``."""
    readers = [
        path.relative_to(ROOT)
        for path in (ROOT / "engine").rglob("*.py")
        if path.parent.name != "explain" and "explain.wording" in path.read_text("utf-8")
    ]
    assert readers == []


TUNNELLED = PortSeen("TCP", 80, tunnelled=True)
NP, AP = ObjectRef("NetworkPolicy", "a", "np"), ObjectRef("AuthorizationPolicy", "a", "ap")


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (because(Code.OWN_NODE), "a pod's own node always reaches it"),
        (
            because(
                Code.NO_NETWORK_RULE_ALLOWS, policies=(NP, AP), port=PortSeen("TCP", 80, tunnelled=True), direction="ingress"
            ),
            (
                "no ingress rule of NetworkPolicy a/np, AuthorizationPolicy a/ap allows TCP 80"
                " (as HBONE: NetworkPolicy sees the tunnel to 15008, not the app's port)"
            ),
        ),
        (
            because(Code.NOTHING_DENIES, policies=(AP,), caller=Caller(None, "a/web")),
            "no DENY rule of AuthorizationPolicy a/ap matches a/web without an identity, and no ALLOW policy applies",
        ),
        (
            because(
                Code.SEVERAL,
                reasons=(
                    because(Code.FIELDS_NOT_MODELLED, policy=NP, fields=("spec.x", "spec.y")),
                    because(Code.CUSTOM_AUTHORIZER, rule=Decider(AP, "rules[0]"), provider="opa"),
                ),
            ),
            (
                "NetworkPolicy a/np has fields that aren't modelled: spec.x, spec.y;"
                " AuthorizationPolicy a/ap rules[0] asks an external authorizer 'opa', whose answer isn't known"
            ),
        ),
        (None, ""),
    ],
)
def test_words(reason, words):
    assert in_words(reason) == words
