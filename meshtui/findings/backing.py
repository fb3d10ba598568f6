"""Who is behind a Service, and who may be without being in the input."""

from __future__ import annotations

from meshtui.findings.context import Context
from meshtui.findings.unseen import unseen
from meshtui.model.constants import GATEWAY_NAME
from meshtui.model.workload import PodTemplate, Service


def templates(context: Context, service: Service) -> tuple[PodTemplate, ...]:
    """The templates of the pods that controllers will make for a Service: of a CronJob, or of a Deployment that has none now."""
    makers = (maker for maker in context.makers if maker.meta.namespace == service.meta.namespace)
    return tuple(maker.template for maker in makers if service.selects(maker.template.labels))


def is_open(context: Context, service: Service) -> bool:
    """Whether something else than pods of the snapshot is, or may be, behind a Service.

    That is: what a host name leads to, addresses of EndpointSlices, WorkloadEntries, pods that a controller will make, and in
    manifests the pods that Istio makes for a Gateway, and whatever somebody else manages for a Service without a selector.
    """
    snapshot = context.snapshot
    if service.external_name or templates(context, service):
        return True
    if any(context.resolver.behind.targets(service, port) for port in service.ports):
        return True
    entries = (each for each in snapshot.workload_entries.values() if each.meta.namespace == service.meta.namespace)
    if any(service.selects(each.endpoint.labels) for each in entries):
        return True
    return not snapshot.live and (service.selector is None or GATEWAY_NAME in dict(service.selector))


def not_seen(context: Context, service: Service) -> str:
    """Why pods behind a Service may be missing from the input, as the end of a sentence; empty if nothing says so."""
    snapshot, home = context.snapshot, service.meta.namespace
    if snapshot.live:
        return ""
    if home not in context.namespaces_with_pods and not any(maker.meta.namespace == home for maker in context.makers):
        return f"; the input has no workload of namespace {home}, so they may be elsewhere"
    return unseen(snapshot, [home])
