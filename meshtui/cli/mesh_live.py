"""Looks at the ztunnels of a cluster, for commands."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from meshtui.cli.notes import note
from meshtui.cli.progress import progress

if TYPE_CHECKING:
    from meshtui.cli.mesh_probe import Prover
    from meshtui.mesh.report import MeshReport
    from meshtui.model.enrolment import Evidence, Proofs
    from meshtui.model.snapshot import Snapshot
    from meshtui.settings import Settings
    from meshtui.sources.kubernetes.live import LiveSource


async def look_twice(
    settings: Settings, nodes: Sequence[str], wait_s: float, prover: Prover | None = None
) -> tuple[MeshReport, Snapshot]:
    """The report of two looks, ``wait_s`` apart, and the Snapshot of the second. Without a difference one look is enough.

    ``prover`` asks the pods that the first look doesn't prove to be captured.
    """
    from meshtui.cli.source import checked, listed
    from meshtui.sources.kubernetes.live import LiveSource

    source = LiveSource(settings)
    try:
        if prover is not None:
            await source.open()
            prover.permit(source)
        snapshot = checked(await listed(source))
        return await look_again(source, snapshot, nodes, wait_s, prover=prover)
    finally:
        await source.close()


async def look_again(
    source: LiveSource,
    snapshot: Snapshot,
    nodes: Sequence[str] = (),
    wait_s: float = 15.0,
    *,
    logs: bool = True,
    prover: Prover | None = None,
) -> tuple[MeshReport, Snapshot]:
    """The same on an open source with its Snapshot. ``logs``: whether ztunnels' logs are read as evidence of capture."""
    from meshtui.cli.source import checked, listed
    from meshtui.mesh.compare import confirmed, is_calm

    first = await _look(source, snapshot, nodes, logs=logs)
    proofs = None
    if prover is not None:
        proofs = await prover.prove(source, snapshot, first, nodes)
        first = _with(first, proofs, snapshot)
    if not wait_s or is_calm(first):
        return first, snapshot
    note(f"looking again in {wait_s:g} s: what is on its way then isn't drift")
    await asyncio.sleep(wait_s)
    snapshot = checked(await listed(source))
    second = await _look(source, snapshot, nodes, logs=logs)
    return confirmed(first, second if proofs is None else _with(second, proofs, snapshot)), snapshot


def _with(report: MeshReport, proofs: Proofs, snapshot: Snapshot) -> MeshReport:
    """A report with what a probe showed."""
    from meshtui.mesh.enrolment import renewed

    enrolled = renewed(report.enrolments, snapshot, proofs.evidence, datetime.now(UTC))
    return replace(report, enrolments=enrolled, probed=proofs)


async def with_captures(source: LiveSource, snapshot: Snapshot) -> Snapshot:
    """The Snapshot with what a look at the ztunnels, and their logs, say of the capture of pods."""
    report, snapshot = await look_again(source, snapshot)
    for missing in report.missing:
        note(missing)
    return replace(snapshot, enrolments=report.enrolments)


async def _look(source: LiveSource, snapshot: Snapshot, nodes: Sequence[str], *, logs: bool) -> MeshReport:
    from meshtui.mesh.compare import compare
    from meshtui.sources.kubernetes.mesh_look import look_at_mesh

    async with progress("asking the ztunnels"):
        look = await look_at_mesh(
            await source.open(), snapshot.pods.values(), namespaces=snapshot.ztunnel_namespaces, nodes=nodes or None
        )
    observed = await _observed(source, snapshot) if logs else {}
    return compare(snapshot, look, observed, datetime.now(UTC))


async def _observed(source: LiveSource, snapshot: Snapshot) -> Mapping[str, list[Evidence]]:
    """Evidence in the ztunnels' logs; none where they can't be read, which standard error says."""
    from meshtui.mesh.observed import observed_in_logs, with_agents
    from meshtui.sources.kubernetes.cni_agents import agent_lines
    from meshtui.sources.kubernetes.denials import DenialLog
    from meshtui.sources.kubernetes.log_stream import log_reader

    log = DenialLog(log_reader(source), lambda: snapshot, clock=lambda: datetime.now(UTC))
    await log.read()
    for problem in log.problems:
        note(problem)
    agents, problems = await agent_lines(await source.open(), snapshot.pods.values(), snapshot.ztunnel_namespaces)
    for problem in problems:
        note(problem)
    return with_agents(observed_in_logs(log.captured, log.denials, snapshot), agents, snapshot)
