"""From a finding to a change that was made and kept its promise: proposed, applied, probed, undone. No widgets in here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

from meshtui.engine import Engine
from meshtui.engine.explain.causes import spec_of
from meshtui.engine.explain.denials import policies_of
from meshtui.engine.whatif.compare import Comparison, compare
from meshtui.engine.whatif.overlay import overlaid
from meshtui.engine.whatif.shift_flows import promised_flows
from meshtui.model.errors import MeshtuiError, UsageError
from meshtui.model.finding import Change, Finding, Fix
from meshtui.model.flow import Flow
from meshtui.model.observation import Observation
from meshtui.model.snapshot import Snapshot
from meshtui.model.verdict import Decision
from meshtui.model.workload import Controller
from meshtui.probe.plan import make_plan
from meshtui.session import Session
from meshtui.sources.apply import Applied, Prepared, apply, prepare, undo
from meshtui.sources.changes import changed, diff_of, written
from meshtui.sources.manifest_yaml import yaml_documents
from meshtui.sources.manifests import read_documents
from meshtui.sources.writes import Confirmation

_SEEN_WITHIN_S = 90.0
"""How long a change, and what it rolls out, may take to be seen."""
_PROBES = 4
"""How often a flow is probed that doesn't show yet what was promised: a proxy hears of a policy a moment later."""
_BETWEEN_PROBES_S = 1.0


@dataclass(frozen=True, slots=True)
class Proposal:
    """A fix on the objects as they are now, and all that it does. ``promised`` are flows to probe, with their verdict then."""

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
    """A fix that was applied, as far as it got, and what was seen after it. ``error`` stopped it."""

    proposal: Proposal
    applied: list[Applied] = field(default_factory=list)
    observations: list[Observation] = field(default_factory=list)
    unseen: bool = False
    error: MeshtuiError | None = None


_DONE: WeakKeyDictionary[Session, list[Done]] = WeakKeyDictionary()


def done_in(session: Session) -> list[Done]:
    """The fixes of a session that were applied and not undone, the last one last."""
    return _DONE.setdefault(session, [])


async def propose(session: Session, finding: Finding) -> Proposal:
    """Put a finding's fix onto the objects as they are, let the server try it, and work out what it does.

    Raises UsageError for a finding without a fix, ChangeError, ClusterError.
    """
    fix = finding.fix
    if fix is None:
        raise UsageError(f"{finding.rule} has no fix that is safe to propose")
    steps = tuple([await _prepared(session, change) for change in fix.changes])
    documents = [step.after for step in steps]
    comparison, promised = await asyncio.to_thread(_worked_out, session, documents)
    return Proposal(finding, fix, steps, comparison, promised)


async def _prepared(session: Session, change: Change) -> Prepared:
    if session.source.api is not None:
        return await prepare(session.source.api, session.writes(), change)
    before: dict[str, Any] = {}
    if change.create is None:
        before = yaml_documents("manifest", (await session.source.manifest(change.ref)).encode())[0]
    after = changed(before, change)
    diff = diff_of(written(before) if before else {}, written(after), str(change.ref))
    return Prepared(change, "", before or None, after, diff, said="no API server to ask")


def _worked_out(session: Session, documents: list[Mapping[str, Any]]) -> tuple[Comparison, dict[Flow, Decision]]:
    new = read_documents(documents, "the fix")
    with session.all_pairs() as (matrix, _):
        before = matrix.snapshot
        after = overlaid(before, new)
        comparison = compare(before, after, known=matrix)
    engine = Engine(after)
    return comparison, {flow: engine.summarize(flow).decision for flow in promised_flows(engine, comparison.shifts)}


async def carry_out(session: Session, proposal: Proposal, confirmation: Confirmation, tell: Callable[[str], None]) -> Done:
    """Apply a proposal, wait until it is seen, and probe what it promised; what went wrong stands in ``Done.error``.

    ``tell`` gets a word on each stage.
    """
    done = Done(proposal)
    try:
        for step in proposal.steps:
            tell(f"applying {step.ref}")
            done.applied.append(await apply(session.writes(), step, confirmation))
            if len(done.applied) == 1:
                done_in(session).append(done)  # whatever happens next, it can be undone
    except MeshtuiError as error:
        done.error = error
    if done.error is None:
        tell("applied; waiting until it is rolled out and seen")
        done.unseen = not await _seen(session, lambda: _is_there(session, proposal))
        await probe_again(session, done, confirmation, tell)
    return done


async def probe_again(session: Session, done: Done, confirmation: Confirmation, tell: Callable[[str], None]) -> None:
    """Probe the promised flows, those that don't agree yet a few times."""
    flows = list(done.proposal.promised)
    found: dict[Flow, Observation] = {}
    for attempt in range(_PROBES):
        plan = make_plan(session.engine, flows, session.settings.probe, any_method=session.label.sandbox)
        if not plan.flows:
            break
        tell(f"probing {plan.flows} flow(s) that it promised to open or close")
        try:
            found.update({seen.flow: seen for seen in await session.probe(plan, confirmation)})
        except MeshtuiError as error:
            done.error = error
            break
        flows = [flow for flow in flows if flow in found and found[flow].agrees is False]
        if not flows or attempt == _PROBES - 1:
            break
        await asyncio.sleep(_BETWEEN_PROBES_S)
    done.observations = list(found.values())


async def take_back(session: Session, done: Done, confirmation: Confirmation, tell: Callable[[str], None]) -> None:
    """Undo a fix, the last change first. Raises ConflictError, ClusterError; what was undone until then stays undone."""
    restored = [applied.before for applied in done.applied if applied.before is not None]
    while done.applied:
        tell(f"undoing {done.applied[-1].ref}")
        await undo(session.api(), session.writes(), done.applied[-1], confirmation)
        done.applied.pop()
    if done in done_in(session):
        done_in(session).remove(done)
    tell("undone; waiting until it is rolled out and seen")
    old = read_documents(restored, "what was before")
    await _seen(session, lambda: all(_rolled_out(session.snapshot, each) for each in old.controllers.values()))


async def _seen(session: Session, good: Callable[[], bool]) -> bool:
    """Wait until the session's Snapshot is good; False when it isn't within the time."""
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


def _is_there(session: Session, proposal: Proposal) -> bool:
    """Whether the Snapshot has the whole change, rolled out, and says of the promised flows what was predicted."""
    new = read_documents([step.after for step in proposal.steps], "the fix")
    known = {policy.meta.ref: policy for policy in policies_of(session.snapshot)}
    if not all(policy.meta.ref in known and spec_of(known[policy.meta.ref]) == spec_of(policy) for policy in policies_of(new)):
        return False
    if not all(_rolled_out(session.snapshot, controller) for controller in new.controllers.values()):
        return False
    return all(session.verdict(flow).decision is decision for flow, decision in proposal.promised.items())


def _rolled_out(snapshot: Snapshot, wanted: Controller) -> bool:
    """Whether all pods of a controller are ready, and as its new template makes them."""
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
