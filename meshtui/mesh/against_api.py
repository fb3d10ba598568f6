"""Comparing what a ztunnel has with what istiod should have sent it.

Left out are what can't be predicted from the API's objects (workloads of other clusters, of WorkloadEntries and ServiceEntries,
network gateways), what has just changed, and the kinds that can't be read. A workload's ``protocol`` isn't compared with the
annotation of its pod, from which istiod copies it: they can't contradict each other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime

from meshtui.mesh.against_policies import of_policies
from meshtui.mesh.against_services import of_services
from meshtui.mesh.against_workloads import of_workloads
from meshtui.mesh.compared import NONE, Compared, Says
from meshtui.mesh.desired import CLUSTER_ID, DOMAIN, Desired
from meshtui.mesh.report import Between, Difference
from meshtui.model.snapshot import Snapshot
from meshtui.ztunnel.dump import NodeDump, Table

_BY = "the API"
_READ_FROM = (
    ("waypoints", "Gateway"),
    ("waypoints that their class may be for", "GatewayClass"),
    ("waypoints of namespaces", "Namespace"),
    ("endpoints of Services without a selector", "EndpointSlice"),
)
"""What else can't be compared without a kind."""
_OTHERS = (("policies", "AuthorizationPolicy"), ("workloads", "Pod"), ("Services", "Service"))
"""What isn't missed without all objects of a kind."""


def differences(snapshot: Snapshot, dump: NodeDump, node: str, *, now: datetime) -> tuple[Difference, ...]:
    """Where the ztunnel of a node has something else than istiod should have sent it."""
    return Comparison(snapshot, now).differences(dump, node)


def not_compared(snapshot: Snapshot, dump: NodeDump) -> tuple[str, ...]:
    """What of a dump isn't compared, each with the reason."""
    return Comparison(snapshot, datetime.max.replace(tzinfo=UTC)).not_compared(dump)


class Comparison:
    """The comparison of one Snapshot with the dumps of several nodes. Dumps that share their tables are compared once."""

    def __init__(self, snapshot: Snapshot, now: datetime) -> None:
        self.snapshot = snapshot
        self._now = now
        self._desired: dict[tuple[str, str], Desired] = {}
        self._done: list[tuple[NodeDump, tuple[Says, ...]]] = []

    def differences(self, dump: NodeDump, node: str) -> tuple[Difference, ...]:
        """The differences of one node's ztunnel."""
        return tuple(
            Difference(Between.API, node, s.name, s.field, s.expected, s.found, _BY, s.ref, s.dangerous, s.consequence)
            for s in self._said(dump)
        )

    def not_compared(self, dump: NodeDump) -> tuple[str, ...]:
        """What of a dump isn't compared, each with the reason."""
        return tuple(_left_out(self._compared(dump)))

    def compared(self, dump: NodeDump) -> frozenset[Table]:
        """The tables of a dump that are compared."""
        compared = self._compared(dump)
        policies = compared.desired.policies
        why = {
            Table.POLICIES: compared.why_no_policies or policies.why_no_authorization or policies.why_no_peers,
            Table.WORKLOADS: compared.why_no_workloads,
            Table.SERVICES: compared.why_no_services,
        }
        return frozenset(table for table, words in why.items() if not words)

    def _said(self, dump: NodeDump) -> tuple[Says, ...]:
        known = next((said for other, said in self._done if same_tables(other, dump)), None)
        if known is None:
            known = tuple(_all(self._compared(dump)))
            self._done.append((dump, known))
        return known

    def _compared(self, dump: NodeDump) -> Compared:
        names = (cluster_of(dump), domain_of(dump))
        if names not in self._desired:
            self._desired[names] = Desired(self.snapshot, *names)
        return Compared(self._desired[names], dump, self._now)


def same_tables(one: NodeDump, other: NodeDump) -> bool:
    """Whether two dumps hold the same tables (``reading.Shared`` keeps equal ones once)."""
    return (
        one.tables.keys() == other.tables.keys()
        and all(one.tables[table] is other.tables[table] for table in one.tables)
        and (one.cluster_id, one.network, one.problems, one.unread)
        == (other.cluster_id, other.network, other.problems, other.unread)
    )


def cluster_of(dump: NodeDump) -> str:
    """The name that istiod gives to the cluster: the ztunnel's, unless all of its pods have another one."""
    found = Counter(name for uid in dump.workloads for name, marked, _ in (uid.partition("//Pod/"),) if marked)
    if not found or dump.cluster_id in found:
        return dump.cluster_id or CLUSTER_ID
    return found.most_common(1)[0][0]


def domain_of(dump: NodeDump) -> str:
    """The cluster's domain, by the host names of Services."""
    found = Counter[str]()
    for key in dump.services:
        namespace, _, host = key.partition("/")
        _, marked, domain = host.partition(f".{namespace}.svc.")
        if marked and domain:
            found[domain] += 1
    return found.most_common(1)[0][0] if found else DOMAIN


def _all(compared: Compared) -> Iterator[Says]:
    """All differences: of policies, of workloads and of Services, each sorted."""
    if _is_empty(compared):
        text = "it has nothing of istiod: it carries no traffic of its pods in the mesh, and enforces no policy"
        yield Says("ztunnel", "", f"{len(compared.desired.workloads)} workloads", NONE, dangerous=True, consequence=text)
        return
    yield from of_policies(compared)
    yield from of_workloads(compared)
    yield from of_services(compared)


def _is_empty(compared: Compared) -> bool:
    """Whether a ztunnel has nothing at all of what it should have."""
    dump = compared.dump
    read = all(table in dump.tables for table in Table) and not dump.problems
    return read and not any(dump.tables.values()) and bool(compared.desired.workloads)


def _left_out(compared: Compared) -> Iterator[str]:
    policies, seen = compared.desired.policies, compared.seen
    if compared.why_no_policies:
        yield from _about("policies", compared.why_no_policies)
    else:
        yield from _about("AuthorizationPolicies", policies.why_no_authorization)
        yield from _about("converted PeerAuthentications", policies.why_no_peers)
        for key, why in sorted(policies.undetermined.items()):
            yield f"policy {key}: {why}"
        yield from _about("policies of workloads", compared.why_not_attached(compared.snapshot.mesh.root_namespace))
    yield from _about("workloads", compared.why_no_workloads)
    yield from _about("Services", compared.why_no_services)
    for what, kind in _READ_FROM:
        yield from _about(what, seen.why_unread(kind))
    for what, kind in _OTHERS:
        if seen.reads(kind) and (scope := compared.snapshot.kind_state(kind).scope):
            yield f"{what} that the API doesn't have: only {scope} may be read"


def _about(what: str, why: str) -> Iterator[str]:
    if why:
        yield f"{what}: {why}"
