"""VirtualServices: the rule for a request at a gateway, and what the backend sees of the request.

Source: istio/istio pilot/pkg/networking/core/gateway.go (virtual hosts of a port) and route/route.go (matches, order, rewrites).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace

from meshtui.engine.endpoints import Endpoint
from meshtui.engine.matching.http import BASE, host_of, normal_path
from meshtui.engine.path.routes import Choice, Entry, best_host, narrower, takes, unreadable
from meshtui.model.flow import HttpRequest
from meshtui.model.gateway import Rewrite, RouteMatch, RouteRule
from meshtui.model.reason import Code, Reason, because
from meshtui.model.snapshot import Snapshot
from meshtui.model.verdict import Decider
from meshtui.model.virtual_service import IstioGateway, Server, VirtualService
from meshtui.model.workload import Service

Services = Mapping[tuple[str, str], Service]
"""Services by namespace and name."""
_EVERYTHING = RouteMatch("Prefix", "/")


def bound(snapshot: Snapshot, gateway: IstioGateway, namespace: str | None) -> list[VirtualService]:
    """The VirtualServices of a gateway that the proxies of a namespace see (None: of any namespace), by name."""
    default = snapshot.mesh.virtual_service_export_to
    found = (vs for vs in snapshot.virtual_services.values() if vs.binds_to(gateway.key))
    visible = (vs for vs in found if namespace is None or vs.visible_in(namespace, default))
    return sorted(visible, key=lambda vs: (vs.meta.namespace, vs.meta.name))


def entries_at(
    snapshot: Snapshot, services: Services, gateway: IstioGateway, server: Server, namespace: str | None
) -> Iterator[Entry]:
    """The matches of the rules of each VirtualService, for each host that it and a server have in common."""
    for virtual in bound(snapshot, gateway, namespace):
        offered = [host for space, host in server.hosts if space in {"", virtual.meta.namespace}]
        hosts = dict.fromkeys(host for one in offered for other in virtual.hosts if (host := narrower(one, other)))
        for host in hosts:
            for entry in _of(virtual, host, gateway.key, server.port):
                yield _with_ports(entry, services, server.port)


def passed_on_at(snapshot: Snapshot, gateway: IstioGateway, server: Server, namespace: str | None) -> Iterator[Entry]:
    """What a server that passes TLS or TCP on may lead to, by VirtualService; AUTO_PASSTHROUGH may lead to any Service."""
    anywhere = RouteRule(delegates=True, unmodelled=("tls",))
    for virtual in bound(snapshot, gateway, namespace):
        if virtual.others is not None or virtual.unmodelled:
            yield Entry("*", virtual, 0, anywhere if virtual.unmodelled or not virtual.others else virtual.others, _EVERYTHING, 0)
    if server.tls == "AUTO_PASSTHROUGH":
        yield Entry("*", VirtualService(gateway.meta), 0, anywhere, _EVERYTHING, 0)


def _of(virtual: VirtualService, host: str, gateway: str, port: int) -> Iterator[Entry]:
    """The matches for a gateway and a server's port, in order."""
    order = 0
    for index, written in enumerate(virtual.rules):
        rule = replace(written, unmodelled=(*written.unmodelled, *virtual.unmodelled)) if virtual.unmodelled else written
        for match in rule.matches or (_EVERYTHING,):
            if match.port in {None, port} and (not match.gateways or gateway in match.gateways):
                yield Entry(host, virtual, index, rule, match, order)
            order += 1


def _with_ports(entry: Entry, services: Services, port: int) -> Entry:
    """An entry whose backends have ports: without one the Service's only port, else the server's (route.go)."""
    if all(backend.port is not None for backend in entry.rule.backends):
        return entry
    filled = []
    for backend in entry.rule.backends:
        service = services.get((backend.namespace, backend.name))
        only = service.ports[0].number if service is not None and len(service.ports) == 1 else port
        filled.append(backend if backend.port is not None else replace(backend, port=only))
    return replace(entry, rule=replace(entry.rule, backends=tuple(filled)))


def choose_virtual(
    found: Iterable[Entry],
    secured: dict[str, Decider],
    http: HttpRequest,
    pod: Endpoint | None,
    leads: Callable[[Entry], bool],
    normalization: str = BASE,
) -> Choice:
    """The entry for a request at a gateway's pod, of the most specific host; ``secured`` are hosts that redirect to TLS.

    A request without a known host is assumed to have a host whose entry ``leads`` to what is asked for, if there is one.
    """
    candidates, host = [entry for entry in found if _meant_for(entry.match, pod)], host_of(http)
    hosts = list(dict.fromkeys((*(entry.host for entry in candidates), *secured)))
    if host:
        best = best_host(hosts, host)
        return Choice() if best is None else _at_host(candidates, secured, http, best, normalization)
    choices = [_at_host(candidates, secured, http, each, normalization) for each in hosts]
    return max(choices, key=lambda choice: _preference(choice, leads), default=Choice())


