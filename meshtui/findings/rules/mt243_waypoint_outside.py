"""MT243: a waypoint's label on pods that no ztunnel serves."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.engine.policy.unmodelled import USE_WAYPOINT
from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.findings.waypoints import destinations, guards
from meshtui.findings.words import few
from meshtui.model.constants import GATEWAY_NAME, NOT_CAPTURED
from meshtui.model.finding import Severity
from meshtui.model.ids import ObjectRef
from meshtui.model.workload import MeshMode, Pod

_OUTSIDE = frozenset({*NOT_CAPTURED, MeshMode.SIDECAR})


def _look(context: Context) -> Iterator[Found]:
    """A pod's own label counts for pods in ambient only; a Service's counts for callers in the mesh, wherever its pods are."""
    yield from _pods(context)
    yield from _services(context)


def _pods(context: Context) -> Iterator[Found]:
    owners: dict[tuple[ObjectRef, str], MeshMode] = {}
    for member in context.classes:
        for pod in member.pods.values():
            label = pod.labels.get(USE_WAYPOINT, "none")
            if label != "none" and GATEWAY_NAME not in pod.labels and _outside(context, pod):
                owners[context.snapshot.owner_of(pod), label] = member.endpoint.mode
    for (owner, label), mode in sorted(owners.items(), key=lambda item: item[0]):
        where = "have a sidecar" if mode is MeshMode.SIDECAR else "aren't in ambient"
        yield Found(
            (owner,),
            f"the pods of {owner} are labelled {USE_WAYPOINT}: {label}, and {where}",
            "the label counts for pods in ambient only: traffic to their addresses passes no waypoint",
        )


def _services(context: Context) -> Iterator[Found]:
    """Services all of whose pods are outside: callers outside the mesh get to them without the waypoint, and those are many."""
    for service in context.once(destinations):
        attached = context.engine.binding(service)
        pods = context.resolver.backends(service) if attached is not None and attached.endpoints else []
        if attached is None or attached.gateway is None or not pods or not all(_outside(context, pod) for pod in pods):
            continue
        waypoint = attached.gateway.meta.ref
        named = tuple(policy.meta.ref for policy in guards(context, waypoint, service))
        yield Found(
            (service.meta.ref, waypoint, *named),
            f"{service.meta.ref} uses {waypoint}, and none of its pods is in ambient",
            "only callers in ambient pass the waypoint; others reach the pods without "
            + (few(named) if named else "it, and nothing at the pods knows whom it let in"),
            None if named else Severity.INFO,
            affected=frozenset(named),
        )


def _outside(context: Context, pod: Pod) -> bool:
    """Whether a pod is certainly not in ambient."""
    return all(mode in _OUTSIDE for mode in context.snapshot.mesh_modes_of(pod))


RULE = Rule("MT243", "waypoint label outside ambient", Severity.WARNING, _look, ("Pod", "Service", "Gateway"), partial=True)
