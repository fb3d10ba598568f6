"""MT218: a policy names a namespace that doesn't exist."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.findings.authz import policies
from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.model.finding import Severity


def _look(context: Context) -> Iterator[Found]:
    """Manifests rarely contain every namespace: without a cluster it is an info."""
    known = context.snapshot.namespace_by_name.keys() | context.namespaces_with_pods
    for policy in policies(context):
        for index, rule in enumerate(policy.rules):
            named = [name for source in rule.sources for name in source.namespaces]
            named += [name for c in rule.conditions if c.key == "source.namespace" for name in c.values]
            for name in dict.fromkeys(named):
                if "*" not in name and name not in known:
                    yield Found(
                        (policy.meta.ref,),
                        f"{policy.meta.ref} rules[{index}] names namespace {name}, which doesn't exist",
                        "nobody is matched by it; whoever may create that namespace is",
                        None if context.snapshot.live else Severity.INFO,
                    )


RULE = Rule("MT218", "unknown namespace", Severity.WARNING, _look, ("Namespace", "AuthorizationPolicy"))
