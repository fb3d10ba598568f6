"""MT208: a database that nothing protects."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.engine.authorization import Authorization
from meshtui.engine.networkpolicy import Direction, NetworkPolicies
from meshtui.engine.party import Parties
from meshtui.findings.base import Rule
from meshtui.model.finding import Severity
from meshtui.model.ids import ObjectRef
from meshtui.model.snapshot import KindStatus, Snapshot

DATABASES = {5432: "PostgreSQL", 3306: "MySQL", 27017: "MongoDB", 6379: "Redis", 1433: "SQL Server", 9042: "Cassandra"}
_SEEN = {KindStatus.SYNCED, KindStatus.NOT_INSTALLED, KindStatus.STALE}


def _look(snapshot: Snapshot) -> Iterator[tuple[tuple[ObjectRef, ...], str, str]]:
    if any(snapshot.kind_state(kind).status not in _SEEN for kind in ("NetworkPolicy", "AuthorizationPolicy")):
        return  # what can't be seen may protect it
    network, authorization, parties = NetworkPolicies(snapshot), Authorization(snapshot), Parties(snapshot)
    for ref, workload in snapshot.workloads.items():
        for pod in workload.pods:
            port = next((p.number for p in pod.ports if p.number in DATABASES), None)
            if port is None or pod.completed:
                continue
            party = parties.pod(pod)
            guarded = party.in_ambient and any(not compiled.denies for compiled in authorization.covering(pod))
            if not guarded and not network.selecting(party, Direction.INGRESS):
                yield (
                    (ref,),
                    f"{ref.kind} {ref.name} serves {DATABASES[port]} ({port}) to every pod of the cluster",
                    "no ALLOW AuthorizationPolicy and no ingress NetworkPolicy selects it",
                )
                break


RULE = Rule("MT208", "open database", Severity.WARNING, _look)
