"""Extracts denials from the log lines of ztunnels, waypoints and gateways.

Ambiguous lines are reported as unreadable. Sources: ztunnel: istio/ztunnel src/proxy/metrics.rs (fields, messages),
src/proxy.rs (errors), src/telemetry.rs (both formats). Envoy:
``rbac_access_denied_matched_policy[ns[NS]-policy[NAME]-rule[N]]``, ``[none]`` where no ALLOW policy matches (istio/istio
pilot/pkg/security/authz/builder).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping

import msgspec

from meshtui.logs import ztunnel
from meshtui.logs.envoy import EnvoyLine, Unreadable, read_envoy_line
from meshtui.logs.failures import Failure, failure_of
from meshtui.logs.moment import moment_of
from meshtui.logs.ztunnel import AccessLine, parse_access_line, port_of
from meshtui.model.constants import HBONE_PORT
from meshtui.model.denial import DenialKind, Peer, Rejection
from meshtui.model.flow import HttpRequest
from meshtui.model.ids import ObjectRef
from meshtui.model.verdict import Decider

Read = Rejection | Unreadable | None
_WAITED_MS = 1000
"""A client that leaves after so long had no answer; one that leaves sooner may have other reasons."""
LONGEST = 65536
"""Maximum number of characters of a line; longer lines aren't parsed."""

_UNAUTHORIZED = "http status: 401"
_ERRORS = (
    (ztunnel.REJECTED, DenialKind.REJECTED),
    (ztunnel.POLICY_CHANGED, DenialKind.POLICY_CHANGE),
    (ztunnel.TIMED_OUT, DenialKind.TIMED_OUT),
    (_UNAUTHORIZED, DenialKind.REFUSED),
)
_FAILURES = frozenset(Failure) - {Failure.POLICY, Failure.HBONE_CLOSED, Failure.HBONE_SILENT, Failure.UNKNOWN}
"""The classes that a line alone shows, and that no other kind of denial stands for."""
_ALSO_AT_THE_SOURCE = "tls handshake error: "
"""The error of a destination whose certificate the source refuses: the source has a line of it, too, that says more."""
_ON_THE_WAY = frozenset({DenialKind.TIMED_OUT, DenialKind.HBONE_CLOSED})
"""What may happen at a waypoint or a gateway on the way: the reason names it."""
_EXPLICIT = re.compile(rf"{re.escape(ztunnel.EXPLICITLY_DENIED)}([^/\s]+)/(\S+)\Z")
_CONVERTED = "converted_peer_authentication_"
_STATIC_STRICT = "istio_converted_static_strict"
"""istiod's name for "plaintext is refused". The line doesn't say which PeerAuthentication it stands for."""
_RECORD = re.compile(r"\d{4}-\d\d-\d\dT\S+\t(error|warn|info|debug|trace)\t(\S+)", re.IGNORECASE)
_PAIRS = re.compile(r'(?:\s*[\w.]+=(?:"(?:[^"\\]|\\.)*"|[^\s"]+))*\s*\Z')
_YAML = re.compile(r"\s*(- |[\w.\"'-]+:(\s|\Z)|[}\]]|\Z)|\s+\S")
_DUMP = "running with config"
_TRACE = re.compile(r"Caused by:|[Ss]tack backtrace:|\s+\d+: .*|\s{4,}at \S.*|\s+\.\.\. .*|note: .*")
"""What follows an error with its causes, and a panic, in lines of their own (crate anyhow, Rust's panic handler)."""
_PANIC = re.compile(r"thread '[^']*'(?: \(\d+\))? panicked at ")
_PANIC_LINES = 20
"""The most lines that a panic's message has."""
_MATCHED = re.compile(r"rbac_access_denied_matched_policy\[ns\[([^\]]+)\]-policy\[([^\]]+)\]-rule\[(\d+)\]\]")


