"""Queries about pods and their classes for rules."""

from __future__ import annotations

from meshtui.engine.classes.classifier import PodClass
from meshtui.findings.context import Context
from meshtui.model.workload import MeshMode, Pod

DATABASES = {
    5432: "PostgreSQL",
    3306: "MySQL",
    27017: "MongoDB",
    6379: "Redis",
    1433: "SQL Server",
    9042: "Cassandra",
    1521: "Oracle",
    9200: "Elasticsearch",
    11211: "Memcached",
    26257: "CockroachDB",
}
"""The well-known ports of databases, for containers that declare them."""


def declared_ports(context: Context, member: PodClass) -> tuple[int, ...]:
    """The TCP ports that the containers of a class's pods declare, sorted."""
    return context.ports.get(member.number, ())


def is_ambient(member: PodClass) -> bool:
    """Whether a ztunnel carries the traffic of a class's pods."""
    return member.endpoint.mode is MeshMode.AMBIENT


def guarded(context: Context, pod: Pod) -> bool:
    """Whether an enforced ALLOW policy covers a pod, so that whatever isn't allowed is denied."""
    if context.snapshot.mesh_mode(pod) not in {MeshMode.AMBIENT, MeshMode.SIDECAR}:
        return False
    return any(not compiled.denies for compiled in context.authorization.covering(pod))
