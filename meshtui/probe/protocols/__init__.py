"""The protocols of probes: one module each, discovered. Pure."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping

from meshtui.model.flow import Flow
from meshtui.probe.protocols.base import Attempt, Protocol, Sent

__all__ = ["PROTOCOLS", "Attempt", "Protocol", "Sent", "protocol_of"]


def _found() -> list[Protocol]:
    names = (info.name for info in pkgutil.iter_modules(__path__) if info.name != "base")
    return sorted((importlib.import_module(f"{__name__}.{name}").PROTOCOL for name in names), key=lambda each: each.order)


PROTOCOLS: Mapping[str, Protocol] = {protocol.name: protocol for protocol in _found()}
"""All protocols by name, in the order in which they are matched with a flow."""


def protocol_of(flow: Flow, port: int, hint: str) -> Protocol:
    """The protocol for a flow, by the flow itself, the port's name or appProtocol (``hint``), and the port's usual protocol."""
    return next(protocol for protocol in PROTOCOLS.values() if protocol.takes(flow, port, hint.lower()))
