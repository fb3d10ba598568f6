"""ztunnel's access log, text and JSON form (istio/ztunnel src/telemetry.rs, src/proxy/metrics.rs)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

_PAIR = re.compile(r'([\w.]+)=("(?:[^"\\]|\\.)*"|\S+)')


@dataclass(frozen=True, slots=True)
class AccessLine:
    """One line of the access log. ``fields`` are as ztunnel names them (``src.identity``, ``dst.hbone_addr`` …)."""

    time: str
    level: str
    message: str
    fields: Mapping[str, str] = field(default_factory=dict)
    raw: str = ""

    @property
    def error(self) -> str:
        """Why the connection failed, or empty."""
        return self.fields.get("error", "")

    @property
    def denied(self) -> bool:
        """Whether policy closed the connection."""
        return "policy rejection" in self.error or "401 Unauthorized" in self.error

    @property
    def port(self) -> int | None:
        """The application's port: that of ``dst.hbone_addr`` on HBONE, else of ``dst.addr``."""
        address = self.fields.get("dst.hbone_addr") or self.fields.get("dst.addr", "")
        _, _, port = address.rpartition(":")
        return int(port) if port.isdecimal() else None

    @property
    def timestamp(self) -> datetime | None:
        """When, or None when the line's time can't be read."""
        try:
            return datetime.fromisoformat(self.time)
        except ValueError:
            return None

    def concerns(self, namespace: str, pods: frozenset[str]) -> bool:
        """Whether one of these pods is an end of the connection."""
        return any(
            self.fields.get(f"{side}.namespace") == namespace and self.fields.get(f"{side}.workload") in pods
            for side in ("src", "dst")
        )


def parse_access_line(raw: str) -> AccessLine | None:
    """One line, or None when it is no access log line."""
    text = raw.rstrip("\r\n")
    if text.startswith("{"):
        return _from_json(text)
    parts = text.split("\t")
    if len(parts) < 5 or parts[2].split(" ")[0] != "access":
        return None
    pairs = {key: _unquoted(value) for key, value in _PAIR.findall("\t".join(parts[4:]))}
    return AccessLine(parts[0], parts[1].strip().lower(), parts[3], pairs, text)


def _unquoted(value: str) -> str:
    if len(value) >= 2 and value.startswith('"') and value.endswith('"'):
        return re.sub(r"\\(.)", r"\1", value[1:-1])
    return value


def _from_json(text: str) -> AccessLine | None:
    try:
        entry = msgspec.json.decode(text)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    if not isinstance(entry, dict) or entry.get("scope", entry.get("target")) != "access":
        return None
    known = {"time", "level", "scope", "target", "message"}
    fields = {str(key): str(value) for key, value in entry.items() if key not in known}
    return AccessLine(str(entry.get("time", "")), str(entry.get("level", "")), str(entry.get("message", "")), fields, text)
