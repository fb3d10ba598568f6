"""A folder of manifests as a Snapshot: everything that people keep in such folders."""

import json

import pytest
import yaml

from meshtui.engine.explain.wording import in_words as said
from meshtui.model.errors import ManifestError
from meshtui.model.ids import ObjectRef
from meshtui.sources.manifest_text import documents
from meshtui.sources.manifests import documents_of, load_manifests
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
def test_a_broken_file_that_is_given_is_named_with_its_line(tmp_path, name, text, line):
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(ManifestError) as caught:
        load_manifests([str(tmp_path / "x.yaml")])
    assert str(caught.value).startswith(f"{tmp_path}/x.yaml:{line}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("name", "text", "line"), BROKEN, ids=[row[0] for row in BROKEN])
def test_a_broken_file_in_a_folder_is_skipped_and_the_rest_is_read(tmp_path, name, text, line):
    snapshot = write(tmp_path, good__yaml=yaml.safe_dump(pod("shop/a")), x__yaml=text)
    assert names(snapshot) == ["a"]
    (skipped,) = snapshot.reading.skipped
    assert skipped.path == f"{tmp_path}/x.yaml"
    assert skipped.reason.startswith(f"line {line}: ")
    assert "\n" not in skipped.reason


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


@pytest.mark.parametrize("name", ["a/b", "..", "50%"])
def test_a_name_that_no_object_can_have_is_a_problem_and_its_kind_is_not_known(tmp_path, name):
    named = policy("shop/p", {"podSelector": {}, "policyTypes": ["Ingress"]})
    named["metadata"]["name"] = name
    snapshot = write(
        tmp_path, x__json=named, y__yaml=yaml.safe_dump_all([pod("shop/a", "10.0.0.1"), pod("shop/c", "10.0.0.3", [80])])
    )
    (problem,) = snapshot.problems
    assert problem.path == "metadata.name"
    assert repr(name) in problem.reason
    assert judge(snapshot, "shop/a > shop/c:80").decision.value == "unknown"


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
    assert f"{kind} shop/p" in said(verdict.reason)
    assert judge(snapshot, "shop/a > bare/b:80").decision.value == ("unknown" if kind == "NetworkPolicy" else "allow")


def test_two_different_objects_of_one_identity_are_an_error_with_both_places(tmp_path):
    (tmp_path / "a.yaml").write_text(yaml.safe_dump_all([pod("shop/x"), pod("shop/a")]))
    with pytest.raises(ManifestError) as caught:
        write(tmp_path, b__json=pod("shop/a", account="x"))
    assert f"Pod shop/a is defined twice with different content, in {tmp_path}/a.yaml (object 2) and" in str(caught.value)
    assert f"{tmp_path}/b.json (object 1)" in str(caught.value)


def test_a_strategic_merge_patch_beside_its_base_is_an_error(tmp_path):
    base = policy("shop/p", {"podSelector": {"matchLabels": {"app": "a"}}, "policyTypes": ["Ingress"]})
    patch = policy("shop/p", {"ingress": [{}]})
    with pytest.raises(ManifestError, match="kubectl kustomize"):
        write(tmp_path, base__yaml=yaml.safe_dump(base), patch__yaml=yaml.safe_dump(patch))


def test_another_version_of_a_group_is_the_same_object(tmp_path):
    old = policy("shop/p", {"action": "DENY"}, "AuthorizationPolicy") | {"apiVersion": "security.istio.io/v1beta1"}
    with pytest.raises(ManifestError, match="defined twice"):
        write(tmp_path, a__json=old, b__json=policy("shop/p", {}, "AuthorizationPolicy"))


def test_the_same_name_in_another_group_or_namespace_is_another_object(tmp_path):
    calico = policy("shop/p", {}) | {"apiVersion": "projectcalico.org/v3"}
    snapshot = write(tmp_path, a__json=policy("shop/p", {"podSelector": {}}), b__json=calico, c__json=policy("b/p", {}))
    assert snapshot.problems == ()


def test_the_same_object_twice_is_tolerated_and_named(tmp_path):
    again = pod("shop/a", metadata={"resourceVersion": "7"})
    snapshot = write(tmp_path, a__json=pod("shop/a"), b__json=again)
    assert names(snapshot) == ["a"]
    assert "defined twice with the same content" in snapshot.problems[0].reason


def test_a_file_that_is_given_twice_is_read_once(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps(pod("shop/a")))
    snapshot = load_manifests([str(tmp_path), str(tmp_path / "a.json"), f"{tmp_path}/../{tmp_path.name}/a.json"])
    assert (snapshot.problems, snapshot.reading.files) == ((), 1)


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
    (skipped,) = write(tmp_path, x__yaml="\n".join(lines)).reading.skipped
    assert skipped.reason == "its aliases repeat too much"
    pods = "".join(
        f"---\n{{apiVersion: v1, kind: Pod, metadata: {{name: p{n}, labels: &l {{app: a}}, annotations: *l}}}}\n"
        for n in range(50)
    )
    assert len(write(tmp_path, x__yaml=pods).pods) == 50


@pytest.mark.parametrize("depth", [101, 300, 900, 5000, 9000, 50_000])
@pytest.mark.parametrize("name", ["x__yaml", "x__json"])
def test_deep_nesting_is_a_clear_message(tmp_path, name, depth):
    """How deep a parser follows depends on the version of Python: what is said of a text doesn't."""
    (skipped,) = write(tmp_path, **{name: "[" * depth + "]" * depth}).reading.skipped
    assert "nested too deeply" in skipped.reason


@pytest.mark.parametrize("depth", [101, 9000])
def test_deep_nesting_in_a_line_of_json(depth):
    with pytest.raises(ManifestError, match=r"x\.jsonl:2: nested too deeply"):
        list(documents("x.jsonl", b"{}\n" + b"[" * depth + b"]" * depth))


@pytest.mark.parametrize("depth", [300, 900, 5000, 9000, 50_000])
@pytest.mark.parametrize("kind", ["AuthorizationPolicy", "Unheard"])
def test_a_deep_member_of_a_list_is_named(tmp_path, kind, depth):
    """It is skipped, or, where only a field that isn't modelled is deep, read with that field named."""
    deep = '{"a":' * depth + "1" + "}" * depth
    member = f'{{"kind": "{kind}", "apiVersion": "security.istio.io/v1", "metadata": {{"name": "x"}}, "spec": {deep}}}'
    reading = write(tmp_path, x__json=f'{{"kind": "List", "apiVersion": "v1", "items": [{member}]}}')
    said = [skipped.reason for skipped in reading.reading.skipped] + [problem.reason for problem in reading.problems]
    fields = [field for one in reading.authorization_policies.values() for field in one.unmodelled]
    assert any("nested too deeply" in reason for reason in said) or any("a" in str(field) for field in fields), said


def test_a_document_as_deep_as_its_limit_is_read(tmp_path):
    """One hundred levels are read from JSON and from YAML, whose texts go to different parsers."""
    for close in ("]" * 100, "]" * 100 + " # a comment"):
        assert not write(tmp_path, x__yaml="[" * 100 + close).reading.skipped
        assert write(tmp_path, x__yaml="[" * 101 + "]" + close).reading.skipped


@pytest.mark.parametrize(
    "text", ['{"kind": "Namespace"}', "kind: Namespace", '{"kind": "List", "items": [{"kind": "Namespace"}]}']
)
def test_a_byte_order_mark_is_no_part_of_a_document(tmp_path, text):
    (tmp_path / "x.json").write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert [each["kind"] for each in documents_of([str(tmp_path)])] == ["Namespace"]


@pytest.mark.parametrize("name", ["x.json", "x.yaml", "x.jsonl"])
def test_deep_nesting_is_the_same_message_for_plain_documents(tmp_path, name):
    (tmp_path / name).write_text("[" * 50_000 + "]" * 50_000)
    with pytest.raises(ManifestError, match="nested too deeply"):
        documents_of([str(tmp_path / name)])
    assert documents_of([str(tmp_path)]) == []


def controller(kind, name, replicas=1, **labels):
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c"}]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name, "namespace": "a"}, "spec": spec}


def test_controllers_of_one_name_keep_all_their_pods():
    found = snapshot_of([controller("Deployment", "web", 2, app="d"), controller("StatefulSet", "web", 2, app="s")])
    named = {pod.name: pod.controller.kind for pod in found.pods.values()}
    assert named == {
        "web-0": "StatefulSet",
        "web-1": "StatefulSet",
        "web-deployment-0": "Deployment",
        "web-deployment-1": "Deployment",
    }
    assert {str(ref): len(workload.pods) for ref, workload in found.workloads.items()} == {
        "Deployment a/web": 2,
        "StatefulSet a/web": 2,
    }


def test_a_bare_pod_takes_no_pod_of_a_controller_away():
    bare = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web-0", "namespace": "a", "labels": {"app": "x"}}}
    found = snapshot_of([bare, controller("Deployment", "web", app="d")])
    assert {pod.name: pod.labels["app"] for pod in found.pods.values()} == {"web-0": "x", "web-deployment-0": "d"}
