"""Calls that are meant to work: a URL in a workload's environment, a backend of a gateway's route."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from meshtui.engine.path.resolution import Resolver
from meshtui.model.constants import GATEWAY_NAME
from meshtui.model.ids import ObjectRef
from meshtui.model.snapshot import Snapshot
from meshtui.model.workload import Pod, Service, ServicePort

_PORTS = {
    "http": 80,
    "https": 443,
    "grpc": 443,
    "postgres": 5432,
    "postgresql": 5432,
    "mysql": 3306,
    "mongodb": 27017,
    "redis": 6379,
    "amqp": 5672,
    "nats": 4222,
}
"""The default ports of URLs, by scheme."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call: ``source`` is a pod that makes it, ``targets`` are the pods behind the Service, each with its own port.

    ``said_by`` is the object that contains it: a workload, with ``words`` such as ``INVENTORY_SERVICE_URL``, or an HTTPRoute.
    """

    source: Pod
    service: Service
    port: ServicePort
    targets: tuple[tuple[Pod, int], ...]
    said_by: ObjectRef
    words: str

    @property
    def goes_to(self) -> str:
        """The Service and its port as NAMESPACE/NAME:PORT."""
        return f"{self.service.meta.namespace}/{self.service.meta.name}:{self.port.number}"


def calls_of(snapshot: Snapshot, resolver: Resolver, workloads: Iterable[Sequence[Pod]]) -> tuple[Call, ...]:
    """All calls; those of a workload are taken from one pod, plus others whose variables differ."""
    services = {(s.meta.namespace, s.meta.name): s for s in snapshot.services.values()}
    found = list(_configured(snapshot, resolver, services, workloads))
    found += _routed(snapshot, resolver, services)
    return tuple(found)


def _configured(
    snapshot: Snapshot, resolver: Resolver, services: dict[tuple[str, str], Service], workloads: Iterable[Sequence[Pod]]
) -> Iterator[Call]:
    for pods in workloads:
        seen: set[tuple[str, str]] = set()
        for pod in pods:
            for name, text in pod.env.items():
                if (name, text) in seen:
                    continue
                seen.add((name, text))
                named = service_in(text, pod.namespace, services)
                if named is not None:
                    yield from _to(resolver, pod, named[0], named[1], snapshot.owner_of(pod), name)


def _to(resolver: Resolver, pod: Pod, service: Service, number: int, said_by: ObjectRef, words: str) -> Iterator[Call]:
    port = next((p for p in service.ports if p.number == number and p.protocol == "TCP"), None)
    if port is None:
        return
    targets = [(target, at) for target in resolver.backends(service) for at in _ports(target, port)]
    if targets and all(target is not pod for target, _ in targets):
        yield Call(pod, service, port, tuple(targets), said_by, words)


def _ports(pod: Pod, port: ServicePort) -> Iterator[int]:
    if isinstance(port.target, int):
        yield port.target
        return
    yield from dict.fromkeys(p.number for p in pod.ports if p.name == port.target and p.protocol == port.protocol)


def service_in(url: str, namespace: str, services: dict[tuple[str, str], Service]) -> tuple[Service, int] | None:
    """The Service and port in a URL, resolved in a namespace: NAME, NAME.NS, NAME.NS.svc[.DOMAIN]; None for other hosts."""
    try:
        parts = urlsplit(url.removeprefix("jdbc:").strip())
        host, port = (parts.hostname or "").rstrip("."), parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        return None
    name, _, rest = host.partition(".")
    space, _, tail = rest.partition(".")
    if not name or (tail and tail.partition(".")[0] != "svc"):
        return None
    service = services.get((space or namespace, name))
    return (service, port) if service is not None and port else None


def _routed(snapshot: Snapshot, resolver: Resolver, services: dict[tuple[str, str], Service]) -> Iterator[Call]:
    pods = {
        (pod.namespace, pod.labels[GATEWAY_NAME]): pod
        for pod in snapshot.pods.values()
        if GATEWAY_NAME in pod.labels and not pod.completed
    }
    for route in snapshot.http_routes.values():
        home = route.meta.namespace
        gateways = [pods.get((p.namespace or home, p.name)) for p in route.parents if p.kind in {"", "Gateway"}]
        backends = {(b.namespace or home, b.name, b.port) for rule in route.rules for b in rule.backends if b.kind == "Service"}
        for pod in filter(None, gateways):
            for space, name, number in sorted(backends, key=str):
                service = services.get((space, name))
                if service is not None and number is not None:
                    yield from _to(resolver, pod, service, number, route.meta.ref, "its backendRef")
