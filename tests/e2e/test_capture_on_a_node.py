"""A pod that an annotation calls captured, on a real node without any ztunnel: nothing proves it, and a probe is refused."""

import json

import pytest

from tests.e2e.conftest import IMAGE, PROBE, wait_until

NAMESPACE = "e2e-capture"
POD = f"/api/v1/namespaces/{NAMESPACE}/pods/web"
OBJECTS = [
    {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": NAMESPACE,
            "labels": {"istio.io/dataplane-mode": "ambient", "pod-security.kubernetes.io/enforce": "restricted"},
        },
    },
    {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": NAMESPACE}},
    {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "web",
            "namespace": NAMESPACE,
            "labels": {"app": "web"},
            "annotations": {"ambient.istio.io/redirection": "enabled"},
        },
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": False,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 65532,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": "web",
                    "image": IMAGE,
                    "imagePullPolicy": "Never",
                    "command": ["sleep", "600"],
                    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                }
            ],
        },
    },
]


@pytest.fixture(scope="module")
def web(node):
    node.apply(OBJECTS)
    try:
        wait_until(lambda: node.get(POD), lambda pod: pod["status"].get("phase") == "Running", 60)
        yield node
    finally:
        node.delete(OBJECTS[::-1])


def status(node, *flags):
    """The exit code, the pod's state, and what a probe showed of it."""
    done = node.meshtui("mesh", "status", "--wait", "0", "-o", "json", *flags)
    assert done.stdout, done.stderr
    found = json.loads(done.stdout)
    (pod,) = [each for each in found["pods"] if each["pod"] == f"{NAMESPACE}/web"]
    probed = [each for each in found["probed"] or () if each["pod"] == f"{NAMESPACE}/web"]
    return done.returncode, pod, probed


def test_an_annotation_proves_nothing_where_no_ztunnel_is(web):
    code, pod, _ = status(web)
    assert pod["capture"] == "unproven"
    assert pod["evidence"] == []
    assert code == 4, "no ztunnel could be asked: that is never ok"


def test_a_probe_from_outside_the_mesh_is_refused(web):
    _, pod, (probed,) = status(web, "--probe", *PROBE[:3])
    assert probed == {
        "pod": f"{NAMESPACE}/web",
        "captured": False,
        "text": "refuses connections from outside the mesh on port 15008",
    }
    assert pod["capture"] in {"lost", "unproven"}, "a pod younger than half a minute isn't called lost"
    assert web.leftovers() == []
