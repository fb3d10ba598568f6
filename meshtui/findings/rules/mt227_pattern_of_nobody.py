"""MT227: a pattern of principals that no identity matches."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.engine.matching.strings import string_matches
from meshtui.engine.policy.trust_domains import principals_meant
from meshtui.findings.authz import policies
from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.findings.given import misspelt
from meshtui.findings.unseen import unseen
from meshtui.model.finding import Severity
from meshtui.model.policy import AuthorizationPolicy


def _look(context: Context) -> Iterator[Found]:
    """A star counts at one end. Not asked: patterns of namespaces of which manifests have no pods, and of other trust domains."""
    known: dict[tuple[str, bool], bool] = {}
    for policy in policies(context) if context.snapshot.live or context.running else ():
        if policy.action not in {"ALLOW", "DENY"} or policy.dry_run:
            continue
        for where, text, negative in _patterns(policy):
            asked = (text, bool(policy.target_refs))
            if asked not in known:
                known[asked] = text == "*" or _somebody(context, *asked)
            if known[asked]:
                continue
            within = "*" in text.strip("*") or (text.startswith("*") and text.endswith("*") and text != "*")
            namespace = _namespace(text)
            if not within and _elsewhere(context, text, namespace):
                continue
            sure = within or context.snapshot.live or bool(namespace)
            missing = "" if within else unseen(context.snapshot, [namespace] if namespace else context.snapshot.namespace_by_name)
            yield Found(
                (policy.meta.ref,),
                f"{policy.meta.ref} {where} is {text}, and no identity matches it{missing}",
                "a star counts at the beginning or at the end only: any other is compared as a character"
                if within
                else f"by this entry the rule {'excepts' if negative else 'matches'} nobody",
                Severity.INFO if missing or not sure else None,
                field=f"spec.{where.partition(' ')[0]}",
            )


def _patterns(policy: AuthorizationPolicy) -> Iterator[tuple[str, str, bool]]:
    """The places and texts of patterns, each with whether it stands in a not-field."""
    for index, rule in enumerate(policy.rules):
        for place, source in enumerate(rule.sources):
            at = f"rules[{index}].from[{place}]"
            yield from ((f"{at}.principals", text, False) for text in source.principals if "*" in text)
            yield from ((f"{at}.notPrincipals", text, True) for text in source.not_principals if "*" in text)
        for place, condition in enumerate(rule.conditions):
            if condition.key == "source.principal":
                at = f"rules[{index}].when[{place}]"
                yield from ((f"{at}.values", text, False) for text in condition.values if "*" in text)
                yield from ((f"{at}.notValues", text, True) for text in condition.not_values if "*" in text)


def _somebody(context: Context, text: str, at_waypoint: bool) -> bool:
    """Whether an identity matches, as whoever enforces the policy compares: a waypoint also takes aliases of the trust domain."""
    meant = principals_meant(text, context.snapshot.mesh) if at_waypoint else (text,)
    return any(string_matches(each, identity) for each in meant for identity in context.identities)


def _namespace(text: str) -> str:
    """The namespace that a pattern names in full, or an empty string."""
    _, mark, rest = text.partition("/ns/")
    name, slash, _ = rest.partition("/")
    return name if mark and slash and "*" not in name else ""


def _elsewhere(context: Context, text: str, namespace: str) -> bool:
    """Whether the identities may exist elsewhere; of another trust domain MT104 speaks, of spiffe:// too."""
    if text.startswith("spiffe://"):
        return True
    domain, mark, _ = text.partition("/ns/")
    if mark and "*" not in domain and domain != context.snapshot.mesh.trust_domain and context.snapshot.mesh.found:
        return True
    if context.snapshot.live or not namespace or namespace in context.namespaces_with_pods:
        return False
    return not misspelt(context, namespace)


RULE = Rule("MT227", "pattern of nobody", Severity.WARNING, _look, ("Pod", "AuthorizationPolicy"))
