"""MT623: a workload or a gateway's route is configured to call a Service that leads nowhere."""

from __future__ import annotations

import re
from collections.abc import Iterator

from meshtui.engine.path.waypoint import NAME_OVERRIDE
from meshtui.findings.backing import is_open, not_seen
from meshtui.findings.base import Found, Rule
from meshtui.findings.calls import Want, host_in
from meshtui.findings.context import Context
from meshtui.findings.given import not_given
from meshtui.model.finding import Severity
from meshtui.model.gateway import Gateway
from meshtui.model.ids import ObjectRef

_SERVICE = re.compile(r"(?P<name>[a-z0-9-]+)\.(?P<namespace>[a-z0-9-]+)\.svc(\.cluster\.local)?")


def _look(context: Context) -> Iterator[Found]:
    """Calls that reach somebody are judged by MT217; a route's missing port is reported by MT603."""
    told: set[tuple[ObjectRef, str]] = set()
    for want in context.wants:
        caller = want.caller(context.snapshot)
        problem, doubt = _problem(context, want)
        if not problem or (caller, want.goes_to) in told:
            continue
        told.add((caller, want.goes_to))
        yield Found(
            (want.said_by, want.service.meta.ref),
            f"{want.said_by} ({want.words}) has {caller} call {want.goes_to}, and {problem}{doubt}",
            "requests for this backend get 503" if want.gateway is not None else "every call fails, whatever policies allow",
            Severity.INFO if doubt else None if _is_explicit(want) else Severity.WARNING,
            1,
            affected=frozenset({want.said_by}),
        )
    yield from _unknown(context)


def _is_explicit(want: Want) -> bool:
    """Whether the port is written, and not the default of a URL's scheme: a URL without a port may be no call."""
    return want.gateway is not None or f":{want.number}" in want.source.env.get(want.words, "")


def _unknown(context: Context) -> Iterator[Found]:
    """Hosts such as NAME.NAMESPACE.svc for which there is no Service, and none that Istio makes for a Gateway."""
    snapshot = context.snapshot
    known = {(service.meta.namespace, service.meta.name) for service in snapshot.services.values()}
    known |= {(g.meta.namespace, name) for g in snapshot.gateways.values() for name in _made_for(g)}
    hosts = {host for entry in snapshot.service_entries.values() for host in entry.hosts}
    for workload, pods in context.workloads:
        for name, text in dict.fromkeys((name, text) for pod in pods for name, text in pod.env.items()):
            host = host_in(text)
            found = _SERVICE.fullmatch(host)
            if found is None or (found["namespace"], found["name"]) in known or host in hosts:
                continue
            doubt = not_given(snapshot, ObjectRef("Service", found["namespace"], found["name"]))
            yield Found(
                (workload.ref,),
                f"{workload.ref} ({name}) names Service {found['namespace']}/{found['name']}, which isn't there{doubt}",
                "the name can't be resolved: every call fails",
                Severity.INFO if doubt else Severity.WARNING,
                1,
            )


def _made_for(gateway: Gateway) -> tuple[str, ...]:
    """The names that the Service of an automatic gateway may have."""
    name = gateway.meta.name
    return name, f"{name}-{gateway.class_name}", gateway.meta.annotations.get(NAME_OVERRIDE, name)


def _problem(context: Context, want: Want) -> tuple[str, str]:
    """What is wrong with a call's destination, and why it may be right; empty if nothing is wrong."""
    service, port = want.service, want.port
    if service.external_name:
        return "", ""
    if port is None:
        known = ", ".join(str(each.number) for each in service.ports) or "none"
        return ("" if want.gateway is not None or service.headless else f"the Service has no such port (its ports: {known})"), ""
    if context.resolver.behind.targets(service, port) or is_open(context, service):
        return "", ""
    if context.resolver.backends(service):
        return f"none of its pods has the port {port.target}", ""
    return "it has no pod", not_seen(context, service)


RULE = Rule("MT623", "call to nobody", Severity.ERROR, _look, ("Service", "Pod"))
