"""Port 15008 of pods, asked by a pod outside the mesh with the script of a probe."""

import asyncio
import os
from dataclasses import replace

from meshtui.model.flow import EndpointKind, Flow, FlowEndpoint
from meshtui.model.verdict import UNKNOWN, Decision, Layer, Verdict
from meshtui.probe.capture import answer_of
from meshtui.probe.classify import parse_attempt
from meshtui.probe.plan import Target
from meshtui.probe.podspec import script
from meshtui.probe.protocols.hbone import NAME
from meshtui.settings import Probe
from tests.fakes import snapshots
from tests.integration.test_dataplane.test_faults import ECOM, INVENTORY, OF_INVENTORY, PROMETHEUS, break_it

FLOW = Flow(FlowEndpoint(EndpointKind.POD, "a", "b"), FlowEndpoint(EndpointKind.POD, "a", "c"), 15008)
TARGET = Target("0", FLOW, Verdict(Decision.UNKNOWN, UNKNOWN, Layer.NONE), NAME, "", 15008)


async def asked(cluster, ref, account=None, source=PROMETHEUS):
    """What the last attempt of a probe's script shows, and how many attempts it took."""
    target = replace(TARGET, address=cluster.ip(ref))
    process = await asyncio.create_subprocess_exec(
        *("sh", "-c", script((target,), Probe(attempt_timeout_s=1))),
        env={**os.environ, "CURL_HOME": str(cluster.root(source))},
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    attempts = [found for line in output.decode().splitlines() if (found := parse_attempt(line)) is not None]
    snapshot = snapshots.snapshot_of([snapshots.pod(ref, "10.0.0.1", account=account or ref.split("/")[1])])
    return answer_of(attempts[-1], next(iter(snapshot.pods.values()))), len(attempts)


async def test_who_answers_and_who_refuses(cluster):
    own, other, outside = await asyncio.gather(
        asked(cluster, INVENTORY), asked(cluster, INVENTORY, account="other"), asked(cluster, PROMETHEUS)
    )
    assert own == ((True, "answers on port 15008 with TLS and its identity"), 2)
    says, words = other[0]
    assert says is None
    assert "spiffe://cluster.local/ns/inventory/sa/inventory-service" in words
    assert outside[0][0] is False
    meshed = await cluster.curl(ECOM, f"https://{cluster.ip(INVENTORY)}:15008/", "-k")
    assert meshed.outcome == "refused", "nobody in the mesh has a way to the port"


async def test_a_pod_that_lost_its_redirection_refuses(cluster):
    await break_it(cluster, {"fault": "lost-redirection", "of": OF_INVENTORY})
    lost, other = await asyncio.gather(asked(cluster, INVENTORY), asked(cluster, ECOM))
    assert lost[0] == (False, "refuses connections from outside the mesh on port 15008")
    assert other[0][0] is True


async def test_a_networkpolicy_that_closes_the_port_proves_nothing(cluster):
    closed = {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{"ports": [{"port": 8000}]}]}
    await cluster.apply("NetworkPolicy", "closed", "inventory", closed)
    assert (await asked(cluster, INVENTORY))[0] == (None, "no answer on port 15008")
    await cluster.apply("NetworkPolicy", "closed", "inventory", {**closed, "ingress": [{"ports": [{"port": 15008}]}]})
    assert (await asked(cluster, INVENTORY))[0][0] is True
