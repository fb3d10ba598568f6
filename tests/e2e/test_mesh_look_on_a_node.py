"""A look at the mesh's own state on a real node: port-forwards to localhost in pods, pods/proxy, and the rights for both."""

import copy
from pathlib import Path

import pytest
import yaml

from meshtui.settings import Settings, Timeouts
from meshtui.sources.kubernetes.api import Api
from meshtui.sources.kubernetes.connection import connect
from meshtui.sources.kubernetes.mesh_look import look_at_mesh
from tests.e2e.conftest import IMAGE, wait_until

HERE = Path(__file__).parent
ROLE = HERE.parents[1] / "docs" / "guide" / "roles" / "mesh.yaml"
OPERATORS = "meshtui-operators"
ZTUNNEL, ISTIOD = "ztunnel-e2e", "istiod-e2e"
PODS = "/api/v1/namespaces/istio-system/pods"
LOOKS = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "ClusterRoleBinding",
    "metadata": {"name": "meshtui-e2e-pods"},
    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
    "subjects": [{"kind": "Group", "name": "e2e-looks", "apiGroup": "rbac.authorization.k8s.io"}],
}
"""Pods may be listed: ``view`` has neither pods/portforward nor pods/proxy."""


def pod(name):
    container = {
        "name": "istio-proxy",
        "image": IMAGE,
        "imagePullPolicy": "Never",
        "command": ["python3", "-u", "-c", (HERE / "mesh_ports.py").read_text()],
        "readinessProbe": {"tcpSocket": {"port": 15021}, "periodSeconds": 1},
    }
    labels = {"app": name.removesuffix("-e2e")}
    spec = {"terminationGracePeriodSeconds": 0, "automountServiceAccountToken": False, "containers": [container]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "istio-system", "labels": labels},
        "spec": spec,
    }


def daemon_set(name):
    """A DaemonSet whose pod is the node's ztunnel: the label alone makes no pod one."""
    template = pod(name)
    labels = template["metadata"]["labels"]
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": name, "namespace": "istio-system"},
        "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": template["spec"]}},
    }


def variants():
    """The role as it is, and without each verb, each for a group of its own."""
    role, binding = yaml.safe_load_all(ROLE.read_text())
    yield "", [role, binding]
    for place, rule in enumerate(role["rules"]):
        for verb in rule["verbs"]:
            name = f"{rule['resources'][0].replace('/', '-')}-{verb}"
            less, bound = copy.deepcopy(role), copy.deepcopy(binding)
            less["rules"][place]["verbs"].remove(verb)
            less["rules"] = [rule for rule in less["rules"] if rule["verbs"]]
            less["metadata"]["name"] = bound["metadata"]["name"] = bound["roleRef"]["name"] = f"meshtui-mesh-{name}"
            bound["subjects"][0]["name"] = f"{OPERATORS}-{name}"
            yield name, [less, bound]


@pytest.fixture(scope="module")
def mesh(node):
    """Pods that answer as a ztunnel and an istiod do, and the roles."""
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": "istio-system"}}
    objects = [daemon_set(ZTUNNEL), pod(ISTIOD), LOOKS, *(obj for _, objects in variants() for obj in objects)]
    node.apply([account, *objects])

    def ready():
        pods = node.get(PODS, labelSelector="app in (ztunnel, istiod)")["items"]
        return sorted(each["metadata"]["labels"]["app"] for each in pods if _is_ready(each))

    try:
        wait_until(ready, lambda apps: apps == ["istiod", "ztunnel"], 60)
        yield node
    finally:
        node.delete(objects)
        wait_until(lambda: len(node.get(PODS, labelSelector="app=ztunnel")["items"]), lambda left: left == 0, 60)


def _is_ready(obj):
    return any(each["type"] == "Ready" and each["status"] == "True" for each in obj["status"].get("conditions", ()))


async def looked(node, *groups):
    chosen = Settings(
        kubeconfig=node.kubeconfig, impersonate="eve", impersonate_groups=("e2e-looks", *groups), timeouts=Timeouts(request_s=20)
    )
    api = Api(connect(chosen), chosen.timeouts)
    try:
        return await look_at_mesh(api)
    finally:
        await api.close()


async def log(node, name):
    api = Api(connect(node.settings), node.settings.timeouts)
    try:
        return (await api.get(f"/api/v1/namespaces/istio-system/pods/{name}/log")).decode().splitlines()
    finally:
        await api.close()


async def test_with_the_guides_role_everything_is_read_and_only_that_is_asked(mesh):
    look = await looked(mesh, OPERATORS)
    (node,) = look.nodes
    assert (look.missing, node.problems) == ((), ())
    assert node.pod.startswith(f"istio-system/{ZTUNNEL}-")
    assert node.dump.size > 1 << 20
    assert len(node.dump.workloads) == 5000
    assert (node.metrics.active_pods, node.metrics.pending_pods) == (4, 0)
    assert node.readiness.pending == ("workload proxy manager",)
    assert [(each.proxy, each.resources[0].behind) for each in look.synced] == [(f"{ZTUNNEL}.istio-system", True)]
    assert {line for line in await log(mesh, node.pod.partition("/")[2]) if " " in line} == {
        "15000 GET /config_dump HTTP/1.1",
        "15020 GET /metrics HTTP/1.1",
        "15021 GET /healthz/ready HTTP/1.1",
    }
    assert {line for line in await log(mesh, ISTIOD) if " " in line} == {"15014 GET /debug/syncz HTTP/1.1"}


async def test_each_verb_that_is_missing_is_named_and_the_rest_is_read(mesh):
    for name, _ in list(variants())[1:]:
        look = await looked(mesh, f"{OPERATORS}-{name}")
        (node,) = look.nodes
        pods, resource, verb = name.split("-")
        words = f"missing verb: {verb} {pods}/{resource} in namespace istio-system"
        assert {each.partition(": ")[2] for each in look.missing} == {words}, name
        assert node.problems == ()
        assert (node.dump is None) == (look.synced is None) == (resource == "portforward")
        assert (node.metrics is None) == (node.readiness is None) == (resource == "proxy")


async def test_without_any_right_the_verbs_are_named(mesh):
    look = await looked(mesh)
    assert [each.partition(": ")[2] for each in look.missing] == [
        "missing verb: get, create pods/portforward in namespace istio-system",
        "missing verb: get pods/proxy in namespace istio-system",
        "missing verb: get, create pods/portforward in namespace istio-system",
    ]
