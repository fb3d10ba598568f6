"""Conditions that say otherwise than what ztunnels have. Negative and stale ones are findings, and aren't repeated here.

Source: istio/istio pilot/pkg/model/service.go (GetConditions of policies, Services and workloads). istiod writes ZtunnelAccepted
and istio.io/WaypointBound from what it has computed, not from what a ztunnel has acknowledged. WaypointBound has no generation,
and is true for a Service whose second waypoint alone is at fault.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from meshtui.mesh.against_api import cluster_of, domain_of
from meshtui.mesh.compared import ABSENT, NONE
from meshtui.mesh.discovery import is_recent
from meshtui.mesh.report import Between, Difference
from meshtui.model.condition import Condition
from meshtui.model.meta import Meta
from meshtui.model.snapshot import Snapshot
from meshtui.ztunnel.dump import GatewayAddress, NodeDump, Table, service_of, workload_of

_ACCEPTED, _BOUND = "ZtunnelAccepted", "istio.io/WaypointBound"
_THERE = "the ztunnel has it"


def status_differences(snapshot: Snapshot, dumps: Mapping[str, NodeDump], now: datetime) -> tuple[Difference, ...]:
    """The conditions that a node's ztunnel contradicts, by the name of the node."""
    return tuple(difference for node in sorted(dumps) for difference in _of_node(snapshot, dumps[node], node, now))


def _of_node(snapshot: Snapshot, dump: NodeDump, node: str, now: datetime) -> Iterator[Difference]:
    yield from _of_policies(snapshot, dump, node, now)
    yield from _of_services(snapshot, dump, node, now)
    yield from _of_workload_entries(snapshot, dump, node, now)


def _said(meta: Meta, kind: str, now: datetime) -> Condition | None:
    """A condition about the object as it is now; None if there is none, or the object has just been changed."""
    if is_recent(meta, now):
        return None
    found = next((each for each in meta.conditions if (each.type, each.of) == (kind, "")), None)
    if found is None or found.status not in {"True", "False"}:
        return None
    stale = found.observed and meta.generation is not None and found.observed < meta.generation
    return None if stale else found


def _words(condition: Condition) -> str:
    return f"{condition.status} ({condition.reason})" if condition.reason else condition.status


def _lie(meta: Meta, condition: Condition, node: str, found: str, text: str, *, dangerous: bool) -> Difference:
    return Difference(
        Between.STATUS, node, str(meta.ref), condition.type, _words(condition), found, "its status", meta.ref, dangerous, text
    )


def _is_read(dump: NodeDump, table: Table) -> bool:
    """Whether a dump has a table, with all of its entries."""
    return table in dump.tables and not any(problem.startswith(table.value) for problem in dump.problems)


def _of_policies(snapshot: Snapshot, dump: NodeDump, node: str, now: datetime) -> Iterator[Difference]:
    """ZtunnelAccepted, of policies without targetRefs: a policy with one is the waypoint's, and keeps an old condition."""
    if not _is_read(dump, Table.POLICIES):
        return
    for policy in sorted(snapshot.authorization_policies.values(), key=lambda each: each.meta.ref):
        meta = policy.meta
        condition = None if policy.target_refs else _said(meta, _ACCEPTED, now)
        if condition is None:
            continue
        there = f"{meta.namespace}/{meta.name}" in dump.policies
        if condition.status == "True" and not there:
            denies = "what it denies is let through there" if policy.action == "DENY" else "nobody enforces it there"
            yield _lie(meta, condition, node, ABSENT, f"istiod says that it is in force: {denies}", dangerous=not policy.dry_run)
        elif condition.status == "False" and there:
            text = "istiod says that ztunnels don't have it, and this one evaluates it"
            yield _lie(meta, condition, node, _THERE, text, dangerous=not policy.dry_run)


def _of_services(snapshot: Snapshot, dump: NodeDump, node: str, now: datetime) -> Iterator[Difference]:
    """WaypointBound of Services and ServiceEntries, against the entry of each host name that the ztunnel has."""
    if Table.SERVICES not in dump.tables:
        return
    domain = domain_of(dump)
    hosts: list[tuple[Meta, tuple[str, ...]]] = [(each.meta, each.hosts) for each in snapshot.service_entries.values()]
    metas = (service.meta for service in snapshot.services.values())
    hosts += [(meta, (f"{meta.name}.{meta.namespace}.svc.{domain}",)) for meta in metas]
    for meta, names in sorted(hosts, key=lambda pair: pair[0].ref):
        condition = _said(meta, _BOUND, now)
        entries = (dump.services.get(f"{meta.namespace}/{name}") for name in names) if condition is not None else ()
        for entry in filter(None, entries):
            if condition is not None and (said := _about_waypoint(meta, condition, node, service_of(entry).waypoint)):
                yield said
                break


def _of_workload_entries(snapshot: Snapshot, dump: NodeDump, node: str, now: datetime) -> Iterator[Difference]:
    for entry in sorted(snapshot.workload_entries.values(), key=lambda each: each.meta.ref):
        meta = entry.meta
        condition = _said(meta, _BOUND, now)
        uid = f"{cluster_of(dump)}/networking.istio.io/WorkloadEntry/{meta.namespace}/{meta.name}"
        there = dump.workloads.get(uid)
        if condition is not None and there is not None:
            said = _about_waypoint(meta, condition, node, workload_of(there).waypoint)
            if said is not None:
                yield said


def _about_waypoint(meta: Meta, condition: Condition, node: str, waypoint: GatewayAddress | None) -> Difference | None:
    bound = waypoint is not None and bool(waypoint.destination)
    if condition.status == "True" and not bound:
        text = "its traffic from this node doesn't pass the waypoint, and nobody enforces the waypoint's policies"
        return _lie(meta, condition, node, NONE, text, dangerous=True)
    if condition.status == "False" and waypoint is not None and bound:
        text = "its traffic from this node is sent to a waypoint to which it isn't bound"
        return _lie(meta, condition, node, waypoint.destination, text, dangerous=True)
    return None
