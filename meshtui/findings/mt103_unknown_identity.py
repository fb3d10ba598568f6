"""MT103: a policy names an identity that no pod runs as."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.engine.authorization import reaches_ztunnel
from meshtui.findings.base import Rule
from meshtui.model.finding import Severity
from meshtui.model.ids import ObjectRef
from meshtui.model.policy import AuthorizationPolicy, AuthorizationRule
from meshtui.model.snapshot import Snapshot


def _look(snapshot: Snapshot) -> Iterator[tuple[tuple[ObjectRef, ...], str, str]]:
    running = {str(snapshot.principal_of(pod)) for pod in snapshot.pods.values() if not pod.completed}
    for policy in snapshot.authorization_policies.values():
        if not reaches_ztunnel(policy):
            continue
        for index, rule in enumerate(policy.rules):
            for name in _named(snapshot, policy, rule):
                if name not in running:
                    yield (
                        (policy.meta.ref,),
                        f"{policy.meta.ref} rules[{index}] names {name}, and no pod runs as it",
                        "the rule never matches: whoever it is meant for is treated as if it weren't there",
                    )


def _named(snapshot: Snapshot, policy: AuthorizationPolicy, rule: AuthorizationRule) -> Iterator[str]:
    """The identities that a rule names in full, as principals."""
    for source in rule.sources:
        yield from (principal for principal in source.principals if "*" not in principal)
        for account in source.service_accounts:
            namespace, slash, name = account.partition("/")
            owner, account_name = (namespace, name) if slash else (policy.meta.namespace, account)
            yield f"{snapshot.mesh.trust_domain}/ns/{owner}/sa/{account_name}"


RULE = Rule("MT103", "unknown identity", Severity.WARNING, _look)
