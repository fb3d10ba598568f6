"""Whose logs are read as those of istio-cni's agents: a tenant's pod may have their label, and say of any pod that it is lost."""

import asyncio

import pytest

from meshtui.logs.cni_agent import AgentLine
from meshtui.sources.kubernetes.cni_agents import agent_lines
from tests.unit.mesh.test_enrolment import cluster, ztunnel

LINE = "2026-01-01T11:30:00Z\terror\tcni-agent\tfailed to reconcile inpod rules for pod\tns=shop name=web"


class Api:
    """An API server on which every pod says the same, and that remembers who was asked."""

    def __init__(self):
        self.asked = []

    async def get(self, path, _query):
        self.asked.append(path)
        return LINE.encode()


def agent(namespace, owner="DaemonSet"):
    found = ztunnel()
    found["metadata"] |= {"namespace": namespace, "labels": {"k8s-app": "istio-cni-node"}}
    found["metadata"]["ownerReferences"][0]["kind"] = owner
    return found


@pytest.mark.parametrize(
    ("namespace", "owner", "read"),
    [
        ("istio-system", "DaemonSet", True),
        ("kube-system", "DaemonSet", True),
        ("istio-cni", "DaemonSet", True),
        ("shop", "DaemonSet", False),
        ("istio-system", "ReplicaSet", False),
    ],
)
def test_only_daemon_sets_of_the_mesh_have_agents(namespace, owner, read):
    snapshot, api = cluster(agent(namespace, owner)), Api()
    lines, problems = asyncio.run(agent_lines(api, snapshot.pods.values(), snapshot.ztunnel_namespaces))
    assert [each.pod for each in lines if isinstance(each, AgentLine)] == (["shop/web"] if read else [])
    assert (bool(api.asked), problems) == (read, ())