class ZtunnelReader:
    """Parses one ztunnel's log. Its only state is whether a multi-line message is being read."""

    def __init__(self) -> None:
        self._dumping = False
        self._panicking = 0

    def read(self, text: str) -> Read:
        """The denial in a line; None if there is none; Unreadable if that can't be determined."""
        if len(text) > LONGEST:
            return Unreadable(text[:200], f"longer than {LONGEST} characters")
        if text.startswith("{"):
            return self._json(text)
        record = _RECORD.match(text)
        if record is None:
            return self._continued(text)
        self._panicking = 0
        self._dumping = _DUMP in text
        if record[2] != "access":
            return None
        if "error=" not in text:
            return None if "duration=" in text or "connection opened" in text else Unreadable(text, "an access line that is cut")
        parts = text.split("\t", 4)
        if len(parts) < 5 or not _PAIRS.match(parts[4]):
            return Unreadable(text, "an access line whose fields can't be told apart")
        line = parse_access_line(text)
        return rejection_of(line) if line else Unreadable(text, "an access line that can't be read")

    def _continued(self, text: str) -> Read:
        """A line that begins no record: a part of a longer message, or Unreadable."""
        if not text.strip() or (self._dumping and _YAML.match(text)):
            return None
        if _PANIC.match(text):
            self._panicking = _PANIC_LINES
            return None
        if _TRACE.fullmatch(text.rstrip()):
            self._panicking = 0
            return None
        if self._panicking and "error=" not in text:
            self._panicking -= 1
            return None
        return Unreadable(text, "not a line of ztunnel's log")

    def _json(self, text: str) -> Read:
        self._dumping, self._panicking = False, 0
        try:
            entry = msgspec.json.decode(text)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return Unreadable(text, "broken JSON")
        if not isinstance(entry, dict) or not {"scope", "target"} & entry.keys():
            return Unreadable(text, "JSON without scope")
        if entry.get("scope", entry.get("target")) != "access" or not entry.get("error"):
            return None
        line = parse_access_line(text)
        return rejection_of(line) if line else Unreadable(text, "an access line that can't be read")


def rejection_of(line: AccessLine) -> Read:
    """The denial that a ztunnel's line tells of; None if it tells of none; Unreadable if that can't be determined."""
    kind = next((kind for start, kind in _ERRORS if line.error.startswith(start)), None)
    failure = failure_of(line) if kind is None else None
    if failure is Failure.HBONE_CLOSED:
        kind = DenialKind.HBONE_CLOSED
    elif failure in _FAILURES and not line.error.startswith(_ALSO_AT_THE_SOURCE):
        kind = DenialKind.FAILED
    if kind is None:
        return None  # it failed, and the line doesn't tell why
    fields, at = line.fields, line.timestamp
    source, outer = _host(fields.get("src.addr", "")), _host(fields.get("dst.addr", ""))
    direction = fields.get("direction")
    if at is None or not source or not outer or direction not in {"inbound", "outbound"}:
        return Unreadable(line.raw, "a denial without time, addresses or direction")
    port = line.port
    if port == HBONE_PORT and not fields.get("dst.hbone_addr"):
        port = None  # an early denial: the tunnel's port, not the application's
    destination, service = destination_of(line), service_of(line)
    reason = _reason(line.error, kind)
    on_the_way = failure is Failure.PROXY_CLOSED or (kind in _ON_THE_WAY and service is not None)
    if on_the_way and fields.get("dst.workload"):
        reason += f", at {fields.get('dst.namespace', '')}/{fields['dst.workload']}"  # a waypoint, or another network's gateway
    return Rejection(
        at=at,
        kind=kind,
        source=_source(fields, source),
        destination=destination,
        port=port,
        reason=reason,
        inbound=direction == "inbound",
        proxy="ztunnel",
        identity=fields.get("src.identity", ""),
        service=service,
        named=named_policy(line.error),
        failure=failure.value if failure is not None and kind is DenialKind.FAILED else "",
        reached=outer,
        raw=line.raw,
    )


def silence_of(line: AccessLine) -> Rejection | None:
    """A connection outside the tunnel that nobody answered, or that its client gave up after ``_WAITED_MS``; else None."""
    waited = line.duration_ms is not None and line.duration_ms >= _WAITED_MS and not line.bytes_sent and not line.bytes_received
    silent = line.error.endswith((ztunnel.NO_ANSWER, ztunnel.GAVE_UP)) and line.inbound is False
    at, address = line.timestamp, _host(line.fields.get("src.addr", ""))
    if not (waited and silent) or at is None or not address:
        return None
    return Rejection(
        at=at,
        kind=DenialKind.TIMED_OUT,
        source=_source(line.fields, address),
        destination=destination_of(line),
        port=line.port,
        reason=line.error,
        inbound=False,
        proxy="ztunnel",
        identity=line.source.identity,
        service=service_of(line),
        reached=_host(line.fields.get("dst.addr", "")),
        raw=line.raw,
    )


def destination_of(line: AccessLine) -> Peer:
    """The destination of the connection. Through a waypoint, the tunnel ends at another address than the inner connection."""
    fields, outer = line.fields, _host(line.fields.get("dst.addr", ""))
    inner = _host(fields.get("dst.hbone_addr", ""))
    if inner and inner != outer:
        return Peer(inner)
    workload = fields.get("dst.workload", "")
    return Peer(outer) if "/" in workload else Peer(outer, fields.get("dst.namespace", ""), workload)  # a network's gateway


