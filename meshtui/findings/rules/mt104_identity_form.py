"""MT104: a principal that can never match, because it has the prefix ``spiffe://`` or another trust domain."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.findings.identities import parts_of
from meshtui.model.finding import Edit, Fix, Operation, Severity
from meshtui.model.policy import AuthorizationPolicy

_SCHEME = "spiffe://"


def _look(context: Context) -> Iterator[Found]:
    """Policies compare with TRUST_DOMAIN/ns/NS/sa/SA, without a scheme (istio.io: AuthorizationPolicy, source.principals).

    For waypoints istiod writes a principal for each alias of the trust domain; ztunnels get it as it is.
    """
    aliases = context.snapshot.mesh.trust_domain_aliases
    for policy in context.snapshot.authorization_policies.values():
        for path, text in _principals(policy):
            if text.startswith(_SCHEME):
                right = text.removeprefix(_SCHEME)
                edit = Edit(policy.meta.ref, (Operation("replace", path, right),))
                yield Found(
                    (policy.meta.ref,),
                    f"{policy.meta.ref} {_where(path)} is written with spiffe://: {text}",
                    "principals are compared without a scheme: this one never matches",
                    fix=Fix(f"write {right}", (edit,)) if policy.action == "ALLOW" else None,
                )
            elif (domain := parts_of(text)[0]) and _foreign(context, domain):
                if domain in aliases and policy.target_refs:
                    continue
                effect = (
                    "a ztunnel compares principals as they are written, without aliases: it never matches"
                    if domain in aliases
                    else f"it matches callers of a mesh {domain} that this one trusts, and nobody else"
                )
                yield Found(
                    (policy.meta.ref,),
                    f"{policy.meta.ref} {_where(path)} is of trust domain {domain}: {text}",
                    f"this mesh's is {context.snapshot.mesh.trust_domain}, and {effect}",
                )


def _foreign(context: Context, domain: str) -> bool:
    """Whether a trust domain isn't this mesh's. ``cluster.local`` in another mesh is MT103's."""
    mesh = context.snapshot.mesh
    return mesh.found and "*" not in domain and domain not in {mesh.trust_domain, "cluster.local"}


def _principals(policy: AuthorizationPolicy) -> Iterator[tuple[tuple[str | int, ...], str]]:
    for index, rule in enumerate(policy.rules):
        for place, source in enumerate(rule.sources):
            path = ("spec", "rules", index, "from", place, "source")
            for name, values in (("principals", source.principals), ("notPrincipals", source.not_principals)):
                yield from (((*path, name, number), text) for number, text in enumerate(values))
        for place, condition in enumerate(rule.conditions):
            if condition.key == "source.principal":
                at = ("spec", "rules", index, "when", place)
                for name, values in (("values", condition.values), ("notValues", condition.not_values)):
                    yield from (((*at, name, number), text) for number, text in enumerate(values))


def _where(path: tuple[str | int, ...]) -> str:
    return f"rules[{path[2]}].{path[3]}[{path[4]}].{path[-2]}[{path[-1]}]"


RULE = Rule("MT104", "identity that can't match", Severity.WARNING, _look, ("AuthorizationPolicy",), partial=True)
