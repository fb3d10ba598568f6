"""Clusters that aren't like the others: no Istio, no Gateway API, a revisioned control plane, one in another namespace."""

import contextlib

import pytest

from meshtui.engine import Engine
from meshtui.engine.explain.wording import in_words as said
from meshtui.engine.path.references import parse_flow
from meshtui.model.snapshot import KindStatus
from meshtui.sandbox.apiserver.server import running_api
from meshtui.settings import Settings
from meshtui.sources.kubernetes.live import LiveSource
from tests.fakes.egress import entry
from tests.fakes.live import following, status, synced
from tests.fakes.requests import thing
from tests.fakes.snapshots import namespace as a_namespace
from tests.fakes.snapshots import pod, policy

ISTIO = ["authorizationpolicies", "peerauthentications", "requestauthentications"]
GATEWAY = ["gateways", "gatewayclasses", "httproutes"]
PODS = [pod("shop/a", "10.0.0.1"), pod("shop/b", "10.0.0.2", [80]), pod("shop/c", "10.0.0.3", [80])]
CLOSED = policy("shop/closed", {"podSelector": {"matchLabels": {"app": "c"}}, "ingress": []})


@pytest.mark.parametrize("hidden", [ISTIO, GATEWAY, ISTIO + GATEWAY], ids=["no Istio", "no Gateway API", "neither"])
async def test_what_is_not_installed_leaves_no_doubt(hidden):
    async with running_api([*PODS, CLOSED]) as api:
        api.faults.set(hidden=hidden)
        async with following(api.kubeconfig) as followed:
            snapshot = await followed.until(synced)
            for kind in {"AuthorizationPolicy", "PeerAuthentication"} if ISTIO[0] in hidden else {"Gateway", "HTTPRoute"}:
                assert status(snapshot, kind) is KindStatus.NOT_INSTALLED
            engine = Engine(snapshot)
            assert engine.judge(parse_flow("shop/a", "shop/b:80")).decision.value == "allow"
            assert engine.judge(parse_flow("shop/a", "shop/c:80")).decision.value == "deny"


def control_plane(namespace, name, root):
    mesh = f"rootNamespace: {root}\ntrustDomain: corp.example\n"
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}, "data": {"mesh": mesh}}


@pytest.mark.parametrize(
    ("namespace", "name"), [("istio-system", "istio-canary"), ("mesh-control", "istio")], ids=["a revision", "another namespace"]
)
async def test_the_root_namespace_and_trust_domain_are_the_control_planes_own(namespace, name):
    istiod = pod(f"{namespace}/istiod-1", labels={"app": "istiod"})
    async with (
        running_api([*PODS, istiod, control_plane(namespace, name, "mesh-root")]) as api,
        following(api.kubeconfig) as followed,
    ):
        snapshot = await followed.until(lambda s: s.mesh.found)
        assert (snapshot.mesh.root_namespace, snapshot.mesh.trust_domain) == ("mesh-root", "corp.example")


async def test_who_may_only_get_some_namespaces_has_their_labels_and_doubts_the_others():
    """The usual case of a Role in each of two namespaces: it may get those Namespace objects, and list none."""
    by_label = policy(
        "shop/from-labelled",
        {"podSelector": {}, "ingress": [{"from": [{"namespaceSelector": {"matchLabels": {"team": "till"}}}]}]},
    )
    labelled = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "till", "labels": {"team": "till"}}}
    objects = [labelled, *PODS, by_label, pod("till/desk", "10.0.0.4")]
    async with running_api(objects) as api:
        api.faults.set(forbidden=["list namespaces", "watch namespaces"])
        scopes = ["shop", "till", "not-there"]
        async with following(api.kubeconfig, namespaces=scopes) as followed:
            snapshot = await followed.until(synced)
            assert snapshot.kind_state("Namespace").scope == "shop, till, not-there"
            assert {n.name for n in snapshot.namespaces.values()} == {"shop", "till"}
            engine = Engine(snapshot)
            assert engine.judge(parse_flow("till/desk", "shop/b:80")).decision.value == "allow"
            assert engine.judge(parse_flow("shop/a", "shop/b:80")).decision.value == "deny"
            api.add(pod("dark/x", "10.0.0.5"))
            snapshot = await followed.until(lambda s: len(s.pods) == 5)
            for source in ("dark/x", "shop/a"):
                dark = Engine(snapshot).judge(parse_flow(source, "shop/b:80"))
                assert dark.decision.value == "unknown"
                assert any("and pods run in dark" in said(step.reason) for step in dark.steps)
        source = LiveSource(Settings(kubeconfig=str(api.kubeconfig), namespaces=scopes))
        once = await source.snapshot()
        await source.close()
        assert {n.name for n in once.namespaces.values()} == {"shop", "till"}
        api.faults.set(forbidden=["list namespaces", "watch namespaces", "get namespaces"])
        async with following(api.kubeconfig, namespaces=scopes) as followed:
            snapshot = await followed.until(lambda s: status(s, "Namespace") is KindStatus.FORBIDDEN and len(s.pods) == 5)
            assert Engine(snapshot).judge(parse_flow("shop/a", "shop/b:80")).decision.value == "unknown"


