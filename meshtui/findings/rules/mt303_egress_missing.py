"""MT303: egress policy blocks a flow that the destination allows, or that is configured."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.engine.endpoints import Endpoint
from meshtui.engine.policy.networkpolicy import Direction
from meshtui.findings.base import Found, Rule
from meshtui.findings.callers import Meant, meant
from meshtui.findings.context import Context
from meshtui.findings.fixes import named_with, peer_of, rule_edits, with_tunnel
from meshtui.findings.netrules import main_policy, through_tunnel
from meshtui.findings.own import by_own
from meshtui.findings.own_fixes import opening_edits, to_pod
from meshtui.findings.words import few
from meshtui.model.constants import HBONE_PORT
from meshtui.model.finding import Fix, Severity
from meshtui.model.ids import ObjectRef
from meshtui.model.policy import NetworkPolicy
from meshtui.model.verdict import Decider, Decision, Layer
from meshtui.model.workload import Pod


def _look(context: Context) -> Iterator[Found]:
    """One finding for each source policy and destination. If the app's port is open and HBONE's isn't, MT301 reports it."""
    closed: dict[tuple[ObjectRef, ObjectRef], list[Meant]] = {}
    policies: dict[ObjectRef, NetworkPolicy] = {}
    own: dict[tuple[Decider, ObjectRef], list[Meant]] = {}
    for flow in dict.fromkeys(meant(context)):
        decided = context.decided(flow.source, flow.target, flow.port)
        if decided.decision is not Decision.DENY or decided.ruling.layer is not Layer.EGRESS_POLICY:
            continue
        by = by_own(context, decided.ruling.decider, (flow.source, flow.target, flow.port))
        if by is not None:
            for owner in context.owners(flow.target):
                own.setdefault((by, owner), []).append(flow)
            continue
        policy = main_policy(context, flow.source, Direction.EGRESS)
        if policy is None or _opens_port(context, flow.source.endpoint, flow.target.endpoint, flow.port):
            continue
        policies[policy.meta.ref] = policy
        for owner in context.owners(flow.target):
            closed.setdefault((policy.meta.ref, owner), []).append(flow)
    for (ref, target), flows in sorted(closed.items(), key=lambda item: item[0]):
        yield _found(context, policies[ref], target, flows)
    for (by, target), flows in sorted(own.items(), key=lambda item: (item[0][0].ref, item[0][0].rule or "", item[0][1])):
        yield _found_own(context, by, target, flows)


def _opens_port(context: Context, source: Endpoint, target: Endpoint, port: int) -> bool:
    return context.network.permit(Direction.EGRESS, source, target, port, "TCP", target).policy is not None


def _found(context: Context, policy: NetworkPolicy, target: ObjectRef, flows: list[Meant]) -> Found:
    flows = sorted(flows, key=lambda flow: not flow.configured)
    ref, first = policy.meta.ref, flows[0]
    sources = context.owners_of({f.source.number: f.source for f in flows}.values())
    said = ", ".join(dict.fromkeys(f"{flow.said_by} {flow.words}" for flow in flows))
    pod = first.target.endpoint.pod
    tunnel = through_tunnel(first.source, first.target)
    fix = None
    if pod is not None:
        rule = {"to": [peer_of(context, pod, ref.namespace)], "ports": with_tunnel(first.port, tunnel=tunnel)}
        ports = f"{first.port} and 15008 (HBONE)" if tunnel else str(first.port)
        edits = rule_edits(context, policy, "egress", rule, sources, f"to-{target.name}-{first.port}")
        places = ", ".join(dict.fromkeys(str(edit.ref) for edit in edits))
        fix = Fix(f"an egress rule in {places} to {_all(context, pod)} on TCP {ports}", edits) if edits else None
    return Found(
        (ref, *sources, target),
        f"{ref} has no egress rule to {target}:{first.port}",
        f"{said} means {context.owners_of([first.source])[0]} to call it: the connection times out",
        None if any(flow.configured for flow in flows) else Severity.WARNING,
        context.count((f.source, f.target, f.port) for f in flows),
        fix,
        frozenset({target}),
    )


def _all(context: Context, pod: Pod) -> str:
    """The workload of a pod, and those that have the same labels: a rule for one is a rule for all."""
    first, *others = named_with(context, pod)
    return str(first) + (f", and to {few(others)} (same labels)" if others else "")


def _found_own(context: Context, by: Decider, target: ObjectRef, flows: list[Meant]) -> Found:
    """The same by a policy of the CNI's own kinds."""
    flows = sorted(flows, key=lambda flow: not flow.configured)
    sources = context.owners_of({f.source.number: f.source for f in flows}.values())
    said = ", ".join(dict.fromkeys(f"{flow.said_by} {flow.words}" for flow in flows))
    does = f"{by.rule} denies" if by.rule else "has no egress rule to"
    first, fix = flows[0], None
    pod = first.target.endpoint.pod
    if pod is not None and not by.rule:
        opening = to_pod(context, pod, first.port, tunnel=through_tunnel(first.source, first.target))
        edits = opening_edits(context, by.ref, sources, opening, f"to-{target.name}-{first.port}")
        ports = " and ".join(f"{port} (HBONE)" if port == HBONE_PORT else str(port) for _, port in opening.ports)
        places = ", ".join(str(edit.ref) for edit in edits)
        fix = Fix(f"egress to {_all(context, pod)} on TCP {ports}: {places}", edits) if edits else None
    return Found(
        (by.ref, *sources, target),
        f"{by.ref} {does} {target}:{first.port}",
        f"{said} means {context.owners_of([first.source])[0]} to call it: the connection times out",
        None if any(flow.configured for flow in flows) else Severity.WARNING,
        context.count((f.source, f.target, f.port) for f in flows),
        fix,
        frozenset({target}),
    )


RULE = Rule("MT303", "egress missing", Severity.ERROR, _look, ("NetworkPolicy",), partial=True, breaks=True)
