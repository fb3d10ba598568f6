"""Which pods are taken for ztunnels: a tenant can give its pods their label, and its DaemonSets too."""

import json
from dataclasses import replace

import pytest

from meshtui.engine.policy.switches import switches_of
from meshtui.kinds.mesh_config import ConfigMap, together, written_in
from meshtui.kinds.wire import ObjectMeta
from meshtui.mesh.compare import compare
from meshtui.mesh.enrolment import should_be_captured
from meshtui.mesh.observed import observed_in_logs
from meshtui.model.denial import Denial, DenialKind
from meshtui.model.snapshot import MeshConfig
from meshtui.sources.kubernetes.denials import role_of
from meshtui.ztunnel.look import MeshLook
from tests.fakes.snapshots import snapshot_of
from tests.fakes.ztunnels import NOW
from tests.unit.mesh.test_enrolment import MESH, OLD, cluster, pod, ztunnel


def labelled(namespace, name="ztunnel-x", owner="DaemonSet", **more):
    found = ztunnel()
    found["metadata"] |= {"namespace": namespace, "name": name}
    found["metadata"]["ownerReferences"][0]["kind"] = owner
    found["spec"] |= more
    return found


def istiod(namespace="istio-system", trusts=""):
    found = pod("istiod", redirection="")
    found["metadata"] |= {"namespace": namespace, "labels": {"app": "istiod"}}
    found["spec"]["containers"][0]["env"] = [{"name": "CA_TRUSTED_NODE_ACCOUNTS", "value": trusts}]
    return found


def taken(*objects, **changes):
    return [each.key for each in cluster(*objects, **changes).ztunnels]


@pytest.mark.parametrize("namespace", ["istio-system", "kube-system"])
def test_one_of_a_daemon_set_in_the_mesh_s_namespace_is(namespace):
    assert taken(labelled(namespace)) == [f"{namespace}/ztunnel-x"]


def test_another_root_namespace_is_the_mesh_s_too():
    assert taken(labelled("mesh")) == []
    assert taken(labelled("mesh"), mesh=MeshConfig(root_namespace="mesh", found=True)) == ["mesh/ztunnel-x"]


def test_so_is_the_namespace_that_has_all_configurations_of_the_mesh():
    def written(namespace, name="istio", **config):
        return written_in(ConfigMap(ObjectMeta(name, namespace), {"mesh": json.dumps(config)}))

    elsewhere = together([written("mesh", rootNamespace="config")])
    assert taken(labelled("mesh"), mesh=elsewhere) == ["mesh/ztunnel-x"]
    revisions = together([written("mesh", "istio-1"), written("mesh", "istio-2", enableAutoMtls=False)])
    assert revisions.doubt
    assert taken(labelled("mesh"), mesh=revisions) == ["mesh/ztunnel-x"]
    somebody_s = together([written("mesh"), written("tenant")])
    assert taken(labelled("mesh"), labelled("tenant"), mesh=somebody_s) == [], "which one is the mesh's isn't known"


def test_where_one_may_run_it_is_not_said_that_none_does():
    snapshot = cluster(pod("web"), labelled("mesh"), mesh=MeshConfig(found=True, unread="forbidden"))
    (node,) = compare(snapshot, MeshLook(NOW)).nodes
    assert node.problems == ("no ztunnel is known to run here",)
    (node,) = compare(cluster(pod("web")), MeshLook(NOW)).nodes
    assert node.problems == ("no ztunnel runs here",)


@pytest.mark.parametrize("trusts", ["ztunnel/ztunnel", "istio-system/ztunnel, ztunnel/zt"])
def test_a_namespace_whose_account_istiod_trusts_is_too(trusts):
    assert taken(labelled("ztunnel"), istiod(trusts=trusts)) == ["ztunnel/ztunnel-x"]


def test_a_tenant_s_own_istiod_is_not_asked_whom_it_trusts():
    assert taken(labelled("default"), istiod("default", "default/ztunnel")) == []
    for odd in ("", ",", "default", "/ztunnel", "default/", "*/ztunnel"):
        assert taken(labelled("default"), istiod(trusts=odd)) == []


def test_the_setting_names_another_namespace():
    assert taken(labelled("far"), ztunnels_in=("far",)) == ["far/ztunnel-x"]


