"""Rewrites Envoy's access logs as ztunnel's lines, and appends them to the logs of the ztunnel pods.

The text format is istio/ztunnel's (``src/telemetry.rs``, ``src/proxy/metrics.rs``): ``TIME LEVEL access MESSAGE k=v k=v…``,
tab-separated up to the first field, with quoted strings.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import re
from collections.abc import Callable
from time import monotonic
from typing import Any

import msgspec

from meshtui.sandbox.dataplane.authz import enforced, unknown
from meshtui.sandbox.dataplane.l4 import Policy
from meshtui.sandbox.dataplane.resources import CONNECT_TIMEOUT_S
from meshtui.sandbox.dataplane.world import HBONE_PORT, Pod, World
from meshtui.sandbox.ports import ClusterStore, PodLogs

Entry = dict[str, Any]
Fields = dict[str, str | int | None]

Count = Callable[[str, Fields, Pod | None, Pod | None, str | None], None]
"""Called with each line: the ztunnel's uid, the fields, both pods, and the error."""

log = logging.getLogger(__name__)

_CLUSTER = "Kubernetes"
"""The name that istiod gives its own cluster unless it is told another."""
_REMEMBERED_PODS = 2000
_DRAINED_WITHIN_S = 10.0
"""Envoy has closed what it drains within this time."""
_DENIED_BY = re.compile(r"rbac_access_denied_matched_policy\[(.*)\]")
_TUNNEL_ANSWER = re.compile(r"tunnel_response:(\d+)")
_STATUS_WORDS = {401: "Unauthorized", 403: "Forbidden", 503: "Service Unavailable"}
_CONNECT_TIMEOUT_MS = int(CONNECT_TIMEOUT_S * 1000) - 100
_BARE = {"src.addr", "dst.addr", "dst.hbone_addr", "bytes_sent", "bytes_recv"}


class AccessLog:
    """Reads Envoy's lines and appends ztunnel's."""

    def __init__(self, store: ClusterStore, logs: PodLogs, count: Count = lambda *_: None) -> None:
        self._store = store
        self._logs = logs
        self._count = count
        self._world: World | None = None
        self._by_uid: dict[str, Pod] = {}
        self._by_ip: dict[str, Pod] = {}
        self._enforced: dict[str, list[Policy]] = {}
        self._changed: dict[str, float] = {}
        """When what a pod's ztunnel enforces changed last, by the pod's uid."""

    def follow(self, world: World) -> None:
        """Use a new world. Deleted pods are remembered, since their last connections are logged after the deletion."""
        self._world = world
        old, self._enforced = self._enforced, {pod.uid: enforced(world, pod) for pod in world.pods if pod.captured}
        for uid, policies in self._enforced.items():
            if policies != old.get(uid, policies):
                self._changed[uid] = monotonic()
        self._changed = {uid: at for uid, at in self._changed.items() if uid in self._enforced}
        for pod in world.pods:
            self._by_uid.pop(pod.uid, None)  # re-inserted as the newest
            self._by_uid[pod.uid] = pod
            self._by_ip[pod.ip] = pod
        while len(self._by_uid) > _REMEMBERED_PODS:
            del self._by_uid[next(iter(self._by_uid))]

    def take(self, line: bytes) -> None:
        """Handle one line of Envoy's standard output. Never raises: Envoy would block on a pipe that isn't read."""
        try:
            self._handle(msgspec.json.decode(line, type=Entry))
        except msgspec.DecodeError:
            log.debug("not an access log line: %r", line)
        except Exception:
            log.exception("an access log line is lost: %r", line)

    def _handle(self, entry: Entry) -> None:
        match entry.get("k"):
            case "out":
                self._outbound(entry)
            case "in":
                self._inbound(entry, hbone=False)
            case "hbone":
                self._inbound(entry, hbone=True)
            case "gateway":
                self._logs.append(str(entry["src"]), str(entry["line"]))

    def _outbound(self, entry: Entry) -> None:
        source = self._by_uid.get(entry["src"])
        if source is None or source.gateway:  # a gateway opens its tunnels itself
            return
        kind, _, rest = str(entry["cluster"] or "").partition("|")
        destination = self._by_uid.get(rest.split("|")[1]) if "|" in rest else None
        tunnelled = kind == "hbone"
        app_address = f"{destination.ip}:{entry['port']}" if destination else None
        wire = f"{destination.ip}:{HBONE_PORT}" if destination and tunnelled else app_address
        fields: Fields = {
            # A client that didn't bind to its pod's address is identified by the listener, which is the pod's own.
            "src.addr": f"{source.ip}:{str(entry['peer']).rpartition(':')[2]}",
            **_who("src", source, self._identity(source) if tunnelled else None),
            "dst.addr": wire,
            "dst.hbone_addr": app_address if tunnelled else None,
            "dst.service": entry["service"] or None,
            **_who("dst", destination, self._identity(destination) if tunnelled else None),
            "direction": "outbound",
            "bytes_sent": entry["received"],
            "bytes_recv": entry["sent"],
        }
        self._write(source, fields, entry, _outbound_error(entry, tunnelled=tunnelled), (source, destination))

    def _inbound(self, entry: Entry, *, hbone: bool) -> None:
        destination = self._by_uid.get(entry["dst"])
        if destination is None:
            return
        port = int(str(entry.get("authority") or f":{entry.get('port')}").rpartition(":")[2])
        source = self._by_ip.get(str(entry["peer"]).rpartition(":")[0])
        app_address = f"{destination.ip}:{port}"
        fields: Fields = {
            "src.addr": entry["peer"],
            **_who("src", source, entry.get("identity")),
            "dst.addr": f"{destination.ip}:{HBONE_PORT}" if hbone else app_address,
            "dst.hbone_addr": app_address if hbone else None,
            "dst.service": self._service_of(destination, port),
            **_who("dst", destination, self._identity(destination) if hbone else None),
            "direction": "inbound",
            "bytes_sent": entry["sent"] if entry.get("status") in {None, 200} else 0,
            "bytes_recv": entry["received"],
        }
        for name in unknown(self._world, destination) if self._world and destination.captured else ():
            self._say(
                destination,
                "warn",
                f"state:proxy{{wl={destination.namespace}/{destination.name}}}",
                f"skipping unknown policy {name}\t",
            )
        at = self._changed.get(destination.uid)
        changed = at is not None and monotonic() - at < _DRAINED_WITHIN_S
        self._write(destination, fields, entry, _inbound_error(entry, changed=changed), (source, destination))

    def _identity(self, pod: Pod | None) -> str | None:
        return self._world.identity(pod) if self._world and pod else None

    def _service_of(self, pod: Pod, port: int) -> str | None:
        for service in self._world.services if self._world else ():
            if any(each.pod.uid == pod.uid and each.port == port for ports in service.ports.values() for each in ports):
                return service.fqdn
        return None

    def _write(self, where: Pod, fields: Fields, entry: Entry, error: str | None, ends: tuple[Pod | None, Pod | None]) -> None:
        fields = {**fields, "duration": f"{entry['ms']}ms", "error": error}
        said = " ".join(_field(key, value) for key, value in fields.items() if value is not None)
        ztunnel = self._say(where, "error" if error else "info", "access", f"connection complete\t{said}")
        if ztunnel is not None:
            self._count(ztunnel, fields, *ends, error)

    def _say(self, where: Pod, level: str, target: str, message: str) -> str | None:
        """Append a line to the log of a pod's ztunnel; return that one's uid."""
        ztunnel = self._ztunnel(where.node)
        if ztunnel is not None:
            now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            self._logs.append(ztunnel, f"{now}\t{level}\t{target}\t{message}")
        return ztunnel

    def _ztunnel(self, node: str) -> str | None:
        pods = [
            pod
            for pod in self._store.list("pods", "istio-system")
            if (pod["metadata"].get("labels") or {}).get("app") == "ztunnel"
        ]
        here = [pod for pod in pods if (pod.get("spec") or {}).get("nodeName") == node]
        chosen = next(iter(here or pods), None)
        return None if chosen is None else str(chosen["metadata"]["uid"])


