"""MT242: a waypoint's policies are a Service's only protection, and callers get to its pods without passing the waypoint."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from meshtui.engine.classes.classifier import PodClass
from meshtui.engine.endpoints import Endpoint
from meshtui.engine.policy.networkpolicy import Direction
from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.findings.waypoints import Behind, Guard, behind_waypoints, denies, guards
from meshtui.findings.words import few
from meshtui.model.finding import Severity
from meshtui.model.ids import ObjectRef
from meshtui.model.policy import AuthorizationPolicy
from meshtui.model.verdict import Decision, StepResult
from meshtui.model.workload import MeshMode, Pod, Service, ServicePort

_CALLERS = frozenset({MeshMode.NONE, MeshMode.AMBIENT})


@dataclass(frozen=True, slots=True)
class _Open:
    """One port of a Service whose pod nothing but the waypoint protects."""

    service: Service
    port: ServicePort
    target: Endpoint
    number: int


def _look(context: Context) -> Iterator[Found]:
    """A caller that the waypoint denies and that gets in without it; else, for each waypoint, the Services that rely on it."""
    relying: dict[ObjectRef, tuple[list[ObjectRef], dict[ObjectRef, None]]] = {}
    for behind in behind_waypoints(context):
        waypoint, service = behind.waypoint.meta.ref, behind.service
        policies = [policy for policy in guards(context, waypoint, service) if _keeps_out(policy)]
        named = [policy.meta.ref for policy in policies]
        ways = list(_open(context, behind)) if named else []
        if not ways:
            continue
        caller = next(_callers(context, ways, policies), None)
        if caller is None:
            if any(_reachable(context, way) for way in ways):
                services, guarding = relying.setdefault(waypoint, ([], {}))
                services.append(service.meta.ref)
                guarding.update(dict.fromkeys(named))
            continue
        member, way = caller
        who = context.owners_of([member])[0]
        how = "isn't in the mesh and reaches" if member.endpoint.mode is MeshMode.NONE else "reaches the addresses of"
        yield Found(
            (service.meta.ref, who, waypoint, *named),
            f"{who} {how} the pods of {service.meta.ref} on {way.number} without passing {waypoint}, which would deny it",
            f"{few(named)} {'is' if len(named) == 1 else 'are'} enforced at the waypoint only, and nothing protects the pods",
            None if member.endpoint.mode is MeshMode.NONE or any(map(denies, policies)) else Severity.INFO,
            1,
            affected=frozenset((who, *named)),
        )
    for waypoint, (services, guarding) in relying.items():
        yield Found(
            (*services, waypoint, *guarding),
            f"{few(services)}: only {waypoint} protects the pods, and callers by the pods' addresses don't pass it",
            f"what {few(guarding)} would deny gets in there; a policy on the pods that allows the waypoint alone closes the way",
            Severity.INFO,
            affected=frozenset(guarding),
        )


def _keeps_out(policy: Guard) -> bool:
    return isinstance(policy, AuthorizationPolicy) and policy.action in {"ALLOW", "DENY"}


def _open(context: Context, behind: Behind) -> Iterator[_Open]:
    """The ports of a Service at its pods, of one pod for each class, if nothing but the waypoint protects these."""
    seen: set[int] = set()
    for pod in behind.pods:
        member = context.matrix.class_of(pod.key)
        if member is None or member.number in seen or _protected(context, pod):
            continue
        seen.add(member.number)
        for port in behind.service.ports:
            for target in context.resolver.behind.targets(behind.service, port) if port.protocol == "TCP" else ():
                if target.endpoint.pod is not None and target.endpoint.pod.key == pod.key:
                    yield _Open(behind.service, port, target.endpoint, target.port)


def _protected(context: Context, pod: Pod) -> bool:
    """Whether a policy at the pod's ztunnel, or one of the network, restricts who gets to the pod."""
    return any(context.authorization.covering(pod)) or context.isolated(pod, Direction.INGRESS)


def _callers(context: Context, ways: list[_Open], policies: list[Guard]) -> Iterator[tuple[PodClass, _Open]]:
    """The callers that the waypoint denies, and that get in by the pod's address, with the way; those outside the mesh first."""
    by_address = any(map(_asks_for_address, policies))
    known: dict[object, StepResult | None] = {}
    for member in sorted(context.classes, key=lambda member: member.endpoint.mode is not MeshMode.NONE):
        source = member.endpoint
        if not member.pods or source.mode not in _CALLERS or source.membership is not None:
            continue
        for index, way in enumerate(ways):
            if source.pod is not None and way.target.pod is not None and source.pod.key == way.target.pod.key:
                continue
            asked = index, source.principal, source.address if by_address else None
            if asked not in known:
                known[asked] = context.engine.at_waypoint(source, way.target, way.number, way.service, way.port)
            if known[asked] is StepResult.BLOCK and _gets_in(context, source, way):
                yield member, way


def _asks_for_address(policy: Guard) -> bool:
    return isinstance(policy, AuthorizationPolicy) and any(
        any(s.ip_blocks or s.not_ip_blocks or s.remote_ip_blocks or s.not_remote_ip_blocks for s in rule.sources)
        or any(condition.key.endswith(".ip") for condition in rule.conditions)
        for rule in policy.rules
    )


def _gets_in(context: Context, source: Endpoint, way: _Open) -> bool:
    return context.engine.between(source, way.target, way.number).decision is Decision.ALLOW


def _reachable(context: Context, way: _Open) -> bool:
    """Whether the waypoint is for Services only, so that callers by the pod's address don't pass it."""
    attached = context.engine.binding(None, way.target)
    return attached is None or not attached.endpoints


RULE = Rule(
    "MT242",
    "waypoint that can be gone around",
    Severity.WARNING,
    _look,
    ("AuthorizationPolicy", "Service", "Gateway", "NetworkPolicy"),
)
