"""Comparing a ztunnel's Services with those of the API."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.mesh.compared import ABSENT, Compared, Says, address, listed, ports, some
from meshtui.mesh.desired import WantedService
from meshtui.mesh.discovery import is_recent
from meshtui.model.ids import ObjectRef
from meshtui.ztunnel.dump import Endpoint, Service, Table, service_of

_UNKNOWN = "traffic to its address isn't known to be for it, and is sent on as it is"
_UNKNOWN_BOUND = "traffic to its address goes past its waypoint, and nobody enforces the waypoint's policies"


def of_services(compared: Compared) -> Iterator[Says]:
    """The differences of Services, sorted by their keys; after those of workloads, which explain missing endpoints."""
    if compared.why_no_services:
        return
    wanted, found = compared.desired.services, compared.dump.services
    for key in sorted(wanted.keys() | found.keys()):
        expected = wanted.get(key)
        if expected is None:
            yield from _extra(compared, service_of(found[key]))
        elif is_recent(expected.service.meta, compared.now):
            continue
        elif key in found:
            yield from _different(compared, expected, service_of(found[key]))
        elif not compared.may_lack(Table.SERVICES, key, expected.service.meta.namespace):
            yield _missing(expected)


def _missing(expected: WantedService) -> Says:
    ref, bound = expected.service.meta.ref, bool(expected.binding.destination)
    return Says(str(ref), "", _vips(expected.entry), ABSENT, ref, bound, _UNKNOWN_BOUND if bound else _UNKNOWN)


def _extra(compared: Compared, there: Service) -> Iterator[Says]:
    """A Service that the API doesn't have: not the host of a ServiceEntry, and not one of another cluster."""
    snapshot, seen, space = compared.snapshot, compared.seen, there.namespace
    of_api = seen.reads_all("Service") and seen.reads_all("ServiceEntry") and seen.namespace(space) is not None
    if not of_api or compared.has_other_clusters or there.hostname != compared.desired.host(space, there.name):
        return
    entries = (entry for entry in snapshot.service_entries.values() if entry.meta.namespace == space)
    if any(there.hostname in entry.hosts for entry in entries):
        return
    metas = (service.meta for service in snapshot.services.values())
    if any((meta.namespace, meta.name) == (space, there.name) and is_recent(meta, compared.now) for meta in metas):
        return
    text = "traffic to its address is still sent to its endpoints"
    yield Says(f"Service {space}/{there.name}", "", ABSENT, _vips(there), consequence=text)


def _different(compared: Compared, expected: WantedService, there: Service) -> Iterator[Says]:
    wanted, ref = expected.entry, expected.service.meta.ref
    name = str(ref)
    yield from _addresses(compared, name, ref, wanted, there)
    if dict(wanted.ports) != dict(there.ports):
        text = "connections to its ports are refused, or arrive at other ports"
        yield Says(name, "ports", ports(wanted.ports), ports(there.ports), ref, False, text)
    yield from compared.waypoint(name, ref, expected.binding, there)
    if expected.tells_endpoints and not compared.why_no_workloads:
        yield from _endpoints(compared, name, ref, wanted, there)


def _addresses(compared: Compared, name: str, ref: ObjectRef, wanted: Service, there: Service) -> Iterator[Says]:
    """The difference of a Service's addresses; those in another network are the same Service's in another cluster."""
    expected = {address(vip.rpartition("/")[2]) for vip in wanted.vips}
    split = [vip.rpartition("/") for vip in there.vips]
    found = {address(ip) for network, _, ip in split if network in {"", compared.dump.network} or address(ip) in expected}
    if expected != found:
        yield Says(name, "vips", listed(sorted(expected)), listed(sorted(found)), ref, False, _UNKNOWN)


def _endpoints(compared: Compared, name: str, ref: ObjectRef, wanted: Service, there: Service) -> Iterator[Says]:
    """The differences of endpoints that are pods of this cluster, as far as the pods' own entries don't explain them."""
    found = {each.workload_uid: each for each in there.endpoints.values() if each.workload_uid.startswith(compared.prefix)}
    tells = {uid for uid in wanted.endpoints.keys() | found.keys() if uid not in compared.explained}
    missing = [uid for uid in sorted(wanted.endpoints.keys() - found.keys()) if uid in tells]
    # without EndpointSlices, Services may have pods that they don't select
    slices = compared.seen.reads_all("EndpointSlice")
    extra = [uid for uid in sorted(found.keys() - wanted.endpoints.keys()) if uid in tells and slices]
    if missing or extra:
        said = [*([f"with {_pods(missing)}"] if missing else []), *([f"without {_pods(extra)}"] if extra else [])]
        text = f"{_pods(missing)}: gets no traffic" if missing else f"{_pods(extra)}: gets traffic that isn't meant for it"
        yield Says(name, "endpoints", ", ".join(said), _pods(sorted(found)), ref, False, text)
    for uid in sorted(wanted.endpoints.keys() & found.keys() & tells):
        yield from _endpoint(f"endpoints[{_pod(uid)}]", name, ref, wanted.endpoints[uid], found[uid])


def _endpoint(where: str, name: str, ref: ObjectRef, wanted: Endpoint, there: Endpoint) -> Iterator[Says]:
    if dict(wanted.port) != dict(there.port):
        text = "its traffic arrives at another port of the pod, or nowhere"
        yield Says(name, f"{where}.port", ports(wanted.port), ports(there.port), ref, False, text)
    if wanted.status != there.status:
        text = "the pod gets traffic otherwise than it should"
        yield Says(name, f"{where}.status", wanted.status, there.status, ref, False, text)


def _vips(service: Service) -> str:
    return listed(sorted(vip.rpartition("/")[2] for vip in service.vips))


def _pod(uid: str) -> str:
    return uid.partition("//Pod/")[2]


def _pods(uids: list[str]) -> str:
    return some(map(_pod, uids))
