"""A folder of manifests as a Snapshot: everything that people keep in such folders."""

import json

import pytest
import yaml

from meshtui.model.errors import ManifestError
from meshtui.model.ids import ObjectRef
from meshtui.sources.manifests import load_manifests
from tests.fakes.snapshots import judge, pod, policy, snapshot_of


def deployment(name="web", kind="Deployment", replicas=None, **template):
    spec = {"selector": {"matchLabels": {"app": name}}, "template": {"metadata": {"labels": {"app": name}}, "spec": template}}
    spec |= {"replicas": replicas} if replicas is not None else {}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name, "namespace": "shop"}, "spec": spec}


def write(folder, **files):
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text if isinstance(text, str) else json.dumps(text))
    return load_manifests([str(folder)])


def names(snapshot):
    return sorted(pod.name for pod in snapshot.pods.values())


def test_many_documents_lists_and_folders(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "c.yml").write_text(yaml.safe_dump(pod("shop/c")))
    listed = {
        "apiVersion": "v1",
        "kind": "List",
        "items": [pod("shop/d"), {"apiVersion": "v1", "kind": "List", "items": [pod("shop/e")]}],
    }
    typed = {
        "apiVersion": "v1",
        "kind": "PodList",
        "items": [{k: v for k, v in pod("shop/f").items() if k not in {"kind", "apiVersion"}}],
    }
    many = yaml.safe_dump_all([pod("shop/a"), None, pod("shop/b")])
    snapshot = write(tmp_path, a__yaml=many, l__json=listed, t__json=typed, notes__txt="no: [yaml")
    assert names(snapshot) == ["a", "b", "c", "d", "e", "f"]
    assert snapshot.problems == ()


BROKEN = [
    ("a bracket", "a: 1\nb: [1,\n", 3),
    ("a tab", "a:\n\tb: 1\n", 2),
    ("an unknown anchor", "a: *x\n", 1),
    ("two mappings in one", "a: b: c\n", 1),
]


@pytest.mark.parametrize(("name", "text", "line"), BROKEN, ids=[row[0] for row in BROKEN])
def test_a_broken_file_is_named_with_its_line(tmp_path, name, text, line):
    (tmp_path / "good.yaml").write_text(yaml.safe_dump(pod("shop/a")))
    with pytest.raises(ManifestError) as caught:
        write(tmp_path, x__yaml=text)
    assert str(caught.value).startswith(f"{tmp_path}/x.yaml:{line}: ")
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there():
    with pytest.raises(ManifestError, match="/gone"):
        load_manifests(["/gone"])


@pytest.mark.parametrize("text", ["7", "text", "[1, 2]", "kind: Pod", "apiVersion: v1", "kind: [a]\napiVersion: v1"])
def test_what_is_no_object_is_a_problem_not_silence(tmp_path, text):
    snapshot = write(tmp_path, x__yaml=text)
    assert snapshot.problems
    assert "x.yaml" in snapshot.problems[0].where


def test_an_object_of_another_shape_is_named_with_its_path(tmp_path):
    snapshot = write(tmp_path, x__json=policy("shop/p", {"podSelector": {}, "ingress": [{"ports": 80}]}))
    (problem,) = snapshot.problems
    assert "NetworkPolicy shop/p" in problem.where
    assert problem.path.startswith("spec.ingress")


@pytest.mark.parametrize("kind", ["NetworkPolicy", "AuthorizationPolicy", "PeerAuthentication"])
def test_a_policy_that_cannot_be_read_is_never_a_silent_allow(kind):
    """Architecture, rule 2: what isn't known is unknown, with a reason."""
    ambient = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": "shop", "labels": {"istio.io/dataplane-mode": "ambient"}},
    }
    broken = policy("shop/p", {"selector": 7, "podSelector": 7}, kind)
    snapshot = snapshot_of(
        [ambient, pod("shop/a", "10.0.0.1"), pod("bare/b", "10.0.0.2"), pod("shop/c", "10.0.0.3", [80])], [broken]
    )
    verdict = judge(snapshot, "bare/b > shop/c:80")
    assert verdict.decision.value == "unknown"
    assert f"{kind} shop/p" in verdict.reason
    assert judge(snapshot, "shop/a > bare/b:80").decision.value == ("unknown" if kind == "NetworkPolicy" else "allow")


