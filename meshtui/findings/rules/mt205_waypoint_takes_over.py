"""MT205: an untargeted policy covers pods whose callers come through a waypoint: ztunnel sees the waypoint's identity."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from meshtui.engine.matching.strings import string_matches
from meshtui.engine.policy.authorization import l7_fields_of
from meshtui.findings.authz import has_source
from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.findings.waypoints import behind_waypoints
from meshtui.model.finding import Severity
from meshtui.model.ids import ObjectRef
from meshtui.model.policy import AuthorizationPolicy, AuthorizationRule


def _look(context: Context) -> Iterator[Found]:
    """DENY rules on sources don't see callers behind the waypoint; ztunnel doesn't read HTTP fields (istio.io: waypoints)."""
    told: set[tuple[ObjectRef, ObjectRef]] = set()
    for behind in behind_waypoints(context):
        waypoint = behind.waypoint.meta.ref
        for pod in behind.pods:
            for compiled in context.authorization.covering(pod):
                policy = compiled.policy
                what = _effect(policy, {end.principal for end in behind.instances if end.principal})
                if not what or (policy.meta.ref, waypoint) in told:
                    continue
                told.add((policy.meta.ref, waypoint))
                yield Found(
                    (policy.meta.ref, behind.service.meta.ref, waypoint),
                    f"{policy.meta.ref} has no targetRefs, and {behind.service.meta.ref} is reached through {waypoint}",
                    f"{what}; targetRefs to the Service have the waypoint enforce it",
                )


def _effect(policy: AuthorizationPolicy, waypoints: Collection[str]) -> str:
    if any(l7_fields_of(rule) for rule in policy.rules):
        return "its rules ask for HTTP, and ztunnel, which enforces it, knows none"
    if policy.action == "DENY" and any(has_source(rule) and not _excepts(policy, rule, waypoints) for rule in policy.rules):
        return "the ztunnel sees the waypoint as the source: whom it denies comes through the waypoint"
    return ""


def _excepts(policy: AuthorizationPolicy, rule: AuthorizationRule, identities: Collection[str]) -> bool:
    """Whether a rule names the waypoint as one whom it doesn't deny: it is about those who come past it."""
    home = policy.meta.namespace
    named = [text for source in rule.sources for text in source.not_principals]
    accounts = [text for source in rule.sources for text in source.not_service_accounts]
    named += [f"*/ns/{home}/sa/{text}" if "/" not in text else f"*/ns/{text.replace('/', '/sa/')}" for text in accounts]
    return any(string_matches(text, identity) for text in named for identity in identities)


RULE = Rule(
    "MT205",
    "policy that a waypoint goes around",
    Severity.WARNING,
    _look,
    ("AuthorizationPolicy", "Service", "Gateway"),
    partial=True,
)
