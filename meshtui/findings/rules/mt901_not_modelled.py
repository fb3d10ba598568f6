"""MT901: an object that isn't modelled affects traffic: the verdicts that depend on it are unknown."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from meshtui.engine.explain.denials import policies_of
from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.model.finding import Severity
from meshtui.model.ids import ObjectRef
from meshtui.model.policy import Enforcer


def _look(context: Context) -> Iterator[Found]:
    """Unknown fields of policies, and other kinds (EnvoyFilter, Cilium's, Calico's): one finding for each kind and namespace."""
    s = context.snapshot
    why = "what it decides isn't known here: verdicts that it touches say unknown"
    for policy in policies_of(s):
        if policy.unmodelled:
            ref = policy.meta.ref
            yield Found((ref,), f"{ref} has fields that aren't modelled: {', '.join(policy.unmodelled)}", why)
    others: dict[tuple[str, str], list[ObjectRef]] = defaultdict(list)
    judged = context.own.judged if context.own is not None else frozenset()
    for foreign in s.foreign.values():
        if foreign.enforcer is not Enforcer.NOBODY and foreign.meta.uid not in judged:
            others[foreign.meta.kind, foreign.meta.namespace].append(foreign.meta.ref)
    for (kind, namespace), refs in sorted(others.items()):
        where = f" of {namespace}" if namespace else ""
        yield Found(tuple(sorted(refs)), f"{len(refs)} {kind}{where}: a kind that isn't modelled", why)


RULE = Rule("MT901", "not modelled", Severity.INFO, _look, partial=True)
