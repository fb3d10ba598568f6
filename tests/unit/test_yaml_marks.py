"""YAML on the screen: what is emphasized, which line a field has, and the marks of findings."""

from __future__ import annotations

import random

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from meshtui.model.finding import Finding, Severity
from meshtui.model.ids import ObjectRef
from meshtui.sources.manifest_yaml import yaml_text
from meshtui.ui.text import clean
from meshtui.ui.yaml_marks import COMMENT, KEY, NUMBER, YamlLines, emphasized, inside_blocks, lines_of

REF = ObjectRef("AuthorizationPolicy", "ecom", "p")
OTHER = ObjectRef("AuthorizationPolicy", "ecom", "q")
POLICY = """\
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata:
  name: p  # rules: none
  annotations:
    note: |
      spec:
        rules: no
spec:
  action: ALLOW
  rules:
  - from:
    - source:
        principals:
        - cluster.local/ns/ecom/sa/a
        - cluster.local/ns/ecom/sa/b
    to:
    - operation: {ports: ["80"]}
  -
    when:
      - key: source.ip
        values: [10.0.0.0/8]
  - {}
  selector:
    matchLabels:
      "app": web
"""
FIELDS = {
    "spec": 8,
    "spec.action": 9,
    "spec.rules": 10,
    "spec.rules[0]": 11,
    "spec.rules[0].from": 11,
    "spec.rules[0].from[0].source": 12,
    "spec.rules[0].from[0].source.principals[1]": 15,
    "spec.rules[0].to": 16,
    "spec.rules[0].to[0].operation.ports[0]": 17,
    "spec.rules[1]": 18,
    "spec.rules[1].when[0].values": 21,
    "spec.rules[2].from": 22,
    "spec.rules[7].from": 10,
    "spec.selector.matchLabels.app": 25,
    "metadata.annotations.note": 5,
    "status.conditions": None,
}


@pytest.mark.parametrize(("field", "number"), FIELDS.items(), ids=FIELDS)
def test_a_field_has_its_line_or_that_of_what_holds_it(field, number):
    assert lines_of(POLICY.split("\n"), [field]) == ({} if number is None else {field: number})


