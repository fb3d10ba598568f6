"""What the comparisons of policies, workloads and Services with a dump have in common."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from meshtui.engine.matching.addresses import parse_address
from meshtui.mesh.desired import Desired
from meshtui.mesh.desired_waypoints import Binding
from meshtui.mesh.discovery import is_recent
from meshtui.model.address import canonical
from meshtui.model.ids import ObjectRef
from meshtui.model.meta import Meta
from meshtui.model.workload import Pod
from meshtui.ztunnel.dump import NodeDump, Service, Table, Workload, workload_of

YOUNG = timedelta(seconds=30)
"""How long a pod may be new before a ztunnel must know it as it is."""
ABSENT, NONE = "absent", "none"
_MOST = 3
"""How many of many things are named."""


@dataclass(frozen=True, slots=True)
class Says:
    """A difference without its node."""

    name: str
    field: str
    expected: str
    found: str
    ref: ObjectRef | None = None
    dangerous: bool = False
    consequence: str = ""


def has_other_clusters(dump: NodeDump, prefix: str) -> bool:
    """Whether a dump has, or may have, pods whose uids don't begin as those of its cluster."""
    unread = dump.unread.get(Table.WORKLOADS, frozenset())
    return (
        Table.WORKLOADS not in dump.tables
        or "" in unread
        or any("//Pod/" in uid and not uid.startswith(prefix) for uid in (*dump.workloads, *unread))
    )


class Compared:
    """A dump, and what should be in it."""

    def __init__(self, desired: Desired, dump: NodeDump, now: datetime) -> None:
        self.desired = desired
        self.snapshot = desired.snapshot
        self.seen = desired.seen
        self.dump = dump
        self.now = now
        self.prefix = desired.uid("", "")[:-1]
        self.explained: set[str] = set()
        """The uids of workloads that aren't compared, or of which it is said already why Services have them otherwise."""

    @cached_property
    def ours(self) -> Mapping[str, Workload]:
        """The dump's workloads of pods of this cluster, by uid."""
        return {uid: workload_of(entry) for uid, entry in self.dump.workloads.items() if uid.startswith(self.prefix)}

    @cached_property
    def has_other_clusters(self) -> bool:
        """Whether the dump has, or may have, pods of other clusters."""
        return has_other_clusters(self.dump, self.prefix)

    @cached_property
    def policies_from_here(self) -> bool:
        """Whether policies come from this cluster's API: a control plane elsewhere reads those of its own cluster."""
        return self.seen.has_istiod or not self.has_other_clusters

    @cached_property
    def why_no_policies(self) -> str:
        """Why no policies are compared, or an empty string."""
        doubt = self.desired.policies.why_not
        return (
            self._why_no(Table.POLICIES)
            or self._why_not_from_here
            or (f"the mesh's configuration isn't known: {doubt}" if doubt else "")
        )

    @cached_property
    def _why_not_from_here(self) -> str:
        if self.policies_from_here:
            return ""
        place = "this cluster" if self.snapshot.live else "these files"
        return f"the control plane isn't in {place}, and they may come from another cluster's"

    @cached_property
    def why_no_workloads(self) -> str:
        """Why workloads aren't compared, or an empty string."""
        return self.seen.why_unread("Pod") or self._why_no(Table.WORKLOADS)

    @cached_property
    def why_no_services(self) -> str:
        """Why Services aren't compared, or an empty string."""
        return self.seen.why_unread("Service") or self._why_no(Table.SERVICES)

    def _why_no(self, table: Table) -> str:
        if table in self.dump.tables:
            return ""
        said = (problem.partition(": ") for problem in self.dump.problems)
        return next((why for name, _, why in said if name == table.value), "they aren't in the dump")

    def why_not_attached(self, namespace: str) -> str:
        """Why the policies of a namespace's workloads aren't compared, or an empty string."""
        return self._why_not_from_here or self.desired.policies.why_not_attached(namespace)

    def may_lack(self, table: Table, key: str, namespace: str) -> bool:
        """Whether an entry of a namespace may be missing in the dump without being missing in the ztunnel, or rightly."""
        if self.dump.may_have(table, key):
            return True
        return bool(self.seen.config_doubt) and namespace not in self._spaces_there

    @cached_property
    def _spaces_there(self) -> frozenset[str]:
        """The namespaces into which istiod looks, as the dump shows."""
        return frozenset(each.namespace for each in self.ours.values())

    def changed(self, metas: Iterable[Meta]) -> bool:
        """Whether one of some objects has just been made or changed."""
        return any(is_recent(meta, self.now) for meta in metas)

    @cached_property
    def changing_policies(self) -> frozenset[str]:
        """The AuthorizationPolicies that have just been changed, as ``namespace/name``."""
        metas = (policy.meta for policy in self.snapshot.authorization_policies.values())
        return frozenset(f"{meta.namespace}/{meta.name}" for meta in metas if is_recent(meta, self.now))

    @cached_property
    def changing_peers(self) -> frozenset[str]:
        """The namespaces in which a PeerAuthentication has just been changed."""
        metas = (policy.meta for policy in self.snapshot.peer_authentications.values())
        return frozenset(meta.namespace for meta in metas if is_recent(meta, self.now))

    def is_settled(self, pod: Pod) -> bool:
        """Whether a pod isn't new, hasn't just been changed, and isn't going away."""
        created = pod.meta.created
        young = created is not None and self.now - created < YOUNG
        return not (young or pod.deleting or is_recent(pod.meta, self.now))

    def waypoint(self, name: str, ref: ObjectRef, binding: Binding, there: Workload | Service) -> Iterator[Says]:
        """The difference of the waypoint of a Service or a pod."""
        found = there.waypoint.destination if there.waypoint is not None else ""
        if not binding.known or self.changed(binding.objects) or _waypoint(found) == _waypoint(binding.destination):
            return
        if not found:
            text = "its traffic goes past the waypoint, and nobody enforces the waypoint's policies"
        elif not binding.destination:
            text = "its traffic goes through a waypoint that it isn't bound to"
        else:
            text = "its traffic goes through another waypoint, which enforces other policies"
        yield Says(name, "waypoint", binding.destination or NONE, found or NONE, ref, dangerous=True, consequence=text)


def address(text: str) -> str:
    """An address as the Snapshot has those of pods and Services."""
    return canonical(text)


def _waypoint(destination: str) -> str:
    """A waypoint's destination, without the network if it is an address."""
    last = destination.rpartition("/")[2]
    return address(last) if parse_address(last) is not None else destination


def ports(pairs: Mapping[str, int]) -> str:
    """Ports as ``80:8080``, sorted by number."""
    return listed(f"{port}:{pairs[port]}" for port in sorted(pairs, key=lambda port: (len(port), port)))


def listed(texts: Iterable[str]) -> str:
    """Texts in a line, or ``none``."""
    return ", ".join(texts) or NONE


def some(texts: Iterable[str]) -> str:
    """The first texts in a line, and how many more there are."""
    found = list(texts)
    more = len(found) - _MOST
    return listed(found[:_MOST]) + (f" and {more} more" if more > 0 else "")
