"""MT223: a RequestAuthentication without targetRefs for ambient pods: nobody checks the token."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.engine.path.waypoint import services_with_waypoint
from meshtui.findings.attached import at_waypoints
from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.findings.pods import is_ambient, is_waypoint_pod
from meshtui.findings.waypoints import guards, waypoint_of
from meshtui.findings.words import few
from meshtui.model.finding import Severity
from meshtui.model.ids import ObjectRef
from meshtui.model.policy import AuthorizationPolicy, RequestAuthentication
from meshtui.model.workload import MeshMode, Pod, Service

_PROXIES = {MeshMode.SIDECAR, MeshMode.GATEWAY}


def _look(context: Context) -> Iterator[Found]:
    """ztunnel reads no tokens, and a waypoint takes policies by targetRefs only. An info where other proxies check the token."""
    yield from _without_tokens(context)
    root = context.snapshot.mesh.root_namespace
    for policy in sorted(context.snapshot.request_authentications.values(), key=lambda p: p.meta.ref):
        if policy.target_refs or not policy.rules:
            continue
        covered = _covered(context, policy)
        ambient = [pod for pod, mode in covered if mode is MeshMode.AMBIENT]
        if not ambient:
            continue
        proxies = [pod for pod, mode in covered if mode in _PROXIES and not is_waypoint_pod(context, pod)]
        owners = sorted({context.snapshot.owner_of(pod) for pod in ambient})
        names = ", ".join(map(str, owners[:3])) + (" …" if len(owners) > 3 else "")
        how = "by its selector" if policy.selector is not None else f"for the whole {_scope(policy, root)}"
        mild = Severity.INFO if proxies else Severity.WARNING if _scope(policy, root) == "mesh" else None
        yield Found(
            (policy.meta.ref, *owners[:1]),
            f"{policy.meta.ref} has no targetRefs: no JWT is checked for {names}, which it covers {how}",
            _why(context, ambient),
            mild,
        )


def _without_tokens(context: Context) -> Iterator[Found]:
    """AuthorizationPolicies of waypoints that ask for what a token says, where no RequestAuthentication has it checked."""
    for each in at_waypoints(context):
        asked = next(_asked(each.policy), None)
        if asked is None or any(_has_tokens(context, service) for service in each.services):
            continue
        ref, (field, negative) = each.policy.meta.ref, asked
        targets = [service.meta.ref for service in each.services]
        effect = "matches every request" if negative else "never matches"
        yield Found(
            (ref, *targets),
            f"{ref} {field} asks for a token, and no RequestAuthentication is for {few(targets)}",
            f"the waypoint checks no token there, so no request has a principal or claims: this {effect}",
            Severity.WARNING,
            field=f"spec.{field}",
        )


def _asked(policy: AuthorizationPolicy) -> Iterator[tuple[str, bool]]:
    """The fields that only a checked token fills, each with whether it excepts."""
    for index, rule in enumerate(policy.rules if policy.action in {"ALLOW", "DENY"} else ()):
        for place, source in enumerate(rule.sources):
            at = f"rules[{index}].from[{place}].source"
            if source.request_principals:
                yield f"{at}.requestPrincipals", False
            elif source.not_request_principals:
                yield f"{at}.notRequestPrincipals", True
        for place, condition in enumerate(rule.conditions):
            if condition.key.startswith("request.auth."):
                yield f"rules[{index}].when[{place}]", not condition.values


def _has_tokens(context: Context, service: Service) -> bool:
    waypoint = waypoint_of(context, service)
    return waypoint is not None and any(isinstance(each, RequestAuthentication) for each in guards(context, waypoint, service))


def _scope(policy: RequestAuthentication, root: str) -> str:
    return "mesh" if policy.meta.namespace == root else "namespace"


def _covered(context: Context, policy: RequestAuthentication) -> list[tuple[Pod, MeshMode]]:
    selector = None if policy.selector is None or policy.selector.is_empty else policy.selector
    members = context.covered(AuthorizationPolicy(policy.meta, selector=selector))
    return [(pod, MeshMode.AMBIENT if is_ambient(m) else m.endpoint.mode) for m in members for pod in m.pods.values()]


def _why(context: Context, pods: list[Pod]) -> str:
    """What would check the token: the waypoint that the pods have, or one that they haven't."""
    found = _waypoint(context, pods)
    if found is None:
        return "ztunnel knows no tokens: it takes a waypoint, and targetRefs to a Service behind it"
    takes = "takes policies with targetRefs to it or its Services, and none by selector"
    return f"ztunnel knows no tokens, and the waypoint {found} {takes}"


def _waypoint(context: Context, pods: list[Pod]) -> ObjectRef | None:
    for service in services_with_waypoint(context.snapshot):
        if any(pod.namespace == service.meta.namespace and service.selects(pod.labels) for pod in pods):
            return waypoint_of(context, service)
    return None


RULE = Rule("MT223", "token that nobody checks", Severity.ERROR, _look, ("RequestAuthentication", "Pod"), partial=True)