async def test_both_addresses_of_a_dual_stack_pod_arrive():
    async with running_api([pod("shop/a", "10.0.0.1 fd00::1")]) as api, following(api.kubeconfig) as followed:
        snapshot = await followed.until(synced)
        (found,) = snapshot.pods.values()
        assert [str(ip) for ip in found.ips] == ["10.0.0.1", "fd00::1"]


async def test_entries_and_the_outbound_policy_are_read():
    selected = {"resolution": "STATIC", "location": "MESH_INTERNAL", "workloadSelector": {"labels": {"vm": "db"}}}
    registered = entry("shop/ext", ["db.example.com"], **selected)
    machine = thing("WorkloadEntry", "shop/vm", {"address": "203.0.113.7", "labels": {"vm": "db"}})
    mesh = control_plane("istio-system", "istio", "istio-system")
    mesh["data"]["mesh"] += "outboundTrafficPolicy: {mode: REGISTRY_ONLY}\n"
    objects = [*PODS, registered, machine, mesh, pod("istio-system/istiod-1", labels={"app": "istiod"})]
    async with running_api(objects) as api, following(api.kubeconfig) as followed:
        snapshot = await followed.until(lambda s: synced(s) and s.mesh.found)
        assert snapshot.mesh.registry_only
        (found,) = snapshot.service_entries.values()
        assert (found.hosts, found.external, found.resolution) == (("db.example.com",), False, "STATIC")
        assert [each.endpoint.address for each in snapshot.workload_entries.values()] == ["203.0.113.7"]
        assert Engine(snapshot).judge(parse_flow("shop/a", "db.example.com:443")).decision.value == "allow"


def cilium(namespace="kube-system"):
    labels, containers = {"k8s-app": "cilium"}, [{"name": "agent", "image": "quay.io/cilium/cilium:v1.16.4"}]
    spec = {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": {"containers": containers}}}
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "cilium", "namespace": namespace},
        "spec": spec,
    }


@contextlib.asynccontextmanager
async def a_cluster(objects):
    """A server that doesn't say that it is a sandbox."""
    async with running_api(objects) as api:
        system = api.store.require("namespaces", None, "kube-system")
        api.store.update("namespaces", system | {"metadata": system["metadata"] | {"labels": {}}})
        yield api


def cilium_config(namespace="kube-system", **data):
    metadata = {"name": "cilium-config", "namespace": namespace}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


async def test_the_settings_of_the_cni_are_its_own():
    config = cilium_config(**{"enable-policy": "always"})
    async with a_cluster([*PODS, cilium(), config]) as api, following(api.kubeconfig) as followed:
        snapshot = await followed.until(lambda s: synced(s) and bool(s.cni_config))
        assert (snapshot.cni.name, snapshot.cni.leaves_open, snapshot.cni.unread) == ("cilium", False, "")
        verdict = Engine(snapshot).judge(parse_flow("shop/a", "shop/b:80"))
        assert verdict.decision.value == "unknown"
        assert "Cilium is set to close pods that no policy selects" in said(verdict.reason)
        once = await LiveSource(Settings(kubeconfig=str(api.kubeconfig))).snapshot()
        assert once.cni == snapshot.cni


async def test_the_settings_of_a_cni_are_read_where_it_runs():
    spaces = [a_namespace(name) for name in ("net", "other")]
    configs = [cilium_config("other", **{"enable-policy": "never"}), cilium_config("net", **{"enable-policy": "always"})]
    async with a_cluster([*PODS, *spaces, cilium("net"), *configs]) as api, following(api.kubeconfig) as followed:
        snapshot = await followed.until(lambda s: synced(s) and bool(s.cni_config))
        assert (snapshot.cni.enforces, snapshot.cni.leaves_open, snapshot.cni.unread) == (True, False, "")
        once = await LiveSource(Settings(kubeconfig=str(api.kubeconfig))).snapshot()
        assert once.cni == snapshot.cni


async def test_settings_of_the_cni_that_may_not_be_read_are_said():
    async with a_cluster([*PODS, cilium()]) as api:
        api.faults.set(forbidden=["get configmaps"])
        async with following(api.kubeconfig) as followed:
            snapshot = await followed.until(lambda s: synced(s) and bool(s.cni.unread))
            verdict = Engine(snapshot).judge(parse_flow("shop/a", "shop/b:80"))
            assert verdict.decision.value == "allow"
            assert any("Cilium with its default settings" in said(each) for each in verdict.assumptions)
