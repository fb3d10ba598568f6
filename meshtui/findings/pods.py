"""Queries about pods and their classes for rules."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from meshtui.engine.classes.classifier import PodClass
from meshtui.engine.policy.admin import subject_selects
from meshtui.engine.policy.authorization import Compiled, evaluate
from meshtui.engine.policy.ztunnel import Connection
from meshtui.findings.context import Context
from meshtui.model.constants import GATEWAY_NAME, MANAGED, MESH_CONTROLLERS
from meshtui.model.ids import principal
from meshtui.model.policy import AdminPeer, AdminPolicy
from meshtui.model.workload import MeshMode, Pod, Service

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


def meant_port(context: Context, members: Sequence[PodClass], number: int) -> tuple[Service, int] | None:
    """The Service that has a port of this number, and the pods' port behind it, if no pod has the number itself.

    Policies at the pods compare the pods' ports. Pods that declare no ports may have any.
    """
    declared = [declared_ports(context, member) for member in members]
    if not all(declared) or any(number in ports for ports in declared):
        return None
    pods, found = {key for member in members for key in member.pods}, None
    for service in context.snapshot.services.values():
        for port in service.ports if service.selector is not None else ():
            for target in context.resolver.behind.targets(service, port):
                if target.endpoint.pod is None or target.endpoint.pod.key not in pods:
                    continue
                if target.port == number:
                    return None
                if port.number == number and port.protocol == "TCP":
                    found = service, target.port
    return found


def is_ambient(member: PodClass) -> bool:
    """Whether a ztunnel carries the traffic of a class's pods."""
    return member.endpoint.mode is MeshMode.AMBIENT


def guarded(context: Context, pod: Pod, port: int | None = None) -> bool:
    """Whether enforced AuthorizationPolicies keep strangers from a pod: from a port, or from all that it declares.

    An ALLOW policy denies whatever isn't allowed; a DENY policy does where it excepts those that it means (``notPrincipals``).
    """
    if context.snapshot.mesh_mode(pod) not in {MeshMode.AMBIENT, MeshMode.SIDECAR}:
        return False
    covering = context.authorization.covering(pod)
    if any(not compiled.denies for compiled in covering):
        return True
    ports = (port,) if port is not None else tuple(p.number for p in pod.ports if p.protocol == "TCP")
    return bool(covering and ports) and all(_strangers_denied(context, covering, each) for each in ports)


def is_waypoint_pod(context: Context, pod: Pod) -> bool:
    """Whether a pod is a waypoint's: by the controller that made it, or by its Gateway."""
    if pod.labels.get(MANAGED) in MESH_CONTROLLERS:
        return True
    named = pod.labels.get(GATEWAY_NAME)
    return any(g.is_waypoint and (g.meta.namespace, g.meta.name) == (pod.namespace, named) for g, _ in context.gateways)


_NOBODY = "?"
"""A name that no namespace and no ServiceAccount has."""


def _strangers_denied(context: Context, covering: tuple[Compiled, ...], port: int) -> bool:
    """Whether a caller without an identity and one that no policy can name are both denied, whatever their addresses are."""
    identity = principal(context.snapshot.mesh.trust_domain, _NOBODY, _NOBODY)
    plain, named = Connection(None, None, port), Connection(None, None, port, identity, _NOBODY, _NOBODY)
    return evaluate(covering, plain).allowed is False and evaluate(covering, named).allowed is False


def closed_by_default(context: Context, pod: Pod) -> bool:
    """Whether a cluster-wide policy (BaselineAdminNetworkPolicy and the like) denies a pod whatever others don't allow."""
    endpoint = context.endpoint(pod)
    return any(subject_selects(policy.subject, endpoint) for policy in context.once(_closing))


def _closing(context: Context) -> Iterator[AdminPolicy]:
    """The cluster-wide policies with an ingress rule that denies every pod on every port."""
    for policy in context.snapshot.admin_policies.values():
        for rule in policy.ingress:
            if rule.ports is None and any(map(_is_everybody, rule.peers)):
                if rule.action == "Deny":
                    yield policy
                break


def _is_everybody(peer: AdminPeer) -> bool:
    if peer.pods is not None:
        return all(selector.is_empty for selector in peer.pods)
    return peer.namespaces is not None and peer.namespaces.is_empty
