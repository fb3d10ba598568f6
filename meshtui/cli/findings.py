"""The findings that commands are about: what is read for them, which rules there are, and which findings are asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from meshtui.findings import NotEvaluated, Rule
    from meshtui.findings.evidence import Recent
    from meshtui.model.finding import Finding
    from meshtui.model.ids import ObjectRef
    from meshtui.model.snapshot import Snapshot
    from meshtui.settings import Settings
    from meshtui.sources.kubernetes.live import LiveSource

    Manifests = Callable[[Sequence[Finding]], dict[ObjectRef, str]]
    """A function that reads the YAML of the objects that fixes change."""


@dataclass(frozen=True, slots=True)
class World:
    """What findings are about: the snapshot, and what was read beside it.

    ``observed`` is what running applications show, by their names; ``denied`` the recent denials in the proxies' logs, if they
    were asked for.
    """

    snapshot: Snapshot
    manifests: Manifests
    observed: Mapping[str, object] = field(default_factory=dict)
    denied: Recent = field(default_factory=dict)


def known_rules() -> tuple[Rule, ...]:
    """The rules about every mesh, and those that applications bring, by id."""
    from meshtui.findings import all_rules

    return all_rules(_of_applications())


def rule_named(name: str) -> Rule:
    """The rule with an id, in any case. Raises UsageError for an unknown one."""
    from meshtui.cli.closest import did_you_mean
    from meshtui.model.errors import UsageError

    rules = {rule.id: rule for rule in known_rules()}
    wanted = name.upper()
    if wanted not in rules:
        raise UsageError(f"no rule {name!r}{did_you_mean(wanted, list(rules))}", "meshtui check --rules lists them")
    return rules[wanted]


def findings_of(world: World, settings: Settings) -> tuple[list[Finding], Sequence[NotEvaluated]]:
    """The findings of all rules about the namespace of the settings, or about all; and the rules that couldn't be evaluated."""
    from meshtui.findings import breaking, look
    from meshtui.findings.evidence import with_evidence

    more = _of_applications()
    report = with_evidence(look(world.snapshot, world.observed, more=more), world.denied, breaking(more))
    namespace = "" if settings.all_namespaces else settings.namespace
    found = [f for f in report.findings if not namespace or any(namespace in {o.namespace, o.name} for o in f.objects)]
    return found, report.not_evaluated


def _of_applications() -> list[Rule]:
    from meshtui.journeys import applications

    return [rule for each in applications() for rule in each.rules]


def read_for(settings: Settings, *, observe: bool, denials: bool = False) -> World:
    """Read the snapshot, what was observed beside it (if wanted), and recent denials (if wanted)."""
    if settings.filenames:
        from meshtui.cli.check_patches import from_files
        from meshtui.cli.source import one_snapshot
        from meshtui.model.errors import UsageError

        if denials:
            raise UsageError("manifests have no logs", "leave out -f, and name a cluster, or leave out --denials")
        return World(one_snapshot(settings), lambda found: from_files(settings.filenames, found, render=settings.render))
    import asyncio

    return asyncio.run(_read_live(settings, observe=observe, denials=denials))


async def _read_live(settings: Settings, *, observe: bool, denials: bool) -> World:
    from meshtui.cli.check_patches import from_cluster
    from meshtui.cli.source import checked, in_scope, listed
    from meshtui.sources.kubernetes.live import LiveSource

    source = LiveSource(settings)
    try:
        snapshot = in_scope(checked(await listed(source)), settings)
        observed: dict[str, object] = {}
        if observe:
            snapshot, observed = await _of_mesh(snapshot, source)
            observed |= await _observe(settings, snapshot, source)
        denied = {} if not denials else await _denied(snapshot, source)
    finally:
        await source.close()
    return World(snapshot, lambda found: from_cluster(settings, found), observed, denied)


async def _of_mesh(snapshot: Snapshot, source: LiveSource) -> tuple[Snapshot, dict[str, object]]:
    """A look at the ztunnels as evidence, where there are any; and the Snapshot with what it says of pods' capture."""
    from dataclasses import replace

    from meshtui.cli.mesh_live import look_again
    from meshtui.cli.mesh_report import is_known, says_no
    from meshtui.cli.notes import note
    from meshtui.findings.base import MESH
    from meshtui.model.enrolment import Capture

    if not snapshot.has_ambient:
        return snapshot, {}
    report, snapshot = await look_again(source, snapshot, logs=False)
    for text in (
        *report.missing,
        *report.undecided,
        *(f"{each.node}: {problem}" for each in report.nodes for problem in each.problems),
    ):
        note(text)
    unproven = sum(each.capture is Capture.UNPROVEN for each in report.enrolments.values())
    if unproven:
        several = "1 pod isn't" if unproven == 1 else f"{unproven:,} pods aren't"
        note(f"{several} proven to be captured, nor to be lost: check reads no logs about it, meshtui mesh status does")
    if not is_known("status", report) and not says_no("status", report):
        return snapshot, {}
    return replace(snapshot, enrolments=report.enrolments), {MESH: report}


async def _denied(snapshot: Snapshot, source: LiveSource) -> Recent:
    """Read the denials of the last 15 minutes in the proxies' logs. Raises ClusterError if no ztunnel's log can be read."""
    from datetime import UTC, datetime, timedelta

    from meshtui.cli.notes import note
    from meshtui.engine import Engine
    from meshtui.engine.explain.denials import Times, judge_denial, newest_policy
    from meshtui.findings.evidence import recent
    from meshtui.model.denial import WINDOW_S
    from meshtui.model.errors import ClusterError
    from meshtui.session.judging import judge_all
    from meshtui.sources.kubernetes.denials import DenialLog
    from meshtui.sources.kubernetes.log_stream import log_reader

    log = DenialLog(log_reader(source), lambda: snapshot, clock=lambda: datetime.now(UTC))
    await log.read()
    if not log.readable:
        raise ClusterError("; ".join(log.problems) or "no ztunnel's log can be read", "leave out --denials")
    for problem in log.problems:
        note(problem)
    verdicts = judge_all(Engine(snapshot), dict.fromkeys(d.flow for d in log.denials if d.flow is not None))
    times = Times(newest_policy(snapshot))
    judged = [judge_denial(d, None if d.flow is None else verdicts[d.flow], snapshot, times) for d in log.denials]
    return recent(judged, datetime.now(UTC) - timedelta(seconds=WINDOW_S))


async def _observe(settings: Settings, snapshot: Snapshot, source: LiveSource) -> Mapping[str, object]:
    """What running applications show, by their names, where there are any."""
    from meshtui.engine import Engine
    from meshtui.journeys import applications

    api, engine = await source.open(), Engine(snapshot)
    found = {each.name: await each.gather(api, settings, engine) for each in applications()}
    return {name: evidence for name, evidence in found.items() if evidence is not None}
