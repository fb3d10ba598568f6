"""A manifest that was edited by hand becomes exactly what was written, whichever way it is sent."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from meshtui.model.errors import UsageError
from meshtui.model.ids import ObjectRef
from meshtui.remediate.editing import by_hand
from meshtui.sources.edits import edited, patch_of
from meshtui.sources.kubernetes.apply import _is_of_fields

REF = ObjectRef("NetworkPolicy", "shop", "web")
KEYS = st.sampled_from(["a", "b", "c/d", "e~f"])
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(0, 2), st.sampled_from(["", "x", "1"])),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)),
    max_leaves=8,
)
SPECS = st.dictionaries(KEYS, VALUES, max_size=4)


def manifest(spec: object, labels: object = None, **metadata: Any) -> dict[str, Any]:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "web", "namespace": "shop", "uid": "u", "resourceVersion": "7", "labels": labels, **metadata},
        "spec": spec,
    }


def typed(value: object) -> object:
    """A value in which True isn't 1."""
    if isinstance(value, dict):
        return {key: typed(each) for key, each in value.items()}
    return [typed(each) for each in value] if isinstance(value, list) else (type(value).__name__, value)


@given(SPECS, SPECS, SPECS, SPECS)
def test_the_operations_make_what_was_written(spec: object, labels: object, spec_after: object, labels_after: object) -> None:
    before, after = manifest(spec, labels), manifest(spec_after, labels_after)
    original = copy.deepcopy(before)
    finding = by_hand(REF, before, after)
    if finding is None:
        assert typed(before) == typed(after)
        return
    assert finding.fix is not None
    (edit,) = finding.fix.edits
    assert typed(edited(before, edit)) == typed(after)
    assert typed(before) == typed(original), "the old manifest stays as it was"
    assert typed(_patched(before, patch_of(edit))) == typed(after), "what c copies does the same"
    for operation in edit.operations:
        assert not (operation.op == "replace" and isinstance(operation.value, list) and isinstance(_at(before, operation), list))


def _at(document: Any, operation: Any) -> Any:
    for piece in operation.path:
        document = document[piece]
    return document


def _patched(document: Any, patch: list[dict[str, Any]]) -> Any:
    """JSON Patch as RFC 6902 has it, and no more."""
    document = copy.deepcopy(document)
    for step in patch:
        pieces = [piece.replace("~1", "/").replace("~0", "~") for piece in step["path"].split("/")[1:]]
        parent = document
        for piece in pieces[:-1]:
            parent = parent[int(piece)] if isinstance(parent, list) else parent[piece]
        last: Any = int(pieces[-1]) if isinstance(parent, list) else pieces[-1]
        if step["op"] == "remove":
            del parent[last]
        elif isinstance(parent, list) and step["op"] == "add":
            parent.insert(last, step["value"])
        else:
            assert step["op"] == "add" or isinstance(parent, list) or last in parent
            parent[last] = step["value"]
    return document


def test_a_shorter_list_replaces_the_object_since_apply_would_keep_what_others_own() -> None:
    finding = by_hand(REF, manifest({"ports": [{"port": 1}, {"port": 2}]}), manifest({"ports": [{"port": 1}]}))
    assert finding is not None
    assert finding.fix is not None
    assert not _is_of_fields(finding.fix.edits[0].operations)


@given(
    st.sampled_from(["name", "namespace", "uid", "resourceVersion", "creationTimestamp", "generation", "managedFields"]), VALUES
)
def test_what_belongs_to_the_server_or_makes_another_object_is_refused(field: str, value: object) -> None:
    before = manifest({})
    assume(before["metadata"].get(field) != value)
    with pytest.raises(UsageError, match=f"nothing is changed: metadata.{field}"):
        by_hand(REF, before, manifest({}, **{field: value}))


@pytest.mark.parametrize("after", [None, [], "text", 3])
def test_what_is_no_manifest_is_refused(after: object) -> None:
    with pytest.raises(UsageError, match="no manifest"):
        by_hand(REF, manifest({}), after)


def test_another_kind_and_another_status_are_refused() -> None:
    with pytest.raises(UsageError, match="kind can't be edited"):
        by_hand(REF, manifest({}), {**manifest({}), "kind": "Pod"})
    with pytest.raises(UsageError, match="status belongs to controllers"):
        by_hand(REF, manifest({}), {**manifest({}), "status": {"ready": True}})
