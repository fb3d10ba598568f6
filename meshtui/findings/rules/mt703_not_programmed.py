"""MT703: no controller has taken up a Gateway."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.model.finding import Severity
from meshtui.model.gateway import Gateway


def _look(context: Context) -> Iterator[Found]:
    """The API server writes Unknown into a new Gateway, which its controller replaces; MT701 reports what it refuses."""
    for gateway in sorted(context.snapshot.gateways.values(), key=lambda g: g.meta.ref):
        problem = _problem(gateway, live=context.snapshot.live)
        if problem:
            yield Found(
                (gateway.meta.ref,),
                f"no controller has taken up {gateway.meta.ref} of class {gateway.class_name}: {problem}",
                "it has no proxy and no address, so its routes lead nowhere and its policies are enforced by nobody",
            )


def _problem(gateway: Gateway, *, live: bool) -> str:
    own = {c.type: c.status for c in gateway.meta.conditions if not c.of and c.type in {"Accepted", "Programmed"}}
    if gateway.addresses or "True" in own.values():
        return ""
    if own:
        return f"its conditions are {', '.join(f'{t} {s}' for t, s in own.items())}" if set(own.values()) == {"Unknown"} else ""
    return "its status has no conditions" if live else ""


RULE = Rule("MT703", "Gateway without a controller", Severity.WARNING, _look, ("Gateway",), partial=True)
