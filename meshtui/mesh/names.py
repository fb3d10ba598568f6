"""Names of a dump's entries as people write them, and the API's object that an entry comes from."""

from __future__ import annotations

from meshtui.model.ids import ObjectRef
from meshtui.ztunnel.dump import Table, service_of, workload_of

CONVERTED = "converted_peer_authentication_"
STATIC_STRICT = "istio_converted_static_strict"
WAYPOINT_ALLOWED = "istio_allow_waypoint_"
_POD = "//Pod/"


def pod_of(uid: str) -> tuple[str, str] | None:
    """Namespace and name of the pod that a workload's uid names; None for other workloads."""
    _, found, rest = uid.partition(_POD)
    namespace, slash, name = rest.partition("/")
    return (namespace, name) if found and slash and name else None


def policy_name(key: str) -> tuple[str, ObjectRef | None]:
    """The name of a policy, and its object; a policy that istiod makes itself has none, or the PeerAuthentication's."""
    namespace, _, name = key.partition("/")
    if name == STATIC_STRICT:
        return "the refusal of plaintext (PeerAuthentication STRICT)", None
    if name.startswith(CONVERTED):
        ref = ObjectRef("PeerAuthentication", namespace, name.removeprefix(CONVERTED))
        return f"PeerAuthentication {ref.namespace}/{ref.name}", ref
    if name.startswith(WAYPOINT_ALLOWED):
        return f"istiod's policy {key}", None
    return f"AuthorizationPolicy {key}", ObjectRef("AuthorizationPolicy", namespace, name)


def entry_name(table: Table, key: str, entry: bytes) -> tuple[str, ObjectRef | None]:
    """The name of an entry, and the API's object behind it if there is one."""
    if table is Table.POLICIES:
        return policy_name(key)
    if table is Table.SERVICES:
        service = service_of(entry)
        if ".svc." in service.hostname or service.hostname.endswith(".svc"):
            return f"Service {service.namespace}/{service.name}", ObjectRef("Service", service.namespace, service.name)
        return f"host {service.hostname} of {service.namespace}", None
    workload = workload_of(entry)
    pod = pod_of(workload.uid)
    if pod is not None:
        return f"Pod {pod[0]}/{pod[1]}", ObjectRef("Pod", *pod)
    return f"workload {workload.namespace}/{workload.name}" if workload.name else f"workload {key}", None
