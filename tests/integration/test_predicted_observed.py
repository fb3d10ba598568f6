"""In every scenario, what the engine predicts for all pairs of bookstore workloads and ports is what probes observe."""

from __future__ import annotations

import pytest

from meshtui.engine.path.relations import flows_from
from meshtui.model.flow import Flow
from meshtui.model.observation import Observation
from meshtui.model.workload import MeshMode
from meshtui.probe.cleanup import find_leftovers
from meshtui.probe.plan import make_plan
from meshtui.sandbox.run import Sandbox
from meshtui.sandbox.scenarios import faults, names
from meshtui.session import Session
from meshtui.settings import Probe, load_settings
from meshtui.sources.kubernetes.live import LiveSource
from meshtui.sources.kubernetes.writes import Confirmation
from tests.fakes.bookstore import IN_ITS_LOOP, on

pytestmark = [pytest.mark.sandbox, IN_ITS_LOOP]

BOOKSTORE = {"ecom", "inventory", "identity", "observability"}
PAIRS = 6 * 8
"""Six workloads that can be stood in for in the bookstore's namespaces with a Service each, prometheus, and their targets."""


async def probe_all(session: Session) -> list[Observation]:
    """Probe every bookstore workload's flows to every Service port."""
    snapshot = session.snapshot
    flows: list[Flow] = []
    for ref, workload in snapshot.workloads.items():
        if ref.namespace in BOOKSTORE and all(snapshot.mesh_mode(p) is not MeshMode.GATEWAY for p in workload.pods):
            flows += flows_from(snapshot, workload)
    return await probe(session, flows, session.settings.probe)


async def probe(session: Session, flows: list[Flow], settings: Probe) -> list[Observation]:
    """Probe some flows."""
    plan = make_plan(session.engine, flows, settings, any_method=True)
    assert not plan.refused
    return await session.probe(plan, Confirmation("a test"))


@on(*(name for name in names() if not faults(name)))  # what manifests don't say can't be predicted from them
async def test_prediction_is_what_a_probe_sees(bookstore: Sandbox) -> None:
    source = LiveSource(load_settings({"kubeconfig": str(bookstore.kubeconfig)}))
    session = Session(source, load_settings({}))
    try:
        session.publish(await source.snapshot())
        observations = await probe_all(session)
        late = [o.flow for o in observations if not o.agrees and o.outcome == "timeout"]
        if late:  # on a loaded machine an answer may come later than a probe waits; what policy drops never comes
            patient = session.settings.probe.model_copy(update={"attempt_timeout_s": 20})
            again = {o.flow: o for o in await probe(session, late, patient)}
            observations = [again.get(o.flow, o) for o in observations]
        left = await find_leftovers(source.api) if source.api else None
    finally:
        await source.close()
    odd = [
        f"{o.flow.source} → {o.flow.destination}:{o.flow.port} {o.predicted.decision} {o.outcome} {o.detail}"
        for o in observations
        if not o.agrees
    ]
    assert not odd
    assert len(observations) >= PAIRS
    assert left == []
