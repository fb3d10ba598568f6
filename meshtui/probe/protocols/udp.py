"""UDP other than DNS, which can't be probed."""

from __future__ import annotations

from meshtui.model.flow import Flow
from meshtui.probe.protocols.base import Protocol


def _takes(flow: Flow, _port: int, _hint: str) -> bool:
    return flow.protocol == "UDP"


PROTOCOL = Protocol(
    "udp", 20, _takes, cant_tell="can't tell: over UDP silence and loss look the same, only DNS answers a question"
)
