"""Which pod a line of ztunnel's access log shows to be captured: one that ztunnel carried over HBONE with an identity."""

from __future__ import annotations

import re
from datetime import datetime

import msgspec

from meshtui.logs.moment import moment_of

_NEAR = {"outbound": "src", "inbound": "dst"}
"""The end of a connection that is on the ztunnel's own node."""
_TEXT = re.compile(r'(?<=\s)(src|dst)\.(workload|namespace)="([^"\\]*)"')
_DIRECTION = re.compile(r'(?<=\s)direction="(inbound|outbound)"')
Captured = tuple[str, datetime]
"""The pod as ``namespace/name``, and the time of the line."""


class _Line(msgspec.Struct, rename={"source": "src.workload", "source_namespace": "src.namespace"}):
    """The fields of a line in JSON that are read here."""

    time: str = ""
    scope: str = ""
    target: str = ""
    direction: str = ""
    error: str = ""
    source: str = ""
    source_namespace: str = ""
    destination: str = msgspec.field(default="", name="dst.workload")
    destination_namespace: str = msgspec.field(default="", name="dst.namespace")


_DECODER = msgspec.json.Decoder(_Line)


def captured_of(text: str) -> Captured | None:
    """The pod of the ztunnel's node that a line shows to be captured; None for every other line.

    A line of a connection that failed shows nothing, nor does one without HBONE or without the source's identity.
    """
    if "dst.hbone_addr" not in text or "src.identity" not in text:
        return None
    return _of_json(text) if text.startswith("{") else _of_text(text)


def _of_text(text: str) -> Captured | None:
    parts = text.split("\t", 4)
    if len(parts) < 5 or parts[2] != "access" or "error=" in parts[4]:
        return None
    direction = _DIRECTION.search(parts[4])
    if direction is None:
        return None
    near = _NEAR[direction[1]]
    found = {name: value for side, name, value in _TEXT.findall(f"\t{parts[4]}") if side == near}
    return _captured(found.get("namespace", ""), found.get("workload", ""), parts[0])


def _of_json(text: str) -> Captured | None:
    try:
        line = _DECODER.decode(text)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    if (line.scope or line.target) != "access" or line.error or line.direction not in _NEAR:
        return None
    if line.direction == "outbound":
        return _captured(line.source_namespace, line.source, line.time)
    return _captured(line.destination_namespace, line.destination, line.time)


def _captured(namespace: str, pod: str, time: str) -> Captured | None:
    at = moment_of(time)
    return (f"{namespace}/{pod}", at) if at is not None and namespace and pod and "/" not in pod else None
