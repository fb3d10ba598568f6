"""SCTP: a probe's image has no program that can send it."""

from __future__ import annotations

from meshtui.model.flow import Flow
from meshtui.probe.protocols.base import Protocol


def _takes(flow: Flow, _port: int, _hint: str) -> bool:
    return flow.protocol == "SCTP"


PROTOCOL = Protocol("sctp", 5, _takes, cant_tell="can't tell: SCTP can't be sent by a probe")
