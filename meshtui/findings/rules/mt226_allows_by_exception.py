"""MT226: an ALLOW rule that says only what it doesn't match."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

from meshtui.engine.classes.classifier import PodClass
from meshtui.findings.attached import at_waypoints
from meshtui.findings.authz import at_ztunnel
from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.findings.pods import declared_ports
from meshtui.model.finding import Severity
from meshtui.model.policy import AuthorizationOperation, AuthorizationRule, AuthorizationSource

_OF_IDENTITY = ("not_principals", "not_namespaces", "not_service_accounts")
_ANYBODY = ("*",)


def _look(context: Context) -> Iterator[Found]:
    """istio.io, security best practices: ALLOW with positive matching. A caller without an identity is excepted by none.

    A warning where ztunnel lets such callers in: also the excepted one, if it comes as plaintext. ``notPrincipals: ["*"]`` says
    whom it means: callers without an identity.
    """
    covered = {policy.meta.ref: (policy, members) for policy, members in at_ztunnel(context)}
    several = [*covered.values(), *((each.policy, ()) for each in at_waypoints(context))]
    for policy, members in sorted(several, key=lambda each: each[0].meta.ref):
        for index, rule in enumerate(policy.rules if policy.action == "ALLOW" else ()):
            if not _only_excepts(rule):
                continue
            ref = policy.meta.ref
            if _by_identity(rule) and _plaintext(context, members):
                why = "a caller without an identity is excepted by nothing, and plaintext is accepted: whom it excepts gets in so"
                said = f"{ref} rules[{index}] allows whatever it doesn't except"
                yield Found((ref,), said, why, Severity.WARNING, field=f"spec.rules[{index}]")
            else:
                why = (
                    "what nobody thought of is allowed, too; a rule that names whom it allows, or a DENY of these, isn't open so"
                )
                yield Found((ref,), f"{ref} rules[{index}] allows whatever it doesn't except", why, field=f"spec.rules[{index}]")


def _only_excepts(rule: AuthorizationRule) -> bool:
    entries: tuple[AuthorizationSource | AuthorizationOperation, ...] = (*rule.sources, *rule.operations)
    positive = any(_set(entry, positive=True) for entry in entries) or any(
        c.values or c.not_values == _ANYBODY for c in rule.conditions
    )
    positive = positive or any(getattr(source, name) == _ANYBODY for source in rule.sources for name in _OF_IDENTITY)
    return not positive and (any(_set(entry, positive=False) for entry in entries) or any(c.not_values for c in rule.conditions))


def _set(entry: AuthorizationSource | AuthorizationOperation, *, positive: bool) -> bool:
    return any(getattr(entry, field.name) for field in fields(entry) if field.name.startswith("not_") is not positive)


def _by_identity(rule: AuthorizationRule) -> bool:
    keys = {"source.principal", "source.namespace", "source.serviceAccount"}
    return any(getattr(source, name) for source in rule.sources for name in _OF_IDENTITY) or any(
        condition.key in keys for condition in rule.conditions
    )


def _plaintext(context: Context, members: tuple[PodClass, ...]) -> bool:
    """Whether a port of the covered pods accepts callers without an identity."""
    for member in members:
        pod = member.endpoint.pod
        if pod is not None and any(
            not context.peer_authentication.effective(pod, port).strict for port in declared_ports(context, member) or (0,)
        ):
            return True
    return False


RULE = Rule("MT226", "ALLOW by exception", Severity.INFO, _look, ("AuthorizationPolicy", "PeerAuthentication"), partial=True)