def _who(side: str, pod: Pod | None, identity: str | None) -> Fields:
    return {
        f"{side}.workload": pod.name if pod else None,
        f"{side}.namespace": pod.namespace if pod else None,
        f"{side}.identity": identity,
        f"{side}.cluster": _CLUSTER if pod else None,
    }


def _field(key: str, value: str | int | None) -> str:
    return f"{key}={value}" if key in _BARE else f"{key}={json.dumps(value, ensure_ascii=False)}"


def _outbound_error(entry: Entry, *, tunnelled: bool) -> str | None:
    why, flags = str(entry.get("why") or ""), str(entry.get("flags") or "-").split(",")
    answer = _TUNNEL_ANSWER.search(why)
    if answer:
        status = int(answer[1])
        return f"http status: {status} {_STATUS_WORDS.get(status, '')}".strip()
    if not entry.get("upstream"):  # closed while it was waiting, because the configuration changed
        return "connection closed due to connection drain"
    if "UF" not in flags:
        return None
    if "refused" in why:
        return "io error: Connection refused (os error 111)"
    if why:
        return f"io error: {why.replace('_', ' ')}"
    # Envoy gives no reason for a connection that was never answered, nor for one that was closed at once, as by a proxy
    # that is just being given its configuration. Only the first is what a NetworkPolicy does.
    if int(entry["ms"]) < _CONNECT_TIMEOUT_MS:
        return "io error: connection closed before it was established"
    late = "deadline has elapsed"
    if tunnelled:
        return f"connection timed out, maybe a NetworkPolicy is blocking HBONE port {HBONE_PORT}: {late}"
    return f"io error: {late}"


def _inbound_error(entry: Entry, *, changed: bool) -> str | None:
    """What ztunnel says of a connection to a pod; ``changed``: what it enforces there has just changed."""
    denied = entry.get("denied") or None
    if entry.get("details") == "on_drain_deadline":  # Envoy has another configuration, and closes what is open
        return "connection closed due to policy change" if changed else "connection closed due to connection drain"
    matched = _DENIED_BY.search(str(entry.get("details") or ""))
    if matched:
        name = matched[1].rpartition("/")[0]
        denied = f"explicitly denied by: {name}" if name else "allow policies exist, but none allowed"
    if denied:
        return f"connection closed due to policy rejection: {denied}"
    if "UF" in str(entry.get("flags") or "-").split(",") or entry.get("status") == 503:
        return "connection failed: Connection refused (os error 111)"
    return None
