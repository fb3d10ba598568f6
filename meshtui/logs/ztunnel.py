"""Parses ztunnel's access log, as text and JSON (istio/ztunnel src/telemetry.rs, src/proxy/metrics.rs)."""

from __future__ import annotations

import ipaddress
import re
import sys
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from meshtui.logs.moment import moment_of
from meshtui.model.constants import HBONE_PORT

REJECTED = "connection closed due to policy rejection"
"""The error of a connection that policy closed, in the log of the destination (istio/ztunnel src/proxy.rs)."""
POLICY_CHANGED = "connection closed due to policy change"
"""The error of an open connection that policy no longer allows."""
NO_ANSWER = "deadline has elapsed"
"""The end of the error of a connection that nobody answered."""
UNAUTHORIZED = "http status: 401 Unauthorized"
"""The error at the source of a connection that the destination's ztunnel rejected."""
TIMED_OUT = "connection timed out, maybe a NetworkPolicy is blocking HBONE port"
"""The error of a source that got no answer on HBONE's port; the number follows."""
GAVE_UP = "connection closed before it was established"
"""The error of a connection whose client left before there was an answer."""
NONE_ALLOWED = "allow policies exist, but none allowed"
EXPLICITLY_DENIED = "explicitly denied by: "
"""Why policy closed a connection: NAMESPACE/NAME follows (istio/ztunnel src/state.rs)."""
_DURATION = re.compile(r"(\d{1,18})ms", re.ASCII)
_PORT = re.compile(r".*:(\d{1,5})", re.ASCII | re.DOTALL)
_PORTS = range(1 << 16)
_ESCAPE = re.compile(r"\\(?:u\{([0-9a-fA-F]{1,6})\}|(.))", re.DOTALL)
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t", "0": "\0"}
_PAIR = re.compile(r'([\w.]+)=("(?:[^"\\]|\\.)*"|\S+)')


@dataclass(frozen=True, slots=True)
class LineEnd:
    """One end of a connection as ztunnel knows it; what it doesn't say is empty. ``address`` is without the port."""

    address: str
    namespace: str
    workload: str
    identity: str


