"""The steps of a fix: propose, apply, probe, undo."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from meshtui.engine import Engine
from meshtui.engine.explain.causes import spec_of
from meshtui.engine.explain.denials import policies_of
from meshtui.engine.matrix.matrix import Matrix
from meshtui.engine.whatif.compare import Comparison, compare
from meshtui.engine.whatif.overlay import overlaid
from meshtui.engine.whatif.shift_flows import promised_flows
from meshtui.model.errors import MeshtuiError, UsageError
from meshtui.model.finding import Edit, Finding, Fix
from meshtui.model.flow import Flow
from meshtui.model.observation import Observation
from meshtui.model.snapshot import Snapshot
from meshtui.model.verdict import Decision, Verdict
from meshtui.model.workload import Controller
from meshtui.probe.plan import Plan, make_plan
from meshtui.settings import Settings
from meshtui.sources.edits import diff_of, edited, written
from meshtui.sources.kubernetes.api import Api
from meshtui.sources.kubernetes.apply import Applied, Prepared, apply, prepare, undo
from meshtui.sources.kubernetes.writes import Confirmation, Writes
from meshtui.sources.manifest_yaml import yaml_documents
from meshtui.sources.manifests import read_documents
from meshtui.sources.ports import Source, SourceLabel

_SEEN_WITHIN_S = 90.0
"""The maximum time until a change, and its rollout, is visible in the Snapshot."""
_PROBES = 4
"""The maximum number of probes of a flow that doesn't show the promised result yet: proxies receive policies with a delay."""
_BETWEEN_PROBES_S = 1.0


@dataclass(frozen=True, slots=True)
class Proposal:
    """A fix on the current objects, with its effects. ``promised`` are the flows to probe, with their predicted decisions."""

    finding: Finding
    fix: Fix
    steps: tuple[Prepared, ...]
    comparison: Comparison
    promised: Mapping[Flow, Decision] = field(default_factory=dict)

    @property
    def refused(self) -> bool:
        """Whether the API server would refuse a part of it."""
        return any(step.tried and step.said for step in self.steps)


@dataclass(slots=True)
class Done:
    """A fix that was applied at least in part, and the observations after it.

    ``error`` is what stopped the changes, ``unprobed`` what stopped the last probe.
    """

    proposal: Proposal
    applied: list[Applied] = field(default_factory=list)
    observations: list[Observation] = field(default_factory=list)
    unseen: bool = False
    error: MeshtuiError | None = None
    unprobed: MeshtuiError | None = None


class Target(Protocol):
    """The parts of a session that fixing needs: its current state, and ways to change and probe it."""

    fixes: list[Done]
    """The fixes that were applied and not undone, in order of application."""

    @property
    def source(self) -> Source:
        """The source of the manifests."""

    @property
    def settings(self) -> Settings:
        """The settings for probes."""

    @property
    def snapshot(self) -> Snapshot:
        """The current Snapshot."""

    @property
    def engine(self) -> Engine:
        """The engine on the current Snapshot."""

    @property
    def label(self) -> SourceLabel:
        """The label of the source, with whether it is the sandbox."""

    def api(self) -> Api:
        """The client of the API server. Raises UsageError when there is no cluster."""

    def writes(self) -> Writes:
        """The gate for changes. Raises UsageError when there is no cluster to change."""

    def verdict(self, flow: Flow) -> Verdict:
        """The verdict on a flow."""

    def all_pairs(self) -> AbstractContextManager[tuple[Matrix, int]]:
        """The matrix of the current Snapshot, with its version."""

    def note(self, what: str, outcome: str, undo: str = "", *, failed: bool = False) -> None:
        """Write into the journal what was done to the cluster."""

    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call ``listener`` after every change; returns a function that unsubscribes."""

    async def probe(self, plan: Plan, confirmation: Confirmation) -> list[Observation]:
        """Run a plan of probes."""


async def propose(session: Target, finding: Finding) -> Proposal:
    """Apply a finding's fix to the current objects, as a dry run on the server, and compute its effects.

    Raises UsageError for a finding without a fix, EditError, ClusterError.
    """
    fix = finding.fix
    if fix is None:
        raise UsageError(f"{finding.rule} has no fix that is safe to propose")
    steps = tuple([await _prepared(session, edit) for edit in fix.edits])
    documents = [step.after for step in steps]
    comparison, promised = await asyncio.to_thread(_worked_out, session, documents)
    return Proposal(finding, fix, steps, comparison, promised)


async def _prepared(session: Target, edit: Edit) -> Prepared:
    if session.source.api is not None:
        return await prepare(session.source.api, session.writes(), edit)
    before: dict[str, Any] = {}
    if edit.create is None:
        before = yaml_documents("manifest", (await session.source.manifest(edit.ref)).encode())[0]
    after = edited(before, edit)
    diff = diff_of(written(before) if before else {}, written(after), str(edit.ref))
    return Prepared(edit, "", before or None, after, diff, said="no API server to ask")


def _worked_out(session: Target, documents: list[Mapping[str, Any]]) -> tuple[Comparison, dict[Flow, Decision]]:
    new = read_documents(documents, "the fix")
    with session.all_pairs() as (matrix, _):
        before = matrix.snapshot
        after = overlaid(before, new)
        comparison = compare(before, after, known=matrix)
    engine = Engine(after)
    return comparison, {flow: engine.summarize(flow).decision for flow in promised_flows(engine, comparison.shifts)}


async def carry_out(
    session: Target, proposal: Proposal, confirmation: Confirmation, tell: Callable[[str], None], done: Done | None = None
) -> Done:
    """Apply a proposal, wait until it is visible, and probe the promised flows. Errors are stored in the result.

    ``done`` is filled and returned, for who wants to know what was done although it was cancelled.

    ``tell`` is called with a description of each stage. If it is cancelled while objects are being changed, they all are
    changed first.
    """
    done = done or Done(proposal)
    await _finished(_apply_all(session, done, confirmation, tell))
    if done.error is None:
        tell("applied; waiting until it is rolled out and seen")
        done.unseen = not await _seen(session, lambda: _is_there(session, proposal))
        await probe_again(session, done, confirmation, tell)
    return done


async def _apply_all(session: Target, done: Done, confirmation: Confirmation, tell: Callable[[str], None]) -> None:
    """Change the objects, one after the other, and write into the journal what came of it."""
    proposal = done.proposal
    try:
        for step in proposal.steps:
            tell(f"applying {step.ref}")
            done.applied.append(await apply(session.writes(), step, confirmation))
            if len(done.applied) == 1:
                session.fixes.append(done)  # The fix can be undone from here on, even if a later step fails
    except MeshtuiError as error:
        done.error = error
    if done.applied or done.error is not None:
        names = ", ".join(str(applied.ref) for applied in done.applied) or "nothing"
        said = "applied" if done.error is None else f"{names} applied, then: {done.error}"
        what = f"fix of {proposal.finding.rule}: {', '.join(str(step.ref) for step in proposal.steps)}"
        session.note(what, said, "u undoes it" if done.applied else "", failed=done.error is not None)


async def probe_again(session: Target, done: Done, confirmation: Confirmation, tell: Callable[[str], None]) -> None:
    """Probe the promised flows; repeat this several times for those that don't agree yet."""
    flows = list(done.proposal.promised)
    done.unprobed = None
    found: dict[Flow, Observation] = {}
    for attempt in range(_PROBES):
        plan = make_plan(session.engine, flows, session.settings.probe, any_method=session.label.sandbox)
        if not plan.flows:
            break
        tell(f"probing {plan.flows} flow(s) that it promised to open or close")
        try:
            found.update({seen.flow: seen for seen in await session.probe(plan, confirmation)})
        except MeshtuiError as error:
            done.unprobed = error
            break
        flows = [flow for flow in flows if flow in found and found[flow].agrees is False]
        if not flows or attempt == _PROBES - 1:
            break
        await asyncio.sleep(_BETWEEN_PROBES_S)
    done.observations = list(found.values())


