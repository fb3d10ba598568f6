"""Conditions that say otherwise than what ztunnels have. Negative and stale ones are findings, and aren't repeated here.

Source: istio/istio pilot/pkg/model/service.go (GetConditions of policies, Services and workloads). istiod writes ZtunnelAccepted
and istio.io/WaypointBound from what it has computed, not from what a ztunnel has acknowledged. WaypointBound has no generation,
and is true for a Service whose second waypoint alone is at fault.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from itertools import islice
from typing import TypeVar

from meshtui.mesh.against_api import cluster_of, domain_of, same_tables
from meshtui.mesh.compared import ABSENT, NONE
from meshtui.mesh.discovery import is_recent
from meshtui.mesh.report import Between, Difference
from meshtui.model.condition import Condition
from meshtui.model.meta import Meta
from meshtui.model.policy import AuthorizationPolicy
from meshtui.model.snapshot import Snapshot
from meshtui.ztunnel.dump import GatewayAddress, NodeDump, Table, service_of, workload_of

T = TypeVar("T")
_ACCEPTED, _BOUND = "ZtunnelAccepted", "istio.io/WaypointBound"
_THERE = "the ztunnel has it"


def status_differences(snapshot: Snapshot, dumps: Mapping[str, NodeDump], now: datetime) -> tuple[Difference, ...]:
    """The conditions that a node's ztunnel contradicts, by the name of the node."""
    claims = _Claims(snapshot, now)
    known: list[tuple[NodeDump, tuple[Difference, ...]]] = []
    found: list[Difference] = []
    for node, dump in sorted(dumps.items(), key=lambda pair: pair[0]):
        said = next((said for other, said in known if same_tables(other, dump)), None)
        if said is None:
            said = tuple(_of_node(claims, dump, node))
            known.append((dump, said))
        found += (replace(each, node=node) for each in said)
    return tuple(found)


class _Claims:
    """The objects with a condition about what ztunnels have, each kind sorted by name."""

    def __init__(self, snapshot: Snapshot, now: datetime) -> None:
        policies = (each for each in snapshot.authorization_policies.values() if not each.target_refs)
        # a policy with targetRefs is the waypoint's, and keeps what was said of it before
        self.policies = _sorted((policy.meta, _said(policy.meta, _ACCEPTED, now), policy) for policy in policies)
        services, entries = snapshot.services.values(), snapshot.service_entries.values()
        self.services = _sorted((service.meta, _said(service.meta, _BOUND, now), None) for service in services)
        self.service_entries = _sorted((entry.meta, _said(entry.meta, _BOUND, now), entry.hosts) for entry in entries)
        machines = snapshot.workload_entries.values()
        self.workload_entries = _sorted((entry.meta, _said(entry.meta, _BOUND, now), None) for entry in machines)


def _sorted(claims: Iterable[tuple[Meta, Condition | None, T]]) -> list[tuple[Meta, Condition, T]]:
    return sorted(((meta, said, more) for meta, said, more in claims if said is not None), key=lambda claim: claim[0].ref)


def _of_node(claims: _Claims, dump: NodeDump, node: str) -> Iterator[Difference]:
    if Table.POLICIES in dump.tables:
        for _, condition, policy in claims.policies:
            yield from _about_policy(policy, condition, dump, node)
    for meta, condition, hosts in [*_hosts(claims, dump), *claims.service_entries]:
        entries = (dump.services.get(f"{meta.namespace}/{host}") for host in hosts)
        found = (_about_waypoint(meta, condition, node, service_of(entry).waypoint) for entry in entries if entry is not None)
        yield from islice(filter(None, found), 1)  # one host is enough
    cluster = cluster_of(dump) if claims.workload_entries else ""
    for meta, condition, _ in claims.workload_entries:
        there = dump.workloads.get(f"{cluster}/networking.istio.io/WorkloadEntry/{meta.namespace}/{meta.name}")
        said = _about_waypoint(meta, condition, node, workload_of(there).waypoint) if there is not None else None
        if said is not None:
            yield said


def _hosts(claims: _Claims, dump: NodeDump) -> Iterator[tuple[Meta, Condition, tuple[str, ...]]]:
    """The claims of Services, with the host name that a ztunnel knows each by."""
    domain = domain_of(dump) if claims.services else ""
    for meta, condition, _ in claims.services:
        yield meta, condition, (f"{meta.name}.{meta.namespace}.svc.{domain}",)


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


def _about_policy(policy: AuthorizationPolicy, condition: Condition, dump: NodeDump, node: str) -> Iterator[Difference]:
    meta = policy.meta
    key = f"{meta.namespace}/{meta.name}"
    there = key in dump.policies
    if condition.status == "True" and not there and not dump.may_have(Table.POLICIES, key):
        denies = "what it denies is let through there" if policy.action == "DENY" else "nobody enforces it there"
        yield _lie(meta, condition, node, ABSENT, f"istiod says that it is in force: {denies}", dangerous=not policy.dry_run)
    elif condition.status == "False" and there:
        text = "istiod says that ztunnels don't have it, and this one evaluates it"
        yield _lie(meta, condition, node, _THERE, text, dangerous=not policy.dry_run)


def _about_waypoint(meta: Meta, condition: Condition, node: str, waypoint: GatewayAddress | None) -> Difference | None:
    bound = waypoint is not None and bool(waypoint.destination)
    if condition.status == "True" and not bound:
        text = "its traffic from this node doesn't pass the waypoint, and nobody enforces the waypoint's policies"
        return _lie(meta, condition, node, NONE, text, dangerous=True)
    if condition.status == "False" and waypoint is not None and bound:
        text = "its traffic from this node is sent to a waypoint to which it isn't bound"
        return _lie(meta, condition, node, waypoint.destination, text, dangerous=True)
    return None
