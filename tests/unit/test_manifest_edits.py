"""Changes as replacements in a file's text: the text then says what the change makes of the object, and keeps its comments."""

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from meshtui.model.finding import Edit, Operation
from meshtui.model.ids import ObjectRef
from meshtui.sources.edits import EditError, edited
from meshtui.sources.manifest_edits import applied, replacements
from meshtui.sources.manifest_yaml import yaml_documents

REF = ObjectRef("NetworkPolicy", "shop", "db")
HEAD = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: db, namespace: shop}\n"
WRITTEN = {
    "block": HEAD
    + """\
spec:
  podSelector:  # the database
    matchLabels:
      app: db
  ingress:
  - from:
    - podSelector: {matchLabels: {app: api}}
    ports:
    - port: 5432  # PostgreSQL
      protocol: TCP

    # the end of the rule
  policyTypes: [Ingress]
---
""",
    "indented": HEAD
    + """\
spec:
    podSelector: {}
    ingress:
        - from: [{podSelector: {}}]
          ports:
              - {port: 5432}
""",
    "flow": json.dumps(
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": "db", "namespace": "shop"},
            "spec": {"podSelector": {}, "ingress": [{"from": [], "ports": [{"port": 5432}]}]},
        }
    ),
    "an item of a list": """\
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Namespace
  metadata: {name: shop}
"""
    + "\n".join(
        ("- " if n == 0 else "  ") + line
        for n, line in enumerate((HEAD + "spec:\n  podSelector: {}\n  ingress:\n  - ports:\n    - port: 5432").splitlines())
    )
    + "\n",
    "no line break at its end": HEAD + "spec:\n  podSelector: {}\n  ingress:\n  - ports:\n    - port: 5432",
}
RULE = {"from": [{"podSelector": {"matchLabels": {"app": "web"}}}], "ports": [{"protocol": "TCP", "port": 5432}]}
CHANGES = {
    "a port": [Operation("add", ("spec", "ingress", 0, "ports", "-"), {"protocol": "TCP", "port": 15008})],
    "a rule": [Operation("add", ("spec", "ingress", "-"), RULE)],
    "a list that isn't there": [Operation("add", ("spec", "egress", "-"), RULE)],
    "a key deep down": [Operation("add", ("metadata", "annotations", "meshtui.dev/ignore"), "MT301: why")],
    "another value": [Operation("replace", ("spec", "ingress", 0, "ports", 0, "port"), 5433)],
    "another rule": [Operation("replace", ("spec", "ingress", 0), RULE)],
    "two": [
        Operation("add", ("spec", "ingress", 0, "ports", "-"), {"port": 15008}),
        Operation("add", ("metadata", "labels", "a"), "b"),
    ],
}


def objects_of(text):
    found = yaml_documents("x", text.encode())
    return [item for document in found if document for item in document.get("items", [document])]


@pytest.mark.parametrize("written", WRITTEN.values(), ids=WRITTEN)
@pytest.mark.parametrize("operations", CHANGES.values(), ids=CHANGES)
def test_the_text_then_says_what_the_change_makes_of_the_object(tmp_path, written, operations):
    file, edit = tmp_path / "p.yaml", Edit(REF, tuple(operations))
    file.write_text(written)
    text = applied(written, replacements(str(file), edit))
    *others, before = objects_of(written)
    assert objects_of(text) == [*others, edited(before, edit)]
    comments = [line.partition("#")[2] for line in written.splitlines() if "#" in line]
    assert all(comment in text for comment in comments) or operations is CHANGES["another rule"]


scalars = st.one_of(st.none(), st.booleans(), st.integers(-5, 70000), st.text("ab :#-'\"é{", max_size=6))
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from("abc"), inner, max_size=3)),
    max_leaves=8,
)
steps = st.one_of(st.sampled_from("abc"), st.integers(0, 2), st.just("-"))


@given(st.dictionaries(st.sampled_from("abc"), values, max_size=3), st.lists(steps, min_size=1, max_size=3), values, st.data())
def test_whatever_it_can_write_it_writes_rightly(tmp_path_factory, spec, path, value, data):
    document = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "db", "namespace": "shop"}}
    document["spec"] = spec
    style = data.draw(st.sampled_from([False, None, True]))
    text = yaml.safe_dump(document, default_flow_style=style, allow_unicode=True, indent=data.draw(st.sampled_from([2, 4])))
    file = tmp_path_factory.mktemp("m") / "p.yaml"
    file.write_text(text)
    edit = Edit(REF, (Operation("add", ("spec", *path), value),))
    try:
        wanted = edited(document, edit)
    except EditError:
        return
    several = replacements(str(file), edit)
    if several:
        assert objects_of(applied(text, several)) == [wanted], text


def test_what_cant_be_written_as_replacements_gives_none(tmp_path):
    file = tmp_path / "p.yaml"
    file.write_text(WRITTEN["block"])
    assert replacements(str(file), Edit(REF, create={"kind": "X"})) == ()
    assert replacements(str(file), Edit(ObjectRef("NetworkPolicy", "shop", "gone"), (Operation("add", ("spec", "a"), 1),))) == ()
    assert replacements(str(file), Edit(REF, (Operation("remove", ("spec", "ingress", 0)),))) == ()


@pytest.mark.parametrize("spec", ["spec : {a : 1}", "spec: {a : 1}", "spec: &x {a: 1}\nother: *x", "spec: {? a : 1}"])
def test_odd_yaml_is_left_alone_or_right(tmp_path, spec):
    file, edit = tmp_path / "p.yaml", Edit(REF, (Operation("replace", ("spec", "a"), 2),))
    file.write_text(HEAD + spec + "\n")
    several = replacements(str(file), edit)
    if several:
        assert objects_of(applied(file.read_text(), several))[0]["spec"] == {"a": 2}
    else:
        assert " :" in spec or "&" in spec or "?" in spec