async def take_back(session: Target, done: Done, confirmation: Confirmation, tell: Callable[[str], None]) -> None:
    """Undo a fix, the last change first. Raises ConflictError, ClusterError; changes undone before the error stay undone.

    If it is cancelled while objects are being changed, that is finished first.
    """
    restored = [applied.before for applied in done.applied if applied.before is not None]
    await _finished(_undo_all(session, done, confirmation, tell))
    tell("undone; waiting until it is rolled out and seen")
    old = read_documents(restored, "what was before")
    await _seen(session, lambda: all(_rolled_out(session.snapshot, each) for each in old.controllers.values()))


async def _undo_all(session: Target, done: Done, confirmation: Confirmation, tell: Callable[[str], None]) -> None:
    while done.applied:
        tell(f"undoing {done.applied[-1].ref}")
        await undo(session.api(), session.writes(), done.applied[-1], confirmation)
        done.applied.pop()
    if done in session.fixes:
        session.fixes.remove(done)
    session.note(f"undo of the fix of {done.proposal.finding.rule}", "the objects are as they were")


async def _finished(changes: Coroutine[Any, Any, None]) -> None:
    """Run changes to their end, also if this is cancelled meanwhile: half of a fix may be worse than none.

    Raises what the changes raise, else CancelledError if this was cancelled.
    """
    task, cancelled = asyncio.ensure_future(changes), False
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            cancelled = True
    task.result()
    if cancelled:
        raise asyncio.CancelledError


async def _seen(session: Target, good: Callable[[], bool]) -> bool:
    """Wait until a condition on the session's Snapshot is met; False when it isn't met within the time."""
    news = asyncio.Event()
    stop = session.listen(news.set)
    try:
        async with asyncio.timeout(_SEEN_WITHIN_S):
            while not good():
                news.clear()
                await news.wait()
    except TimeoutError:
        return False
    finally:
        stop()
    return True


def _is_there(session: Target, proposal: Proposal) -> bool:
    """Whether the Snapshot contains the whole change, rolled out, and the promised flows have the predicted decisions."""
    new = read_documents([step.after for step in proposal.steps], "the fix")
    known = {policy.meta.ref: policy for policy in policies_of(session.snapshot)}
    if not all(policy.meta.ref in known and spec_of(known[policy.meta.ref]) == spec_of(policy) for policy in policies_of(new)):
        return False
    if not all(_rolled_out(session.snapshot, controller) for controller in new.controllers.values()):
        return False
    return all(session.verdict(flow).decision is decision for flow, decision in proposal.promised.items())


def _rolled_out(snapshot: Snapshot, wanted: Controller) -> bool:
    """Whether all pods of a controller are ready and match its new template."""
    workload = snapshot.workloads.get(wanted.meta.ref)
    if workload is None:
        return False
    pods = [pod for pod in workload.pods if not pod.completed]
    template = wanted.template
    return len(pods) >= min(1, wanted.replicas) and all(
        pod.ready
        and not pod.deleting
        and pod.service_account == template.service_account
        and set(template.images) <= set(pod.images)
        for pod in pods
    )
