"""``meshtui probe``: launches the probe, and prints predicted beside observed."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from itertools import islice

from meshtui.cli.ask import confirmed
from meshtui.cli.command import Command
from meshtui.cli.flowfile import flow_to_json
from meshtui.cli.output import console, observation_to_json, observations_table
from meshtui.cli.source import open_session
from meshtui.engine.path.references import parse_flow, parse_reference
from meshtui.engine.path.relations import PROBED, flows_from, flows_from_all, workload_of
from meshtui.model.errors import UsageError
from meshtui.model.flow import Flow
from meshtui.model.observation import Observation
from meshtui.model.verdict import NOT_SETTLED, UNKNOWN, Decision
from meshtui.probe.plan import Plan, make_plan
from meshtui.session import Session
from meshtui.settings import Settings


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="FROM", help="NS/POD, NS/KIND/NAME, external; NS/* or */* for all workloads")
    parser.add_argument("destinations", metavar="TO:PORT", nargs="*", help="NS/svc/NAME:PORT, a pod, a workload, an address")
    parser.add_argument("--protocol", choices=["TCP", "UDP"], default="TCP", help="UDP: a DNS question (default: TCP)")
    parser.add_argument("--all", action="store_true", help="every Service and port in the cluster")
    parser.add_argument("--plan", action="store_true", help="only say what it would do")
    parser.add_argument("--probe-image", metavar="IMAGE", help="an image that has sh and curl")
    parser.add_argument("--unsafe-methods", action="store_true", help="send requests other than GET, HEAD and OPTIONS too")
    parser.add_argument("--yes", action="store_true", help="don't ask")
    parser.add_argument("-o", "--output", choices=["text", "json"], default="text")


def _flows(args: argparse.Namespace, session: Session) -> list[Flow]:
    if args.source.endswith("/*"):
        if args.destinations:
            raise UsageError(f"{args.source} is many workloads", "--all probes what each of them may call; or name one workload")
        namespace = args.source.removesuffix("/*")
        most = session.settings.probe.max_flows
        found = list(islice(flows_from_all(session.snapshot, "" if namespace == "*" else namespace, PROBED), most + 1))
        if len(found) > most:
            sys.stderr.write(f"note: more than {most} flows (probe.max_flows): only the first {most} are probed\n")
        return found[:most]
    if args.all:
        source, _ = parse_reference(args.source)
        return flows_from(session.snapshot, workload_of(session.snapshot, source), PROBED)
    if not args.destinations:
        raise UsageError("no destination", "name TO:PORT, or --all")
    return [parse_flow(args.source, destination, protocol=args.protocol) for destination in args.destinations]


async def _probe(args: argparse.Namespace, settings: Settings) -> int:
    async with open_session(settings) as session:
        any_method = args.unsafe_methods or session.label.sandbox
        plan = make_plan(session.engine, _flows(args, session), settings.probe, any_method=any_method)
        if args.plan:
            _print_plan(plan, args.output)
            return 0
        confirmation = confirmed(plan_in_words(plan, session.label.context), session.read_only, yes=args.yes)
        observations = await session.probe(plan, confirmation)
    order = {id(flow): number for number, flow in enumerate(t.flow for b in plan.batches for t in b.targets)}
    observations.sort(key=lambda o: order.get(id(o.flow), len(order)))
    _print(observations, args.output)
    if any(o.agrees is False for o in observations):
        return 1
    unanswered = {UNKNOWN, NOT_SETTLED}
    unknown = any(
        o.agrees is None and (o.predicted.decision is Decision.UNKNOWN or o.outcome in unanswered) for o in observations
    )
    return 4 if unknown else 0


def plan_in_words(plan: Plan, context: str) -> list[str]:
    """What would be done, for the question."""
    lines = [f"context {context}: {plan.flows} flow(s), {len(plan.batches)} probe pod(s), up to {plan.seconds} s"]
    lines += [
        f"  pod in {b.namespace} as {b.service_account}, like {b.stands_for}: {len(b.targets)} flow(s)" for b in plan.batches
    ]
    lines += [f"  from here, through the gateway: {len(plan.external)} flow(s)"] if plan.external else []
    lines += [f"  left out: {r.flow.source} → {r.flow.destination}: {r.reason}" for r in plan.refused]
    lines += [f"  note: {warning}" for warning in plan.warnings]
    return lines


def _print_plan(plan: Plan, output: str) -> None:
    if output == "text":
        sys.stdout.write("\n".join(plan_in_words(plan, "(plan only)")) + "\n")
        return
    answer = {
        "seconds": plan.seconds,
        "pods": [
            {
                "namespace": batch.namespace,
                "service_account": batch.service_account,
                "stands_for": batch.stands_for,
                "labels": dict(batch.labels),
                "flows": [flow_to_json(target.flow) for target in batch.targets],
            }
            for batch in plan.batches
        ],
        "external": [flow_to_json(target.flow) for target in plan.external],
        "refused": [{"flow": flow_to_json(r.flow), "reason": r.reason} for r in plan.refused],
        "warnings": list(plan.warnings),
    }
    sys.stdout.write(json.dumps(answer, indent=2, ensure_ascii=False) + "\n")


def _print(observations: list[Observation], output: str) -> None:
    if output == "text":
        console().print(observations_table(observations))
        return
    answers = [observation_to_json(observation) for observation in observations]
    sys.stdout.write(json.dumps(answers[0] if len(answers) == 1 else answers, indent=2, ensure_ascii=False) + "\n")


def _run(args: argparse.Namespace, settings: Settings) -> int:
    return asyncio.run(_probe(args, settings))


COMMAND = Command("probe", "test flows with short-lived pods: predicted beside observed", _arguments, _run)
