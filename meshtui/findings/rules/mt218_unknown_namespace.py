"""MT218: a policy names a namespace that doesn't exist, or a pattern that no namespace matches."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from meshtui.engine.matching.http import glob_matches
from meshtui.engine.matching.strings import string_matches
from meshtui.findings.authz import policies
from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.findings.given import misspelt
from meshtui.model.finding import Severity
from meshtui.model.policy import AuthorizationPolicy, AuthorizationRule

_OF_EVERY_CLUSTER = {"kube-system", "kube-public"}
"""Namespaces of which the manifests are in dumps of a cluster, and in hardly any other folder."""


def _look(context: Context) -> Iterator[Found]:
    """Manifests rarely contain every namespace: there it is an info, unless they contain a namespace that is written alike."""
    known = context.snapshot.namespace_by_name.keys() | context.namespaces_with_pods
    given = {n.name for n in context.snapshot.namespaces.values() if n.known} | context.namespaces_with_pods
    complete = context.snapshot.live or not _OF_EVERY_CLUSTER.isdisjoint(given)
    alikes: dict[str, str] = {}
    for policy in policies(context):
        matching = _matcher(policy)
        for index, rule in enumerate(policy.rules):
            for name, negative in _named(rule):
                if not name or any(matching(name, each) for each in known):
                    continue
                if name not in alikes:
                    alikes[name] = "" if "*" in name else misspelt(context, name)
                alike = alikes[name]
                yield Found(
                    (policy.meta.ref,),
                    f"{policy.meta.ref} rules[{index}] {_words(name, negative, alike, matching)}",
                    _effect(negative=negative, pattern="*" in name),
                    None if complete or alike else Severity.INFO,
                    field=f"spec.rules[{index}]",
                )


def _matcher(policy: AuthorizationPolicy) -> Callable[[str, str], bool]:
    """How whoever enforces the policy compares: a ztunnel knows a star at either end, a proxy one anywhere."""
    return glob_matches if policy.target_refs else string_matches


def _named(rule: AuthorizationRule) -> dict[tuple[str, bool], None]:
    """The namespaces in a rule, each with whether it stands in a not-field."""
    found = [(name, False) for source in rule.sources for name in source.namespaces]
    found += [(name, True) for source in rule.sources for name in source.not_namespaces]
    for condition in rule.conditions:
        if condition.key == "source.namespace":
            found += [(name, False) for name in condition.values] + [(name, True) for name in condition.not_values]
    return dict.fromkeys(found)


def _words(name: str, negative: bool, alike: str, matching: Callable[[str, str], bool]) -> str:
    verb = "excepts" if negative else "names"
    if "*" not in name:
        return f"{verb} namespace {name}, which doesn't exist{f': {alike} does' if alike else ''}"
    within = "*" in name.strip("*") and matching is string_matches
    return f"{verb} namespaces {name}, which none matches{': a ztunnel knows a star at either end only' if within else ''}"


def _effect(*, negative: bool, pattern: bool) -> str:
    if negative:
        return "it excepts nobody: the rule is for callers of every namespace"
    later = "whoever creates such a namespace is" if pattern else "whoever may create that namespace is"
    return f"nobody is matched by it; {later}"


RULE = Rule("MT218", "unknown namespace", Severity.WARNING, _look, ("Namespace", "AuthorizationPolicy"))