NAMES = st.text(st.characters(codec="ascii", categories=["Ll"]), min_size=1, max_size=4)
VALUES = st.recursive(
    st.integers(0, 9) | st.text("a b:#-|>'\"\n", max_size=12) | st.booleans() | st.none(),
    lambda inner: st.lists(inner, min_size=1, max_size=3) | st.dictionaries(NAMES, inner, min_size=1, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(NAMES, VALUES, min_size=1, max_size=4), st.sampled_from(["as meshtui", "safe_dump"]))
def test_every_field_of_written_yaml_is_found_where_the_parser_finds_it(value, way):
    text = yaml_text(value) if way == "as meshtui" else yaml.safe_dump(value, sort_keys=False, width=10**6)
    wanted = dict(marks_of_parser(yaml.compose(text)))
    found = lines_of(text.split("\n"), wanted)
    assert found == wanted


def marks_of_parser(node, above=""):
    """Each field and its line, as PyYAML's parser says."""
    if isinstance(node, yaml.MappingNode):
        for key, inner in node.value:
            name = f"{above}.{key.value}" if above else key.value
            yield name, key.start_mark.line
            yield from marks_of_parser(inner, name)
    if isinstance(node, yaml.SequenceNode) and not node.flow_style:
        for index, inner in enumerate(node.value):
            yield f"{above}[{index}]", inner.start_mark.line
            yield from marks_of_parser(inner, f"{above}[{index}]")


@given(st.text(max_size=60) | st.text(" -:#'\"|>ab1\\{[\t", max_size=30), st.booleans())
def test_an_emphasized_line_is_the_clean_line(row, inside):
    assert emphasized(row, inside=inside).plain == clean(row)


def styles(row, **options):
    """What is emphasized in a line, by style."""
    content = emphasized(row, **options)
    return {span.style: content.plain[span.start : span.end] for span in content.spans}


@pytest.mark.parametrize(
    ("row", "wanted"),
    [
        ("kind: Pod", {KEY: "kind:"}),
        ("  - port: 15008  # HBONE", {KEY: "port:", NUMBER: "15008", COMMENT: "# HBONE"}),
        ("  - -1.5e3", {NUMBER: "-1.5e3"}),
        ("optional: true", {KEY: "optional:", NUMBER: "true"}),
        ("'a: b': null", {KEY: "'a: b':", NUMBER: "null"}),
        ('value: "5 # no comment"', {KEY: "value:"}),
        ("image: registry:5000/a#b", {KEY: "image:"}),
        ("version: 1.2.3", {KEY: "version:"}),
        ("# a: 1", {COMMENT: "# a: 1"}),
        ("- http://host", {}),
        ("key:", {KEY: "key:"}),
        ("kubectl.kubernetes.io/x: … 2 B", {KEY: "kubectl.kubernetes.io/x:"}),
    ],
)
def test_keys_numbers_and_comments_are_emphasized(row, wanted):
    assert styles(row) == wanted


def test_lines_of_block_scalars_are_text():
    rows = ["a: |", "  b: 1", "", "  # c", "d: >-  # e", "    f: 2", "- |2", "  g: 3", "h: 4", "i: a | b", "  j: 5"]
    assert [row for row, inside in zip(rows, inside_blocks(rows), strict=True) if inside] == [
        *("  b: 1", "", "  # c", "    f: 2", "  g: 3")
    ]
    assert styles("  b: 1", inside=True) == {}


def finding(rule="MT215", severity=Severity.WARNING, field="spec.rules[0].from", objects=(REF,), **more):
    return Finding(rule, "never-matches", severity, objects, "message", field=field, **more)


def marks(*findings):
    """By line number: the margin and what stands behind the line."""
    lines = YamlLines(POLICY, REF, findings)
    rows = POLICY.split("\n")
    return {n: (glyph.plain, lines[n].plain.removeprefix(rows[n])) for n, glyph in lines.margin.items()}


def test_a_finding_marks_the_line_of_its_field():
    assert marks(finding()) == {11: ("!", "  ! MT215 never-matches")}


def test_several_findings_at_a_line_stand_one_after_the_other_the_most_severe_first():
    twice = (finding(), finding("MT103", Severity.ERROR), finding())
    assert marks(*twice) == {11: ("✗", "  ✗ MT103 never-matches  ! MT215 never-matches")}


@pytest.mark.parametrize(
    ("about", "wanted"),
    [
        (finding(field=""), {0}),
        (finding(field="status.conditions"), {0}),
        (finding(objects=(OTHER, REF)), {0}),
        (finding(objects=(OTHER,)), set()),
        (finding(affected=frozenset({REF})), set()),
        (finding(ignored="known"), set()),
    ],
    ids=["the whole object", "a field that isn't written", "another's field", "another object", "only affected", "ignored"],
)
def test_what_names_no_line_of_this_object(about, wanted):
    assert set(marks(about)) == wanted


def test_the_yaml_itself_has_no_marks_and_each_rule_is_a_link():
    about = (finding(), finding("MT103", Severity.ERROR))
    lines = YamlLines(POLICY, REF, about)
    assert lines.plain == POLICY
    assert [(lines[spot.line].plain[spot.start : spot.end], spot.link) for spot in lines.spots] == [
        ("MT103", about[1]),
        ("MT215", about[0]),
    ]
    assert lines.texts == [content.plain for content in lines]


def test_many_lines_are_emphasized_only_where_they_are_drawn():
    text = yaml.safe_dump({"items": [{"name": f"n{number}", "port": number} for number in range(2_500)]})
    lines = YamlLines(text, REF)
    assert len(lines) > 5_000
    assert not lines._known
    for number in random.Random(1).choices(range(len(lines)), k=6_000):
        assert lines[number].plain == text.split("\n")[number]
    assert len(lines._known) <= 2_000