def test_defined_twice(tmp_path):
    snapshot = write(tmp_path, a__json=pod("shop/a"), b__json=pod("shop/a", account="x"))
    assert "twice" in snapshot.problems[0].reason


PODS = [
    ("a Deployment without replicas has one", deployment(), ["web-0"]),
    ("three replicas", deployment(replicas=3), ["web-0", "web-1", "web-2"]),
    ("a Deployment scaled to none is still judged", deployment(replicas=0), ["web-0"]),
    ("never more than ten", deployment(replicas=500), [f"web-{n}" for n in range(10)]),
    ("a StatefulSet", deployment(kind="StatefulSet"), ["web-0"]),
    ("a DaemonSet", deployment(kind="DaemonSet"), ["web-0"]),
    ("a ReplicaSet", deployment(kind="ReplicaSet"), ["web-0"]),
]


@pytest.mark.parametrize(("name", "obj", "expected"), PODS, ids=[row[0] for row in PODS])
def test_pods_are_derived_from_templates(name, obj, expected):
    snapshot = snapshot_of([obj])
    assert names(snapshot) == expected
    assert all(p.derived for p in snapshot.pods.values())
    assert snapshot.workloads.keys() == {ObjectRef(obj["kind"], "shop", "web")}


def test_a_cron_jobs_template():
    job = {"template": {"metadata": {"labels": {"app": "tick"}}, "spec": {"serviceAccountName": "tick"}}}
    spec = {"schedule": "* * * * *", "jobTemplate": {"spec": job}}
    snapshot = snapshot_of(
        [{"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "t", "namespace": "shop"}, "spec": spec}]
    )
    assert [(p.service_account, dict(p.labels)) for p in snapshot.pods.values()] == [("tick", {"app": "tick"})]


def test_pods_that_are_there_are_not_derived_again():
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-77", "uid": "r", "controller": True}
    metadata = {"ownerReferences": [owner], "labels": {"app": "web", "pod-template-hash": "77"}}
    snapshot = snapshot_of([deployment(), pod("shop/web-77-x", "10.0.0.1", metadata=metadata)])
    assert names(snapshot) == ["web-77-x"]
    assert snapshot.workloads.keys() == {ObjectRef("Deployment", "shop", "web")}


def test_namespaces_that_nobody_wrote_are_there():
    snapshot = snapshot_of([pod("shop/a")])
    assert dict(snapshot.namespace_by_name["shop"].labels) == {"kubernetes.io/metadata.name": "shop"}


def test_keys_and_times_as_json_has_them(tmp_path):
    text = "apiVersion: v1\nkind: Pod\nmetadata: {name: a, labels: {on: 'x', 8080: y}, creationTimestamp: 2024-01-01T00:00:00Z}\n"
    snapshot = write(tmp_path, x__yaml=text)
    (made,) = snapshot.pods.values()
    assert made.labels.keys() == {"true", "8080"}
    assert made.meta.created.year == 2024


def test_an_alias_bomb_is_refused_and_honest_aliases_are_not(tmp_path):
    lines = ["a0: &a0 [x]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 2)}]" for n in range(1, 60)]
    with pytest.raises(ManifestError, match=r"x\.yaml: its aliases repeat too much"):
        write(tmp_path, x__yaml="\n".join(lines))
    pods = "".join(
        f"---\n{{apiVersion: v1, kind: Pod, metadata: {{name: p{n}, labels: &l {{app: a}}, annotations: *l}}}}\n"
        for n in range(50)
    )
    assert len(write(tmp_path, x__yaml=pods).pods) == 50


def test_deep_nesting_is_a_clear_message(tmp_path):
    with pytest.raises(ManifestError, match=r"x\.yaml"):
        write(tmp_path, x__yaml="[" * 5000 + "]" * 5000)
