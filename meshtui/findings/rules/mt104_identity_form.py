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
    """Policies compare with TRUST_DOMAIN/ns/NS/sa/SA, without a scheme (istio.io: AuthorizationPolicy, source.principals)."""
    for policy in context.snapshot.authorization_policies.values():
        for path, text in _principals(policy):
            if text.startswith(_SCHEME):
                right = text.removeprefix(_SCHEME)
                edit = Edit(policy.meta.ref, (Operation("replace", path, right),))
                yield Found(
                    (policy.meta.ref,),
                    f"{policy.meta.ref} {_where(path)} is written with spiffe://: {text}",
                    "principals are compared without a scheme: this one never matches",
                    fix=Fix(f"write {right}", (edit,)),
                )
            elif (domain := parts_of(text)[0]) and _foreign(context, domain):
                yield Found(
                    (policy.meta.ref,),
                    f"{policy.meta.ref} {_where(path)} is of trust domain {domain}: {text}",
                    f"this mesh's is {context.snapshot.mesh.trust_domain}: it never matches, unless {domain} is an alias or "
                    "a mesh that this one trusts",
                )


def _foreign(context: Context, domain: str) -> bool:
    """Whether a trust domain isn't this mesh's. ``cluster.local`` is valid in every mesh (istio.io: trust domains)."""
    mesh = context.snapshot.mesh
    return mesh.found and "*" not in domain and domain not in {mesh.trust_domain, "cluster.local"}


def _principals(policy: AuthorizationPolicy) -> Iterator[tuple[tuple[str | int, ...], str]]:
    for index, rule in enumerate(policy.rules):
        for place, source in enumerate(rule.sources):
            path = ("spec", "rules", index, "from", place, "source")
            for name, values in (("principals", source.principals), ("notPrincipals", source.not_principals)):
                yield from (((*path, name, number), text) for number, text in enumerate(values))


def _where(path: tuple[str | int, ...]) -> str:
    return f"rules[{path[2]}].from[{path[4]}].{path[6]}[{path[7]}]"


RULE = Rule("MT104", "identity that can't match", Severity.WARNING, _look, ("AuthorizationPolicy",), partial=True)
