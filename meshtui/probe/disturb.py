"""Finds controllers and Services that a probe pod would disturb: all objects whose selectors match its labels. Pure.

Adoption: a controller adopts a pod without a controller that its selector matches (kubernetes/kubernetes
pkg/controller/controller_ref_manager.go). A Job does so only if its selector was written by hand (``manualSelector``);
otherwise it selects by its own UID. A StatefulSet also checks the pod's name; a Deployment adopts through its ReplicaSets.
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
    """The objects of one namespace that select pods by label, except the Jobs of probes."""

    services: tuple[Service, ...] = ()
    controllers: tuple[Controller, ...] = ()
    budgets: tuple[PodDisruptionBudget, ...] = ()


KINDS = ("Service", "ReplicaSet", "ReplicationController", "DaemonSet", "Job", "PodDisruptionBudget")
"""The kinds in ``Selecting``."""


def selecting_of(objects: Iterable[Service | Controller | PodDisruptionBudget]) -> Selecting:
    """Sort the objects of one namespace by kind, without the Jobs of probes."""
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
    """The selecting objects of one namespace in a Snapshot."""
    return Selecting(
        tuple(s for s in snapshot.services.values() if s.meta.namespace == namespace),
        tuple(c for c in snapshot.controllers.values() if c.meta.namespace == namespace),
        tuple(b for b in snapshot.disruption_budgets.values() if b.meta.namespace == namespace),
    )


def adopters(controllers: Iterable[Controller], labels: Mapping[str, str]) -> tuple[str, ...]:
    """The controllers that would adopt a pod with these labels and without a controller."""
    return tuple(
        str(controller.meta.ref)
        for controller in controllers
        if controller.meta.kind in ADOPTING and controller.selector is not None and matches(controller.selector, labels)
    )


def harm(selecting: Selecting, labels: Mapping[str, str]) -> str:
    """What a probe pod with these labels would disturb, as a sentence, or empty."""
    for service in selecting.services:
        if service.publish_not_ready and service.selects(labels):
            return f"{service.meta.ref} publishes pods that aren't ready: it would send the probe its traffic"
    if adopters(selecting.controllers, labels):
        for budget in selecting.budgets:
            if budget.relative and budget.selector is not None and matches(budget.selector, labels):
                return f"{budget.meta.ref} counts pods by their controllers: the probe would block evictions"
    return ""