@pytest.mark.parametrize("namespace", ["default", "shop", "istio-system-2", "ztunnel"])
def test_a_tenant_s_is_not(namespace):
    assert taken(labelled(namespace), ztunnel()) == ["istio-system/ztunnel-a"]


def test_one_that_belongs_to_no_daemon_set_is_not():
    assert taken(labelled("istio-system", owner="ReplicaSet")) == []


def test_a_tenant_s_log_is_read_as_no_ztunnel_s():
    snapshot = cluster(labelled("default"), ztunnel())
    assert {each.key: role_of(snapshot, each) for each in snapshot.pods.values()} == {
        "default/ztunnel-x": "",
        "istio-system/ztunnel-a": "ztunnel",
    }


def test_a_pod_with_the_label_outside_the_mesh_s_namespaces_should_be_captured_like_any_other():
    snapshot = cluster(labelled("shop"), ztunnel())
    assert [each.key for each in snapshot.pods.values() if should_be_captured(snapshot, each)] == ["shop/ztunnel-x"]


def test_a_tenant_s_young_pod_keeps_no_refusal_from_being_evidence():
    """It would be the node's newest ztunnel, which has just started."""
    young = labelled("default")
    young["metadata"]["creationTimestamp"] = "2026-01-01T11:59:59Z"
    snapshot = cluster(pod("web"), ztunnel(), young)
    refused = Denial(
        None, None, 80, "", DenialKind.HBONE_CLOSED, "refused", "ztunnel", None, None, 1, NOW, NOW, (), ("", "shop/web"), ("", "")
    )
    assert observed_in_logs({}, [refused], snapshot).keys() == {"shop/web"}


def test_a_tenant_s_daemon_set_changes_no_verdict_on_dry_runs():
    def controller(kind, namespace, app, image, **env):
        container = {"name": "c", "image": image, "env": [{"name": name, "value": value} for name, value in env.items()]}
        template = {"metadata": {"labels": {"app": app}}, "spec": {"containers": [container]}}
        spec = {"selector": {"matchLabels": {"app": app}}, "template": template}
        meta = {"name": app, "namespace": namespace, "creationTimestamp": OLD}
        return {"apiVersion": "apps/v1", "kind": kind, "metadata": meta, "spec": spec}

    mesh = [
        controller("Deployment", "istio-system", "istiod", "pilot:1.30.1", AMBIENT_ENABLE_DRY_RUN_AUTHORIZATION_POLICY="true"),
        controller("DaemonSet", "istio-system", "ztunnel", "ztunnel:1.30.1"),
    ]
    assert switches_of(snapshot_of(mesh)).dry_runs_enforced is False
    assert (
        switches_of(snapshot_of([*mesh, controller("DaemonSet", "shop", "ztunnel", "ztunnel:1.20.0")])).dry_runs_enforced is False
    )


def test_those_that_are_not_taken_for_one_are_named():
    look = MeshLook(NOW)
    assert compare(cluster(ztunnel()), look).missing == ()
    assert compare(
        cluster(labelled("default"), labelled("istio-system", "odd", owner="ReplicaSet"), ztunnel()), look
    ).missing == (
        (
            "not taken for a ztunnel: default/ztunnel-x "
            "(default isn't known to be the mesh's, and no istiod there is known to trust its ztunnels)"
        ),
        "not taken for a ztunnel: istio-system/odd (it belongs to no DaemonSet)",
    )
    many = [labelled("default", f"z{number}") for number in range(9)]
    said = compare(cluster(*many, MESH), look).missing
    assert len(said) == 4
    assert said[-1] == "not taken for ztunnels: 6 more pods with the label app=ztunnel"


def test_an_older_pod_of_the_same_daemon_set_counts_while_it_has_not_ended():
    ended = labelled("istio-system", "old")
    ended["status"]["phase"] = "Failed"
    assert taken(ended, ztunnel()) == ["istio-system/ztunnel-a"]
    assert cluster(pod("web"), ztunnel()).ztunnels[0].ready_since is None
    assert replace(cluster(ztunnel()), ztunnels_in=("x",)).ztunnel_namespaces >= {"x", "istio-system"}
