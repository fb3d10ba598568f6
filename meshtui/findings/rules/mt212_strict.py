"""MT212: STRICT although there are callers that can't use mutual TLS."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from meshtui.findings.base import Found, Rule
from meshtui.findings.callers import Meant, meant
from meshtui.findings.context import Context
from meshtui.findings.pods import is_ambient
from meshtui.model.finding import Severity
from meshtui.model.policy import PeerAuthentication
from meshtui.model.verdict import Decision


def _look(context: Context) -> Iterator[Found]:
    """The callers outside the mesh that configuration or a NetworkPolicy names."""
    policies: dict[str, PeerAuthentication] = {}
    by_name: dict[str, list[Meant]] = defaultdict(list)
    for flow in meant(context):
        if flow.source.endpoint.principal is not None or not is_ambient(flow.target) or flow.target.endpoint.pod is None:
            continue
        strictness = context.peer_authentication.effective(flow.target.endpoint.pod, flow.port)
        if strictness.strict and strictness.policy is not None:
            policies[str(strictness.policy.meta.ref)] = strictness.policy
            by_name[str(strictness.policy.meta.ref)].append(flow)
    for name, flows in sorted(by_name.items()):
        policy = policies[name]
        denied = [f for f in flows if context.decided(f.source, f.target, f.port).decision is Decision.DENY]
        first = (denied or flows)[0]
        sources, targets = context.owners_of([first.source]), context.owners_of([first.target])
        yield Found(
            (policy.meta.ref, *context.owners_of({f.source.number: f.source for f in flows}.values())),
            f"{policy.meta.ref} demands mutual TLS (STRICT), and {sources[0]} isn't in the mesh",
            f"{first.said_by} {first.words} means it to call {targets[0]}:{first.port}, which closes plaintext connections",
            None if any(flow.configured for flow in denied) else Severity.WARNING,
            context.count((f.source, f.target, f.port) for f in denied),
        )


RULE = Rule("MT212", "STRICT with un-meshed callers", Severity.ERROR, _look, ("PeerAuthentication",), partial=True, breaks=True)