def _preference(choice: Choice, leads: Callable[[Entry], bool]) -> int:
    if choice.entry is not None:
        return 3 if leads(choice.entry) else 1
    return 2 if choice.doubt is not None else 0


def _meant_for(match: RouteMatch, pod: Endpoint | None) -> bool:
    """Whether a match applies to a gateway's pod; named gateways go before labels (route.go, sourceMatchHTTP)."""
    if match.gateways or pod is None:
        return True
    labels = all(pod.labels.get(key) == value for key, value in match.source_labels)
    return labels and match.source_namespace in {"", pod.namespace}


def _at_host(
    candidates: Iterable[Entry], secured: dict[str, Decider], http: HttpRequest, host: str, normalization: str
) -> Choice:
    """The entry of one host. Matches of everything go last; between VirtualServices there is no other order (route.go)."""
    if host in secured:
        return Choice(secured=secured[host])
    mine = list(_up_to_all(entry for entry in candidates if entry.host == host))
    for last in (False, True):
        takers = list(_first_of_each((e for e in mine if e.match.takes_all is last), http, normalization))
        if len(takers) > 1:
            return Choice(doubt=_no_order(takers))
        if takers:
            entry, sure = takers[0]
            return Choice(entry) if sure else Choice(doubt=unreadable(entry))
    return Choice()


def _no_order(takers: Iterable[tuple[Entry, bool]]) -> Reason:
    return because(Code.ROUTE_ORDER_NOT_KNOWN, rules=tuple(entry.decider for entry, _ in takers), between="VirtualServices")


def _up_to_all(found: Iterable[Entry]) -> Iterator[Entry]:
    """The entries without those that stand after a match of everything in their VirtualService."""
    done = set()
    for entry in found:
        if entry.route.meta.uid not in done:
            yield entry
            if entry.match.takes_all:
                done.add(entry.route.meta.uid)


def _first_of_each(found: Iterable[Entry], http: HttpRequest, normalization: str) -> Iterator[tuple[Entry, bool]]:
    """The first entry of each VirtualService that takes a request, or may take it, with whether it surely does."""
    done = set()
    for entry in found:
        uid = entry.route.meta.uid
        answer = False if uid in done else takes(entry.match, http, normalization)
        if answer is not False:
            done.add(uid)
            yield entry, answer is True


def rewritten(entry: Entry, http: HttpRequest, normalization: str = BASE) -> HttpRequest | None:
    """The request as a backend sees it; None if that isn't known."""
    rewrite = entry.rule.rewrite
    if rewrite is None:
        return http
    if rewrite.opaque or rewrite.changes_token:
        return None
    path = http.path
    if rewrite.full_path is not None:
        path = f"{rewrite.full_path}{_query(http.path)}"
    elif rewrite.path is not None:
        if not _is_known(entry.match, rewrite.path):
            return None
        path = _new_path(entry.match, rewrite.path, http.path, normalization)
    return replace(http, path=path, host=rewrite.host or http.host, headers=_new_headers(rewrite, http))


def _is_known(match: RouteMatch, new: str) -> bool:
    """Whether a prefix is replaced as written. ``/`` of the Gateway API is one of the text for Envoy: ``/a`` becomes ``NEWa``."""
    return match.path_type != "PathPrefix" or match.path != "/" or new == "/"


def _new_path(match: RouteMatch, new: str, path: str, normalization: str) -> str:
    """A path with the matched prefix replaced; other paths are replaced as a whole (Envoy, prefix_rewrite).

    A prefix of the Gateway API that ``/`` replaces is removed (route.go, applyHTTPRouteDestination).
    """
    normal = normal_path(path, normalization)
    if match.path_type == "PathPrefix":
        rest = normal[len(match.path.rstrip("/")) :]
        return f"{new if new != '/' else '' if rest.startswith('/') else '/'}{rest}{_query(path)}"
    rest = normal[len(match.path) :] if match.path_type == "Prefix" else ""
    return f"{new}{rest}{_query(path)}"


def _query(path: str) -> str:
    _, mark, query = path.partition("#")[0].partition("?")
    return f"{mark}{query}"


def _new_headers(rewrite: Rewrite, http: HttpRequest) -> tuple[tuple[str, str], ...]:
    """Headers that are set replace those with their names, added ones are appended to them."""
    gone = {name.lower() for name in (*rewrite.remove_headers, *(name for name, _ in rewrite.set_headers))}
    headers = {name.lower(): value for name, value in http.headers if name.lower() not in gone}
    headers |= {name.lower(): value for name, value in rewrite.set_headers}
    for name, value in rewrite.add_headers:
        known = headers.get(name.lower())
        headers[name.lower()] = value if known is None else f"{known},{value}"
    return tuple(headers.items())
