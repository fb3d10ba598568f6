"""Changes of manifests: RFC 6902 on plain data, and the diff that a person reads."""

import copy

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from meshtui.model.finding import Edit, Operation
from meshtui.model.ids import ObjectRef
from meshtui.sources.edits import EditError, diff_of, edited, unified_diff, written

REF = ObjectRef("NetworkPolicy", "ecom", "ecom-netpol")
MANIFEST = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "NetworkPolicy",
    "metadata": {"name": "ecom-netpol", "namespace": "ecom"},
    "spec": {"podSelector": {}, "egress": [{"to": [{"podSelector": {}}]}, {"ports": [{"port": 53}]}]},
}


def edit(*operations):
    return Edit(REF, tuple(Operation(*each) for each in operations))


@pytest.mark.parametrize(
    ("operation", "at", "expected"),
    [
        (("add", ("spec", "egress", "-"), {"to": []}), ("spec", "egress", 2), {"to": []}),
        (("add", ("spec", "egress", 0), {"to": []}), ("spec", "egress", 0), {"to": []}),
        (("add", ("spec", "egress", 0, "ports", "-"), {"port": 15008}), ("spec", "egress", 0, "ports"), [{"port": 15008}]),
        (("add", ("metadata", "labels", "a/b"), "c"), ("metadata", "labels"), {"a/b": "c"}),
        (("replace", ("spec", "egress", 1, "ports", 0, "port"), 15008), ("spec", "egress", 1, "ports"), [{"port": 15008}]),
        (("remove", ("spec", "egress", 0)), ("spec", "egress"), [{"ports": [{"port": 53}]}]),
        (("remove", ("spec", "podSelector")), ("spec",), {"egress": MANIFEST["spec"]["egress"]}),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) and value and isinstance(value[0], str) else "",
)
def test_each_operation_does_what_rfc_6902_says(operation, at, expected):
    before = copy.deepcopy(MANIFEST)
    found = edited(MANIFEST, edit(operation))
    for piece in at:
        found = found[piece]
    assert found == expected
    assert before == MANIFEST


@pytest.mark.parametrize(
    "operation",
    [
        ("remove", ("spec", "ingress")),
        ("replace", ("spec", "nothing", "here"), 1),
        ("remove", ("spec", "egress", 2)),
        ("replace", ("spec", "egress", "-"), 1),
        ("add", ("spec", "egress", 7), 1),
        ("add", ("kind", "x"), 1),
        ("add", (), 1),
        ("add", ("spec", "egress", "first", "x"), 1),
    ],
)
def test_a_change_that_does_not_fit_is_refused_with_the_place(operation):
    with pytest.raises(EditError) as caught:
        edited(MANIFEST, edit(operation))
    assert str(REF) in str(caught.value)


def test_the_diff_shows_the_change_and_nothing_that_the_server_writes():
    served = MANIFEST | {"status": {"x": 1}}
    served["metadata"] = MANIFEST["metadata"] | {"uid": "u", "resourceVersion": "7", "managedFields": [{}], "generation": 3}
    patch = unified_diff(
        yaml.safe_dump(served, sort_keys=False), edit(("add", ("spec", "egress", "-"), {"ports": [{"port": 1}]}))
    )
    assert patch.startswith("--- NetworkPolicy ecom/ecom-netpol\n+++ NetworkPolicy ecom/ecom-netpol\n@@")
    assert [line for line in patch.splitlines()[2:] if line.startswith(("+", "-"))] == ["+  - ports:", "+    - port: 1"]
    assert not {"uid", "resourceVersion", "status"} & set(patch.replace(":", " ").split())


def test_a_created_object_is_all_new():
    patch = unified_diff("", Edit(REF, create=MANIFEST))
    lines = patch.splitlines()
    assert lines[0] == "--- /dev/null"
    assert yaml.safe_load("\n".join(line[1:] for line in lines[3:])) == MANIFEST
    assert all(line.startswith("+") for line in lines[3:])


def test_nothing_changed_is_no_diff():
    assert diff_of(MANIFEST, copy.deepcopy(MANIFEST), "x") == ""


def test_what_a_person_wrote_stays():
    metadata = {"name": "x", "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}", "mine": "1"}}
    assert written({"kind": "X", "metadata": metadata})["metadata"] == {"name": "x", "annotations": {"mine": "1"}}


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1, max_size=2), inner, max_size=3),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.text("abc", min_size=1, max_size=2), PLAIN, max_size=4)


@given(OBJECTS, st.text("xyz", min_size=1, max_size=2), PLAIN)
def test_removing_what_was_added_gives_the_object_back(document, key, value):
    added = edited(document, edit(("add", (key,), value)))
    assert added[key] == value
    assert edited(added, edit(("remove", (key,)))) == document


@given(OBJECTS)
def test_replacing_the_whole_by_its_parts_changes_nothing(document):
    assert edited(document, edit(*(("replace", (key,), value) for key, value in document.items()))) == document
