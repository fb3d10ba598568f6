"""MT901: something decides about traffic that isn't modelled: verdicts that it touches are unknown."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.model.finding import Severity
from meshtui.model.ids import ObjectRef


def _look(context: Context) -> Iterator[Found]:
    """Unknown fields of policies, and kinds of others (EnvoyFilter, Cilium's, Calico's), one finding a kind and namespace."""
    s = context.snapshot
    kinds = (s.network_policies, s.admin_policies, s.authorization_policies, s.peer_authentications, s.request_authentications)
    why = "what it decides isn't known here: verdicts that it touches say unknown"
    for policy in (policy for kind in kinds for policy in kind.values()):
        if policy.unmodelled:
            ref = policy.meta.ref
            yield Found((ref,), f"{ref} has fields that aren't modelled: {', '.join(policy.unmodelled)}", why)
    others: dict[tuple[str, str], list[ObjectRef]] = defaultdict(list)
    for foreign in s.foreign.values():
        others[foreign.meta.kind, foreign.meta.namespace].append(foreign.meta.ref)
    for (kind, namespace), refs in sorted(others.items()):
        where = f" of {namespace}" if namespace else ""
        yield Found(tuple(sorted(refs)), f"{len(refs)} {kind}{where}: a kind that isn't modelled", why)


RULE = Rule("MT901", "not modelled", Severity.INFO, _look, partial=True)