def _source(fields: Mapping[str, str], address: str) -> Peer:
    """The source of the connection. A caller of another network comes through a gateway: its name is no pod's here."""
    if fields.get("direction") == "inbound" and _named_service(fields.get("dst.hbone_addr", "")) is not None:
        return Peer()
    return Peer(address, fields.get("src.namespace", ""), fields.get("src.workload", ""))


def service_of(line: AccessLine) -> tuple[str, str] | None:
    """Namespace and name of the Service that a connection is for, if it goes through a waypoint or another network's gateway.

    The tunnel's inner address is then the Service's, by name in newer ztunnels; ``dst.workload`` is who takes the connection.
    """
    fields = line.fields
    inner = fields.get("dst.hbone_addr", "")
    named = _named_service(inner)
    if named is not None or not _host(inner) or _host(inner) == _host(fields.get("dst.addr", "")):
        return named
    return _named_service(f"{fields.get('dst.service', '')}:0")


def _named_service(address: str) -> tuple[str, str] | None:
    """Namespace and name in ``NAME.NAMESPACE.svc.DOMAIN:PORT``."""
    host = address.rpartition(":")[0].split(".")
    return (host[1], host[0]) if len(host) > 2 and host[2] == "svc" else None


def _reason(error: str, kind: DenialKind) -> str:
    """Errors that differ from line to line only in details are one reason."""
    return error if kind is not DenialKind.TIMED_OUT else f"{ztunnel.TIMED_OUT} {HBONE_PORT}"


def named_policy(error: str) -> Decider | None:
    """The policy that a ztunnel names as the deciding one, or None.

    istiod converts a PeerAuthentication with port-level modes to a policy with a generated name; the PeerAuthentication is
    returned.
    """
    found = _EXPLICIT.search(error)
    if found is None or found[2] == _STATIC_STRICT:
        return None
    if found[2].startswith(_CONVERTED):
        return Decider(ObjectRef("PeerAuthentication", found[1], found[2].removeprefix(_CONVERTED)))
    return Decider(ObjectRef("AuthorizationPolicy", found[1], found[2]))


def _host(address: str) -> str:
    """The address in ``IP:PORT`` or ``[IP]:PORT``, or empty."""
    host = address.rpartition(":")[0].strip("[]")
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return ""


class EnvoyReader:
    """Parses the log of a waypoint or a gateway."""

    def __init__(self, proxy: str) -> None:
        self._proxy = proxy

    def read(self, text: str) -> Read:
        """The denial in a line; None if there is none; Unreadable if that can't be determined."""
        if len(text) > LONGEST:
            return Unreadable(text[:200], f"longer than {LONGEST} characters")
        line = read_envoy_line(text)
        if line is None or isinstance(line, Unreadable):
            return line
        said = line.rbac
        if not said:
            return None
        at = moment_of(line.time)
        if at is None:
            return Unreadable(text, "a denial without a time")
        matched = _MATCHED.fullmatch(said)
        rule = Decider(ObjectRef("AuthorizationPolicy", matched[1], matched[2]), f"rules[{matched[3]}]") if matched else None
        if rule is None and said != "rbac_access_denied_matched_policy[none]":
            return Unreadable(text, "a denial that names its policy in an unknown way")
        service, port = _called(line)
        return Rejection(
            at=at,
            kind=DenialKind.FORBIDDEN if line.code else DenialKind.REJECTED,
            source=Peer(_host(line.remote)),
            destination=Peer(_host(line.local)),
            port=port,
            reason="RBAC: access denied: " + ("a DENY rule matches" if rule else ztunnel.NONE_ALLOWED),
            inbound=True,
            proxy=self._proxy,
            service=service,
            http=HttpRequest(line.method, line.path.partition("?")[0] or "/", line.authority) if line.code else None,
            named=rule,
            raw=text,
        )


def _called(line: EnvoyLine) -> tuple[tuple[str, str] | None, int | None]:
    """The Service and its port in an Envoy cluster name (``inbound-vip|8000|http|HOST``, ``outbound|8000||HOST``).

    Without a Service, the port is that of the called address.
    """
    parts = line.cluster.rstrip(";").split("|")
    if len(parts) == 4 and parts[0] in {"inbound-vip", "outbound"}:
        host, port = parts[3].split("."), port_of(f":{parts[1]}")
        if len(host) > 2 and host[2] == "svc" and port is not None:
            return (host[1], host[0]), port
    return None, port_of(line.local)


def read_line(reader: ZtunnelReader | EnvoyReader, text: str) -> Read:
    """Parse one line with a reader. A line at which the reader raises an exception is Unreadable."""
    try:
        return reader.read(text)
    except Exception as error:  # noqa: BLE001  (the boundary of one line: clients choose a part of what stands in it)
        return Unreadable(text, f"it can't be read: {type(error).__name__}")
