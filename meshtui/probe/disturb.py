"""Whom a probe pod would disturb: everything that selects pods by label, held against the labels that the pod will have. Pure.

Adoption: a controller takes a pod without a controller that its selector matches (kubernetes/kubernetes
pkg/controller/controller_ref_manager.go). A Job does so too when its selector was written by hand (``manualSelector``);
otherwise it selects by its own UID. A StatefulSet also looks at the name, a Deployment at its ReplicaSets.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from meshtui.engine.matching.selectors import matches
from meshtui.model.own_probe import is_own_job
from meshtui.model.snapshot import Snapshot
from meshtui.model.workload import Controller, PodDisruptionBudget, Service

ADOPTING = frozenset({"ReplicaSet", "ReplicationController", "DaemonSet", "Job"})


@dataclass(frozen=True, slots=True)
class Selecting:
    """The objects of one namespace that select pods by label, probes' own Jobs aside."""

    services: tuple[Service, ...] = ()
    controllers: tuple[Controller, ...] = ()
    budgets: tuple[PodDisruptionBudget, ...] = ()


KINDS = ("Service", "ReplicaSet", "ReplicationController", "DaemonSet", "Job", "PodDisruptionBudget")
"""The kinds that ``Selecting`` is made of."""


def selecting_of(objects: Iterable[Service | Controller | PodDisruptionBudget]) -> Selecting:
    """Objects of one namespace, sorted by what they are; Jobs of probes are left out."""
    services, controllers, budgets = [], [], []
    for obj in objects:
        if isinstance(obj, Service):
            services.append(obj)
        elif isinstance(obj, PodDisruptionBudget):
            budgets.append(obj)
        elif not is_own_job(obj.meta):
            controllers.append(obj)
    return Selecting(tuple(services), tuple(controllers), tuple(budgets))


def selecting_in(snapshot: Snapshot, namespace: str) -> Selecting:
    """Those of a Snapshot."""
    return Selecting(
        tuple(s for s in snapshot.services.values() if s.meta.namespace == namespace),
        tuple(c for c in snapshot.controllers.values() if c.meta.namespace == namespace),
        tuple(b for b in snapshot.disruption_budgets.values() if b.meta.namespace == namespace),
    )


def adopters(controllers: Iterable[Controller], labels: Mapping[str, str]) -> tuple[str, ...]:
    """The controllers that would take a pod with these labels, and no controller, for their own."""
    return tuple(
        str(controller.meta.ref)
        for controller in controllers
        if controller.meta.kind in ADOPTING and controller.selector is not None and matches(controller.selector, labels)
    )


def harm(selecting: Selecting, labels: Mapping[str, str]) -> str:
    """Why a probe pod with these labels would disturb somebody, or empty."""
    for service in selecting.services:
        if service.publish_not_ready and _selects(service, labels):
            return f"{service.meta.ref} publishes pods that aren't ready: it would send the probe its traffic"
    if adopters(selecting.controllers, labels):
        for budget in selecting.budgets:
            if budget.relative and budget.selector is not None and matches(budget.selector, labels):
                return f"{budget.meta.ref} counts pods by their controllers: the probe would block evictions"
    return ""


def _selects(service: Service, labels: Mapping[str, str]) -> bool:
    return bool(service.selector) and all(labels.get(key) == value for key, value in service.selector or ())
