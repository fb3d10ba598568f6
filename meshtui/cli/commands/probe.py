"""``meshtui probe``: probes flows, and prints predicted beside observed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from meshtui.cli.asked_flow import REQUEST_PARAMS, request_of
from meshtui.cli.command import choice, command, switch, value
from meshtui.cli.complete import destinations, sources

if TYPE_CHECKING:
    from meshtui.model.flow import Flow
    from meshtui.model.observation import Observation
    from meshtui.session import Session
    from meshtui.settings import Settings


@dataclass(frozen=True, slots=True)
class Words:
    """The parsed arguments."""

    source: str
    destinations: tuple[str, ...]
    protocol: str
    method: str | None
    path: str | None
    host: str | None
    header: tuple[str, ...]
    all: bool
    plan: bool
    probe_image: str | None
    unsafe_methods: bool
    yes: bool
    output: str


PARAMS = [
    click.Argument(
        ["source"],
        metavar="FROM",
        help="NS/POD, NS/KIND/NAME, external; NS/* or */* for all workloads",
        shell_complete=sources,
    ),
    click.Argument(
        ["destinations"],
        metavar="TO:PORT",
        nargs=-1,
        help="NS/svc/NAME:PORT, a pod, a workload, an address, a host",
        shell_complete=destinations,
    ),
    choice("--protocol", ["TCP", "UDP"], "TCP", "UDP: a DNS question"),
    *REQUEST_PARAMS,
    switch("--all", "every Service and port in the cluster"),
    switch("--plan", "only say what it would do"),
    value("--probe-image", "IMAGE", "an image that has sh and curl"),
    switch("--unsafe-methods", "send requests other than GET, HEAD and OPTIONS too"),
    switch("--yes", "don't ask"),
]


def _flows(words: Words, session: Session) -> list[Flow]:
    """The flows to probe. Raises UsageError if there are none, so that a probe of nothing never passes."""
    from meshtui.engine.path.references import parse_flow, parse_reference
    from meshtui.engine.path.relations import PROBED, flows_from, workload_of
    from meshtui.model.errors import UsageError

    http = request_of(words)
    if http is not None and (words.all or not words.destinations):
        raise UsageError(
            "a request is for named destinations", "name TO:PORT, or leave out --method, --path, --host and --header"
        )
    if words.source.endswith("/*"):
        if words.destinations:
            raise UsageError(f"{words.source} is many workloads", "--all probes what each of them may call; or name one workload")
        return _flows_of_all(words.source, session)
    if words.all:
        if words.destinations:
            raise UsageError("--all is every destination", "leave out --all, or TO:PORT")
        source, _ = parse_reference(words.source)
        found = flows_from(session.snapshot, workload_of(session.snapshot, source), PROBED)
        if not found:
            raise UsageError(f"{words.source} has nothing to call", "no running pod, or no Service with a port beside its own")
        return found
    if not words.destinations:
        raise UsageError("no destination", "name TO:PORT, or --all")
    flows = [parse_flow(words.source, destination, protocol=words.protocol, http=http) for destination in words.destinations]
    for flow in flows:
        session.engine.judge(flow)  # raises for a name or port that doesn't exist, which a plan would only leave out
    return flows


def _flows_of_all(pattern: str, session: Session) -> list[Flow]:
    from itertools import islice

    from meshtui.cli.closest import did_you_mean
    from meshtui.cli.notes import note
    from meshtui.engine.path.relations import PROBED, flows_from_all
    from meshtui.model.errors import UsageError

    namespace = pattern.removesuffix("/*")
    within = "" if namespace == "*" else namespace
    most = session.settings.probe.max_flows
    found = list(islice(flows_from_all(session.snapshot, within, PROBED), most + 1))
    if not found:
        close = did_you_mean(namespace, session.snapshot.namespace_by_name) if within else ""
        raise UsageError(f"{pattern} matches no workload that has a Service to call{close}", "NS/* is every workload of NS")
    if len(found) > most:
        note(f"more than {most} flows (probe.max_flows): only the first {most} are probed")
    return found[:most]


async def _probe(words: Words, settings: Settings) -> int:
    from meshtui.cli.ask import confirmed
    from meshtui.cli.formats import write
    from meshtui.cli.observations import observations_answer
    from meshtui.cli.plan_report import plan_answer, plan_in_words
    from meshtui.cli.progress import progress
    from meshtui.cli.reading import noting
    from meshtui.cli.source import open_session
    from meshtui.probe.plan import make_plan

    async with open_session(settings) as session:
        any_method = words.unsafe_methods or session.label.sandbox
        plan = make_plan(session.engine, _flows(words, session), settings.probe, any_method=any_method)
        if words.plan:
            write(noting(plan_answer(plan, session.label.context), read=session.snapshot.reading), words.output)
            return 0
        confirmation = confirmed(plan_in_words(plan, session.label.context), session.read_only, yes=words.yes)
        async with progress(f"probing {plan.flows} flow(s)", plan.seconds):
            observations = await session.probe(plan, confirmation)
    order = {flow: number for number, flow in enumerate(t.flow for b in plan.batches for t in b.targets)}
    observations.sort(key=lambda o: order.get(o.flow, len(order)))
    write(observations_answer(observations), words.output)
    return _exit_code(observations)


def _exit_code(observations: list[Observation]) -> int:
    """1 if an observation disagrees, 4 if a flow couldn't be probed or compared, else 0 (docs/contracts.md, Exit codes)."""
    from meshtui.model.verdict import NOT_SETTLED, UNKNOWN, Decision

    if any(o.agrees is False for o in observations):
        return 1
    unanswered = {UNKNOWN, NOT_SETTLED}
    unknown = any(
        o.agrees is None and (o.predicted.decision is Decision.UNKNOWN or o.outcome in unanswered) for o in observations
    )
    return 4 if unknown else 0


def _run(words: Words, settings: Settings) -> int:
    import asyncio

    return asyncio.run(_probe(words, settings))


COMMAND = command(
    "probe",
    "test flows with short-lived pods: predicted beside observed",
    PARAMS,
    Words,
    _run,
    outputs=("text", "table", "wide", "json", "jsonl", "yaml", "csv"),
    exits={
        1: "reality disagrees with a prediction",
        2: "bad usage, read-only, not confirmed, or the arguments match nothing",
        3: "the cluster can't be reached or refuses",
        4: "the result of some flow is unknown: not predicted, or not settled in time",
    },
)
