"""YAML is read as kubectl reads it: the values here are those that `kubectl label --local -o json` prints for the same text."""

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from meshtui.kinds.scalars import text_of, with_texts
from meshtui.kinds.wire import ObjectMeta
from meshtui.model.errors import ManifestError
from meshtui.sources.manifest_yaml import yaml_documents, yaml_text
from meshtui.sources.manifests import load_manifests
from tests.fakes.snapshots import judge, namespace, pod, snapshot_of

INF = "12e4567"
SCALARS = [
    (
        "yes and no, and what is like them",
        "[y, Y, n, N, yes, No, OFF, True, y1]",
        [True, True, False, False, True, False, False, True, "y1"],
    ),
    ("the value of an enum", "[=, '=', <<]", ["=", "=", "<<"]),
    ("times are text", "[2024-01-01, 2024-01-01T00:00:00Z]", ["2024-01-01", "2024-01-01T00:00:00Z"]),
    ("no sexagesimal numbers", "[1:30, 22:22:22, 190:20:30.15]", ["1:30", "22:22:22", "190:20:30.15"]),
    ("whole numbers", "[0777, 0o17, 0x1F, 0b11, 1_000, +1, -0x10, 0b2, _1]", [511, 15, 31, 3, 1000, 1, -16, "0b2", "_1"]),
    ("other numbers", f"[1e3, 1., .5, 1E5, -.5, 089.5, 08, {INF}]", [1000, 1, 0.5, 100000, -0.5, 89.5, 8, INF]),
    ("nearly numbers", "[., +, -., 1e, 0x, 0b, 1-2]", [".", "+", "-.", "1e", "0x", "0b", "1-2"]),
    ("unknown tags are ignored", "[!foo bar, !Ref {x: 1}]", ["bar", {"x": 1}]),
    ("known tags", "[!!str 5, !!binary aGVsbG8=, !!timestamp 2024-01-01]", ["5", "hello", "2024-01-01"]),
    ("a set", "!!set {b, c}", {"b": None, "c": None}),
    ("nothing", "[~, null, ]", [None, None]),
    ("keys", "{y: 1, n: 2, 1: 4, 1.5: 5, =: 6, !!str on: 7}", {"true": 1, "false": 2, "1": 4, "1.5": 5, "=": 6, "on": 7}),
    ("the last of equal keys", "{a: 1, a: 2}", {"a": 2}),
    ("a merge", "{<<: {q: 1}, r: 2}", {"q": 1, "r": 2}),
    ("tabs after a value, and between parts of a flow", "{\n\tb:\t1,\n\tc: 2 }\t# x", {"b": 1, "c": 2}),
    ("a tab in a text", "|\n  x\n  \ty\n", "x\n\ty\n"),
]


@pytest.mark.parametrize(("name", "text", "expected"), SCALARS, ids=[row[0] for row in SCALARS])
def test_values_are_those_of_kubectl(name, text, expected):
    (document,) = yaml_documents("x.yaml", f"a: {text}\n".encode())
    assert json.dumps(document["a"]) == json.dumps(expected) or document["a"] == expected
    assert type(document["a"]) is type(expected)


REFUSED = [
    "a: 1\n\t\nc: 3\n",
    "\ta: 1\n",
    "a:\n-\tx\n",
    "null: 3\n",
    "? [a, b]\n: 1\n",
    "a: @x\n",
    "a: *x\n",
    "%YAML 1.1\na: 1\n",
]


@pytest.mark.parametrize("text", REFUSED)
def test_what_kubectl_refuses_is_refused(text):
    with pytest.raises(ManifestError, match=r"\Ax\.yaml"):
        yaml_documents("x.yaml", text.encode())


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (False, "false"),
        (8080, "8080"),
        (1.10, "1.1"),
        (1e3, "1000"),
        (1e6, "1e+06"),
        (1234567.0, "1.234567e+06"),
        (0.00001234, "1.234e-05"),
        (-2.25, "-2.25"),
        (3.14159265358979, "3.1415927"),
        (999999.5, "999999.5"),
        (0.0, "0"),
        (16777217.0, "1.6777216e+07"),
        (1e300, "+Inf"),
    ],
)
def test_numbers_as_text_are_those_of_go(value, text):
    """strconv.FormatFloat(value, 'g', -1, 32), with which sigs.k8s.io/yaml makes a string of a number."""
    assert text_of(value) == text


def test_a_boolean_is_text_where_text_is_wanted_and_stays_one_elsewhere():
    raw = {"labels": {"a": True, "b": 1.5}, "name": 8080, "ownerReferences": [{"controller": True, "name": False}], "other": True}
    assert with_texts(raw, ObjectMeta) == {
        "labels": {"a": "true", "b": "1.5"},
        "name": "8080",
        "ownerReferences": [{"controller": True, "name": "false"}],
        "other": True,
    }


