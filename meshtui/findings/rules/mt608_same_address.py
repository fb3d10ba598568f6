"""MT608: two Gateways ask for one address."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.findings.words import few
from meshtui.model.finding import Severity
from meshtui.model.ids import ObjectRef


def _look(context: Context) -> Iterator[Found]:
    """By IP address, each has a load balancer of its own; by host name, both may configure the pods of one Service."""
    users: dict[tuple[str, str, str], list[ObjectRef]] = defaultdict(list)
    for gateway in sorted(context.snapshot.gateways.values(), key=lambda g: g.meta.ref):
        for kind, value in dict.fromkeys(gateway.wanted):
            short = kind == "Hostname" and "." not in value
            users[kind, value.lower(), gateway.meta.namespace if short else ""].append(gateway.meta.ref)
    for (kind, value, _), refs in users.items():
        if len(refs) > 1:
            yield Found(
                tuple(refs),
                f"{few(refs)} ask for the address {value}",
                "their pods are the same, and have the listeners of both"
                if kind == "Hostname"
                else "one of their Services gets it, unless the load balancer shares addresses; the other stays without",
                Severity.INFO if kind == "Hostname" else None,
            )


RULE = Rule("MT608", "one address for two Gateways", Severity.WARNING, _look, ("Gateway",), partial=True)
