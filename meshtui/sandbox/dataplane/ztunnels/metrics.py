"""A ztunnel's metrics, as OpenMetrics text: counted from the lines of its access log."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping

from meshtui.sandbox.dataplane.world import Pod, World
from meshtui.sandbox.dataplane.ztunnels.convert import CLUSTER, canonical
from meshtui.sandbox.dataplane.ztunnels.dump import istio_version

_Labels = tuple[tuple[str, str], ...]
_UNKNOWN = "unknown"
ADDRESSES = "type.googleapis.com/istio.workload.Address"
AUTHORIZATIONS = "type.googleapis.com/istio.security.Authorization"

_TCP = {
    "istio_tcp_connections_opened": "The total number of TCP connections opened.",
    "istio_tcp_connections_closed": "The total number of TCP connections closed.",
    "istio_tcp_received_bytes": "The size of total bytes received during request in case of a TCP connection.",
    "istio_tcp_sent_bytes": "The size of total bytes sent during response in case of a TCP connection.",
    "istio_tcp_connections_failed": "The total number of TCP connections that failed to establish (unstable).",
}


class Counts:
    """What each ztunnel has counted, by its pod's uid."""

    def __init__(self) -> None:
        self.tcp: dict[str, Counter[tuple[str, _Labels]]] = defaultdict(Counter)
        self.messages: dict[str, Counter[str]] = defaultdict(Counter)

    def count(
        self,
        ztunnel: str,
        fields: Mapping[str, str | int | None],
        source: Pod | None,
        destination: Pod | None,
        error: str | None,
    ) -> None:
        """Count one line of the access log."""
        inbound = fields["direction"] == "inbound"
        common = _labels(fields, source, destination)
        flags = _flags(error)
        opened, closed = _flagged(common, "-"), _flagged(common, flags)
        counted = self.tcp[ztunnel]
        counted["istio_tcp_connections_opened", opened] += 1
        counted["istio_tcp_connections_closed", closed] += 1
        sent, received = int(fields["bytes_sent"] or 0), int(fields["bytes_recv"] or 0)
        # At the source, both are the other way round than in the log.
        counted["istio_tcp_sent_bytes", closed] += sent if inbound else received
        counted["istio_tcp_received_bytes", closed] += received if inbound else sent
        if flags != "-":
            counted["istio_tcp_connections_failed", closed] += 1

    def forget(self, living: set[str]) -> None:
        """Remove the counts of ztunnels that have ended."""
        for counts in (self.tcp, self.messages):
            for uid in set(counts) - living:
                del counts[uid]


def _flags(error: str | None) -> str:
    if error is None:
        return "-"
    if error.startswith("connection closed due to policy"):
        return "DENY"
    return "NETWORK_POLICY" if "maybe a NetworkPolicy" in error else "CONNECT"


def _labels(fields: Mapping[str, str | int | None], source: Pod | None, destination: Pod | None) -> dict[str, str]:
    secure = bool(fields.get("src.identity") or fields.get("dst.identity"))
    service = str(fields.get("dst.service") or _UNKNOWN)
    name, _, rest = service.partition(".")
    return {
        "reporter": "destination" if fields["direction"] == "inbound" else "source",
        **_end("source", source, fields.get("src.identity")),
        "destination_service": service,
        "destination_service_namespace": rest.partition(".")[0] or _UNKNOWN,
        "destination_service_name": name,
        **_end("destination", destination, fields.get("dst.identity")),
        "request_protocol": "tcp",
        "response_flags": "-",
        "connection_security_policy": "mutual_tls" if secure else _UNKNOWN,
    }


def _end(side: str, pod: Pod | None, identity: str | int | None) -> dict[str, str]:
    name, revision = canonical(pod) if pod else (_UNKNOWN, _UNKNOWN)
    return {
        f"{side}_workload": (pod.owner[1] or pod.name) if pod else _UNKNOWN,
        f"{side}_canonical_service": name,
        f"{side}_canonical_revision": revision,
        f"{side}_workload_namespace": pod.namespace if pod else _UNKNOWN,
        f"{side}_principal": str(identity or _UNKNOWN),
        f"{side}_app": name,
        f"{side}_version": revision,
        f"{side}_cluster": CLUSTER if pod else _UNKNOWN,
    }


def _flagged(labels: dict[str, str], flags: str) -> _Labels:
    return tuple((labels | {"response_flags": flags}).items())


def exposition(world: World, ztunnel: Pod, counts: Counts) -> str:
    """The text of a ztunnel's metrics."""
    lines = [*_general(ztunnel, counts), *_traffic(counts.tcp.get(ztunnel.uid, Counter())), *_proxies(world, ztunnel)]
    return "\n".join([*lines, "# EOF"]) + "\n"


def _general(ztunnel: Pod, counts: Counts) -> Iterator[str]:
    yield from _family("process_open_fds", "gauge", "Number of open file descriptors", {"": 60})
    yield from _family("process_max_fds", "gauge", "Maximum number of file descriptors", {"": 1048576})
    yield from _family("tokio_num_workers", "gauge", "the number of worker threads used by the runtime", {"": 2})
    build = {f'{{component="ztunnel",tag="{istio_version(ztunnel)}"}}': 1}
    yield from _family("istio_build", "gauge", "Istio component build info.", build)
    words = "The total number of completed connections to xds server (unstable)."
    yield from _family("istio_xds_connection_terminations", "counter", words, {})
    messages = counts.messages.get(ztunnel.uid, Counter())
    rows = {f'{{url="{kind}"}}': messages[kind] for kind in (ADDRESSES, AUTHORIZATIONS)}
    yield from _family("istio_xds_message", "counter", "Total number of messages received (unstable).", rows)


def _traffic(tcp: Counter[tuple[str, _Labels]]) -> Iterator[str]:
    for family, words in _TCP.items():
        rows = {
            "{" + ",".join(f'{key}="{value}"' for key, value in labels) + "}": number
            for (name, labels), number in tcp.items()
            if name == family
        }
        yield from _family(family, "counter", words, rows)


def _proxies(world: World, ztunnel: Pod) -> Iterator[str]:
    here = [pod for pod in world.pods if pod.node == ztunnel.node]
    active, pending = sum(pod.captured for pod in here), sum(pod.pending for pod in here)
    words = "The total number current workloads with {} proxies (unstable)."
    yield from _family("workload_manager_active_proxy_count", "gauge", words.format("active"), {"": active})
    yield from _family("workload_manager_pending_proxy_count", "gauge", words.format("pending"), {"": pending})


def _family(name: str, kind: str, words: str, rows: Mapping[str, int]) -> Iterator[str]:
    yield f"# HELP {name} {words}"
    yield f"# TYPE {name} {kind}"
    for labels, number in rows.items():
        yield f"{name}{'_total' if kind == 'counter' else ''}{labels} {number}"