@dataclass(frozen=True, slots=True)
class AccessLine:
    """One line of the access log. ``fields`` have ztunnel's names (``src.identity``, ``dst.hbone_addr`` …)."""

    time: str
    level: str
    message: str
    fields: Mapping[str, str] = field(default_factory=dict)
    raw: str = ""

    @property
    def error(self) -> str:
        """The error with which the connection ended, or empty."""
        return self.fields.get("error", "")

    @property
    def denied(self) -> bool:
        """Whether policy closed the connection, at its start or after a change."""
        unauthorized = UNAUTHORIZED.removeprefix("http status: ")
        return any(words in self.error for words in (REJECTED, POLICY_CHANGED, unauthorized))

    @property
    def timed_out(self) -> bool:
        """Whether nobody answered, on HBONE's port or without it."""
        return "timed out" in self.error or self.error.endswith(NO_ANSWER)

    @property
    def port(self) -> int | None:
        """The application's port: that of ``dst.hbone_addr`` on HBONE, else of ``dst.addr``."""
        address = self.fields.get("dst.hbone_addr") or self.fields.get("dst.addr", "")
        return port_of(address)

    @property
    def opened(self) -> bool:
        """Whether it only says that a connection began (logged at level debug): another line follows at its end."""
        return self.message == "connection opened"

    @property
    def inner(self) -> str:
        """The address, or the host name, to which the tunnel leads; empty without a tunnel."""
        return self.fields.get("dst.hbone_addr", "").rpartition(":")[0].strip("[]")

    @property
    def through_proxy(self) -> bool:
        """Whether a waypoint or another network's gateway takes the connection: it is ``destination`` then, not who is called.

        Where the tunnel leads to a host name in another network, ztunnel may know the workload there, and names that.
        """
        outer, names_it = self.destination.address, "/" not in self.destination.workload
        if not (self.inner and outer) or self.inner == outer or self.inbound:
            return False
        return is_address(self.inner) or not names_it

    @property
    def before_the_tunnel(self) -> bool:
        """Whether it failed on HBONE's port before the application's was known."""
        return self.port == HBONE_PORT and not self.through_hbone and bool(self.error)

    @property
    def timestamp(self) -> datetime | None:
        """The time of the line, or None if it can't be parsed."""
        return moment_of(self.time)

    @property
    def source(self) -> LineEnd:
        """Who opened the connection."""
        return self._end("src")

    @property
    def destination(self) -> LineEnd:
        """Whom it was for."""
        return self._end("dst")

    @property
    def service(self) -> str:
        """The host name of the Service that it went to, or empty."""
        return self.fields.get("dst.service", "")

    @property
    def inbound(self) -> bool | None:
        """Whether the destination's ztunnel says it (True) or the source's (False); None when the line doesn't tell."""
        return {"inbound": True, "outbound": False}.get(self.fields.get("direction", ""))

    @property
    def hbone_timed_out(self) -> bool:
        """Whether nobody answered on HBONE's port."""
        return TIMED_OUT in self.error

    @property
    def through_hbone(self) -> bool:
        """Whether the connection went through HBONE."""
        return "dst.hbone_addr" in self.fields

    @property
    def duration_ms(self) -> int | None:
        """How long the connection was open, in milliseconds, or None when the line doesn't tell."""
        found = _DURATION.fullmatch(self.fields.get("duration", ""))
        return int(found[1]) if found else None

    @property
    def bytes_sent(self) -> int | None:
        """How many bytes the source sent, or None when the line doesn't tell."""
        return self._number("bytes_sent")

    @property
    def bytes_received(self) -> int | None:
        """How many bytes the source received, or None when the line doesn't tell."""
        return self._number("bytes_recv")

    def _number(self, name: str) -> int | None:
        text = self.fields.get(name, "")
        return int(text) if text.isascii() and text.isdigit() and len(text) <= 20 else None

    def _end(self, side: str) -> LineEnd:
        address = self.fields.get(f"{side}.addr", "").rpartition(":")[0].strip("[]")
        namespace, workload, identity = (self.fields.get(f"{side}.{name}", "") for name in ("namespace", "workload", "identity"))
        return LineEnd(address, namespace, workload, identity)

    def concerns(self, namespace: str, pods: AbstractSet[str]) -> bool:
        """Whether one of these pods is an end of the connection."""
        return any(end.namespace == namespace and end.workload in pods for end in (self.source, self.destination))


def is_address(text: str) -> bool:
    """Whether a text is an IP address, and not a host name."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def port_of(address: str) -> int | None:
    """The port in ``HOST:PORT``; None if there is none, or no such port exists."""
    found = _PORT.fullmatch(address)
    return int(found[1]) if found and int(found[1]) in _PORTS else None


def parse_access_line(raw: str) -> AccessLine | None:
    """Parse one line; None if it isn't an access log line."""
    text = raw.rstrip("\r\n")
    if text.startswith("{"):
        return _from_json(text)
    parts = text.split("\t")
    if len(parts) < 5 or parts[2].split(" ")[0] != "access":
        return None
    pairs = {key: _unquoted(value) for key, value in _PAIR.findall("\t".join(parts[4:]))}
    return AccessLine(parts[0], parts[1].strip().lower(), parts[3], pairs, text)


def _unquoted(value: str) -> str:
    """A value without quotes, and with what Rust's Debug format escapes as it was."""
    if len(value) >= 2 and value.startswith('"') and value.endswith('"'):
        return _ESCAPE.sub(_unescaped, value[1:-1])
    return value


def _unescaped(found: re.Match[str]) -> str:
    number = found[1]
    if number is None:
        return _ESCAPED.get(found[2], found[2])
    code = int(number, 16)
    return chr(code) if code <= sys.maxunicode and not 0xD800 <= code < 0xE000 else found[0]


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
