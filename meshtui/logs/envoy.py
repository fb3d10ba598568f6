"""Parses the access logs of Istio's waypoints and gateways in their default format, as text and JSON.

The text format is istio.io's "Envoy Access Logs, Default access log format" (``accessLogFormat`` empty); the JSON format has
the same fields by name (``accessLogEncoding: JSON``). Lines in another format are reported as unreadable.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import msgspec

_TEXT = re.compile(
    r'\[(?P<start_time>[^\]\s]+)\] "(?P<method>\S+) (?P<path>\S*) (?P<protocol>[^"\s]+)" (?P<response_code>\d{1,3}) '
    r"(?P<response_flags>\S+) (?P<response_code_details>\S+) (?P<connection_termination_details>\S+) "
    r'"[^"]*" \d+ \d+ \S+ \S+ "[^"]*" "[^"]*" "[^"]*" "(?P<authority>[^"]*)" "[^"]*" (?P<upstream_cluster>\S+) \S+ +'
    r"(?P<downstream_local_address>\S+) (?P<downstream_remote_address>\S+) \S+ \S+\s*\Z"
)
_HEAD = re.compile(r'\[\d{4}-\d\d-\d\dT[^\]\s]+\] "[^"]*" \d{1,3} ')
_QUOTES = 14
"""The number of quotation marks in a line. Envoy doesn't escape them, so a line with more is ambiguous."""
_AGENT = re.compile(r"\d{4}-\d\d-\d\dT\S+\t(error|warn|warning|info|debug|trace|critical|fatal)\t", re.IGNORECASE)
"""Beginnings of lines that Envoy itself and the Istio agent write to the same log."""


@dataclass(frozen=True, slots=True)
class EnvoyLine:
    """One request, or one TCP connection (``code`` 0). Addresses are ``IP:PORT`` or an internal name; ``-`` is empty here."""

    time: str
    method: str
    path: str
    code: int
    details: str
    termination: str
    authority: str
    cluster: str
    local: str
    remote: str

    @property
    def rbac(self) -> str:
        """RBAC's message if it denied the request, else empty. ``rbac_access_denied_matched_policy[…]`` is Envoy's wording."""
        for said in (self.details, self.termination):
            if said.startswith(RBAC):
                return said
        return ""


RBAC = "rbac_access_denied_matched_policy["


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A line that can't be parsed, and the reason."""

    raw: str
    why: str


def read_envoy_line(text: str) -> EnvoyLine | Unreadable | None:
    """Parse one line of a waypoint's or gateway's log; None if it isn't an access log line."""
    if not text.strip() or _AGENT.match(text):
        return None
    if text.startswith("{"):
        return _from_json(text)
    if not _HEAD.match(text):
        return Unreadable(text, "not Istio's default access log format")
    if text.count('"') != _QUOTES:
        return Unreadable(text, "quotation marks inside a field: it could be read in more than one way")
    found = _TEXT.match(text)
    if found is None:
        return Unreadable(text, "not Istio's default access log format")
    return _line(found.groupdict())


def _from_json(text: str) -> EnvoyLine | Unreadable | None:
    try:
        entry = msgspec.json.decode(text)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return Unreadable(text, "broken JSON")
    if not isinstance(entry, dict):
        return Unreadable(text, "not an object")
    if "response_code" not in entry:
        agent = "level" in entry and ("msg" in entry or "message" in entry)
        return None if agent else Unreadable(text, "JSON without response_code")
    code = entry["response_code"]
    if isinstance(code, bool) or not (isinstance(code, int) or str(code).isdecimal()):
        return Unreadable(text, "response_code isn't a number")
    names = (*_FIELDS, "start_time")
    return _line({name: "" if entry.get(name) is None else str(entry.get(name, "")) for name in names})


_FIELDS = (
    "method",
    "path",
    "response_code",
    "response_code_details",
    "connection_termination_details",
    "authority",
    "upstream_cluster",
    "downstream_local_address",
    "downstream_remote_address",
)


def _line(fields: dict[str, str]) -> EnvoyLine:
    method, path, code, details, termination, authority, cluster, local, remote = (
        "" if fields[name] == "-" else fields[name] for name in _FIELDS
    )
    return EnvoyLine(fields["start_time"], method, path, int(code), details, termination, authority, cluster, local, remote)