def test_a_policy_whose_label_is_yes_selects_the_pods_with_true(tmp_path):
    """As text it is judged; the message says that the API server wouldn't take it."""
    text = """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: p, namespace: a}
spec: {podSelector: {matchLabels: {locked: yes}}, policyTypes: [Ingress]}
"""
    pods = [namespace("a"), pod("a/web", "10.0.0.1"), pod("a/db", "10.0.0.2", [80], {"locked": "true"})]
    snapshot = snapshot_of(pods, text)
    verdict = judge(snapshot, "a/web > a/db:80")
    assert (verdict.decision.value, str(verdict.decided_by.ref)) == ("deny", "NetworkPolicy a/p")
    (problem,) = snapshot.problems
    assert problem.path == "spec.podSelector.matchLabels[...]"
    assert "API server" in problem.reason


CRD = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: alertmanagerconfigs.monitoring.coreos.com}
spec:
  versions:
  - schema:
      openAPIV3Schema:
        properties:
          matchType:
            enum:
            - '!='
            - =
            - =~
            - '!~'
"""
POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: %s, namespace: shop}\nspec: {containers: []}\n"
FILES = [
    ("an enum with = in a CRD", CRD + "---\n" + POD % "a", ["a"]),
    (
        "CRLF, a BOM, and an empty document",
        "\ufeff---\r\n" + (POD % "a" + "---\n\n---\n" + POD % "b").replace("\n", "\r\n"),
        ["a", "b"],
    ),
    ("a BOM in the middle, from files put together", POD % "a" + "---\n\ufeff" + POD % "b", ["a", "b"]),
    ("a comment beside the separator", POD % "a" + "--- # more\n" + POD % "b", ["a", "b"]),
    ("JSON with a BOM and tabs", "\ufeff" + json.dumps(pod("shop/a"), indent="\t"), ["a"]),
    ("JSON documents one after the other", json.dumps(pod("shop/a")) + "\n" + json.dumps(pod("shop/b"), indent=1), ["a", "b"]),
    ("a JSON array", json.dumps([pod("shop/a"), pod("shop/b")]), ["a", "b"]),
    ("a List in YAML", yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": [pod("shop/a")]}), ["a"]),
    ("a List in JSON with a BOM", "\ufeff" + json.dumps({"apiVersion": "v1", "kind": "List", "items": [pod("shop/a")]}), ["a"]),
    ("a document that ends with dots", POD % "a" + "...\n---\n" + POD % "b" + "...\n", ["a", "b"]),
]


@pytest.mark.parametrize(("name", "text", "expected"), FILES, ids=[row[0] for row in FILES])
def test_files_that_kubernetes_accepts_are_read(tmp_path, name, text, expected):
    (tmp_path / "x.yaml").write_bytes(text.encode())
    for path in (tmp_path, tmp_path / "x.yaml"):
        snapshot = load_manifests([str(path)])
        assert sorted(p.name for p in snapshot.pods.values()) == expected
        assert (snapshot.problems, snapshot.reading.skipped) == ((), ())


TEXT = st.text(st.characters(codec="ascii"), max_size=5)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=10,
)


@given(JSON)
def test_json_data_that_yaml_writes_is_read_back(data):
    (document,) = yaml_documents("x.yaml", json.dumps({"a": data}).encode())
    assert document == {"a": data}


@given(JSON)
def test_what_is_written_is_read_as_it_was(data):
    """Text like ``y`` and ``1e3`` is quoted: kubectl would read a boolean or a number."""
    assert yaml_documents("x.yaml", yaml_text({"a": data}).encode()) == [{"a": data}]
    words = ["y", "n", "On", "1e3", "0o17", "=", "~", "1:30", "12e4567", ""]
    assert yaml_documents("x.yaml", yaml_text({word: word for word in words}).encode()) == [{word: word for word in words}]


TWICE = {
    "side by side": ("a: 1\nb: 2\na: 3\n", [("a", 1, 3)]),
    "in a list of a later document": ("x: 1\n---\nl:\n- {k: 1, k: 2}\n", [("k", 4, 4)]),
    "with and without quotes": ("'8080': 1\n8080: 2\n", [("8080", 1, 2)]),
    "three times": ("a: 1\na: 2\na: 3\n", [("a", 1, 2), ("a", 2, 3)]),
    "what is merged isn't": ("d: &d {a: 1}\ne: {<<: *d, a: 2}\nf: {<<: *d, a: 3}\n", []),
    "in what is merged": ("d: &d {a: 1, a: 2}\ne: {<<: *d}\n", [("a", 1, 1)]),
    "in different mappings": ("- {a: 1}\n- {a: 1}\n", []),
}


@pytest.mark.parametrize(("text", "expected"), TWICE.values(), ids=TWICE)
def test_a_key_that_is_there_twice_is_noted(text, expected):
    twice = []
    yaml_documents("x.yaml", text.encode(), twice)
    assert twice == expected


def test_of_two_policies_in_one_mapping_the_last_counts_and_both_lines_are_named(tmp_path):
    """kubectl (k8s.io/apimachinery pkg/util/yaml YAMLToJSONDecoder) takes the last; kustomize refuses such a file."""
    text = "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\nmetadata: {name: b}\n"
    (tmp_path / "x.yaml").write_text(text)
    snapshot = load_manifests([str(tmp_path)])
    assert list(snapshot.namespace_by_name) == ["b"]
    (problem,) = snapshot.problems
    assert (problem.where, problem.path) == (f"{tmp_path}/x.yaml:4", "metadata")
    assert "in line 3 and in line 4" in problem.reason
    assert "not understood: 1 place" in snapshot.reading.summary()
