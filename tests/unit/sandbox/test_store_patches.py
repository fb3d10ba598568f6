"""The four kinds of patches."""

import pytest

from meshtui.sandbox.apiserver.errors import ApiError
from meshtui.sandbox.apiserver.merge import json_patch, merge_patch
from meshtui.sandbox.apiserver.strategic import strategic_merge


def containers(*items):
    return {"spec": {"containers": list(items)}}


@pytest.mark.parametrize(
    ("target", "patch", "expected"),
    [
        pytest.param({"a": 1, "b": {"c": 2}}, {"b": {"d": 3}}, {"a": 1, "b": {"c": 2, "d": 3}}, id="merges"),
        pytest.param({"a": 1}, {"a": None}, {}, id="null removes"),
        pytest.param({"a": [1, 2]}, {"a": [3]}, {"a": [3]}, id="lists are replaced"),
    ],
)
def test_merge_patch(target, patch, expected):
    assert merge_patch(target, patch) == expected


@pytest.mark.parametrize(
    ("operations", "expected"),
    [
        ([{"op": "add", "path": "/l/-", "value": 3}], {"l": [1, 2, 3], "a/b": 1}),
        ([{"op": "add", "path": "/l/0", "value": 0}], {"l": [0, 1, 2], "a/b": 1}),
        ([{"op": "remove", "path": "/l/0"}], {"l": [2], "a/b": 1}),
        ([{"op": "replace", "path": "/a~1b", "value": 9}], {"l": [1, 2], "a/b": 9}),
        ([{"op": "move", "from": "/a~1b", "path": "/c"}], {"l": [1, 2], "c": 1}),
        ([{"op": "copy", "from": "/l", "path": "/c"}], {"l": [1, 2], "a/b": 1, "c": [1, 2]}),
        ([{"op": "test", "path": "/a~1b", "value": 1}], {"l": [1, 2], "a/b": 1}),
    ],
)
def test_json_patch(operations, expected):
    target = {"l": [1, 2], "a/b": 1}
    assert json_patch(target, operations) == expected
    assert target == {"l": [1, 2], "a/b": 1}


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/a", "value": 2},
        {"op": "remove", "path": "/nothing"},
        {"op": "dance", "path": "/a"},
        {"path": "/a"},
        {"op": "add", "path": "a", "value": 1},
    ],
)
def test_json_patch_that_cannot_be_done(operation):
    with pytest.raises(ApiError) as caught:
        json_patch({"a": 1}, [operation])
    assert caught.value.code == 422


@pytest.mark.parametrize(
    ("target", "patch", "expected"),
    [
        pytest.param(
            containers({"name": "a", "image": "1"}, {"name": "b", "image": "1"}),
            containers({"name": "b", "image": "2"}),
            containers({"name": "a", "image": "1"}, {"name": "b", "image": "2"}),
            id="an element is found by its key",
        ),
        pytest.param(
            containers({"name": "a"}, {"name": "b"}),
            containers({"name": "a", "$patch": "delete"}),
            containers({"name": "b"}),
            id="an element is deleted",
        ),
        pytest.param(
            {"spec": {"containers": [{"name": "a"}]}},
            {"spec": {"$setElementOrder/containers": [{"name": "n"}, {"name": "a"}], "containers": [{"name": "n"}]}},
            containers({"name": "n"}, {"name": "a"}),
            id="the order is set",
        ),
        pytest.param(
            containers({"name": "a", "ports": [{"containerPort": 1}, {"containerPort": 2}]}),
            containers({"name": "a", "ports": [{"containerPort": 2, "name": "x"}]}),
            containers({"name": "a", "ports": [{"containerPort": 1}, {"containerPort": 2, "name": "x"}]}),
            id="containers' ports go by containerPort",
        ),
        pytest.param(
            {"spec": {"ports": [{"port": 80, "targetPort": 1}]}},
            {"spec": {"ports": [{"port": 80, "targetPort": 2}]}},
            {"spec": {"ports": [{"port": 80, "targetPort": 2}]}},
            id="a Service's ports go by port",
        ),
        pytest.param(
            containers({"name": "a", "args": ["x", "y"]}),
            containers({"name": "a", "args": ["z"]}),
            containers({"name": "a", "args": ["z"]}),
            id="lists of words are replaced",
        ),
        pytest.param(
            {"metadata": {"finalizers": ["a", "b"]}},
            {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"], "finalizers": ["c"]}},
            {"metadata": {"finalizers": ["b", "c"]}},
            id="a set of words loses and gains",
        ),
        pytest.param(
            {"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}},
            {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}},
            {"spec": {"strategy": {"type": "Recreate"}}},
            id="only retained keys stay",
        ),
        pytest.param(
            {"spec": {"selector": {"a": "1", "b": "2"}}},
            {"spec": {"selector": {"$patch": "replace", "c": "3"}}},
            {"spec": {"selector": {"c": "3"}}},
            id="an object is replaced whole",
        ),
        pytest.param(
            {"spec": {"ingress": [{"from": [1]}, {"from": [2]}]}},
            {"spec": {"ingress": [{"from": [3]}]}},
            {"spec": {"ingress": [{"from": [3]}]}},
            id="a NetworkPolicy's rules are one value",
        ),
        pytest.param(
            {"spec": {"egress": []}},
            {"spec": {"egress": [{"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]}]}},
            {"spec": {"egress": [{"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]}]}},
            id="a NetworkPolicy's port stays for both protocols",
        ),
        pytest.param(
            containers({"name": "a"}),
            containers({"name": "b", "ports": [{"containerPort": 53, "protocol": p} for p in ("UDP", "TCP")]}),
            containers({"name": "a"}, {"name": "b", "ports": [{"containerPort": 53, "protocol": p} for p in ("UDP", "TCP")]}),
            id="a new container's port stays for both protocols",
        ),
        pytest.param(
            {"a": 1},
            {"b": {"$patch": "delete", "c": None, "d": 1}},
            {"a": 1, "b": {"d": 1}},
            id="directives and nulls aren't stored",
        ),
        pytest.param({"a": {"b": 1, "c": 2}}, {"a": {"b": None}}, {"a": {"c": 2}}, id="null removes"),
    ],
)
def test_strategic_merge(target, patch, expected):
    assert strategic_merge(target, patch) == expected
