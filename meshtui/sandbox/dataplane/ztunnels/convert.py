"""What istiod sends to ztunnels: workloads, services and policies, as ztunnel's config dump has them.

As in istio/istio ``pilot/pkg/serviceregistry/ambient``. Waypoints aren't modelled: the sandbox has none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from meshtui.sandbox.dataplane.authz import convert, policies_for, reaches_ztunnel
from meshtui.sandbox.dataplane.l4 import Clause, How, Match, Policy, Text
from meshtui.sandbox.dataplane.peerauth import converted_policies
from meshtui.sandbox.dataplane.selectors import equals_all
from meshtui.sandbox.dataplane.world import Pod, World
from meshtui.sandbox.ports import Obj

Json = dict[str, Any]

CLUSTER = "Kubernetes"
"""The name that istiod gives its own cluster unless it is told another."""
_TUNNEL = "networking.istio.io/tunnel"
_NAME_LABELS = ("service.istio.io/canonical-name", "app.kubernetes.io/name", "app")
_REVISION_LABELS = ("service.istio.io/canonical-revision", "app.kubernetes.io/version", "version")


def uid_of(pod: Pod) -> str:
    """The uid of a pod's workload."""
    return f"{CLUSTER}//Pod/{pod.namespace}/{pod.name}"


def canonical(pod: Pod) -> tuple[str, str]:
    """The canonical name and revision of a pod."""
    name = next((pod.labels[label] for label in _NAME_LABELS if pod.labels.get(label)), pod.owner[1] or pod.name)
    revision = next((pod.labels[label] for label in _REVISION_LABELS if pod.labels.get(label)), "latest")
    return name, revision


def speaks_hbone(pod: Pod) -> bool:
    """Whether istiod tells ztunnels to speak HBONE to a pod: by its annotation, or by the label of a native tunnel."""
    return pod.believed or pod.labels.get(_TUNNEL) == "http"


def workloads(world: World) -> list[Json]:
    """Every workload, by uid."""
    services = [each for each in world.objects.get("services", ()) if _is_sent(each)]
    return sorted((_workload(world, pod, services) for pod in world.pods), key=lambda each: str(each["uid"]))


def _workload(world: World, pod: Pod, services: Iterable[Obj]) -> Json:
    name, revision = canonical(pod)
    made: Json = {
        "canonicalName": name,
        "canonicalRevision": revision,
        "capacity": 1,
        "clusterId": CLUSTER,
        "name": pod.name,
        "namespace": pod.namespace,
        "networkMode": "HostNetwork" if pod.host_network else "Standard",
        "node": pod.node,
        "protocol": "HBONE" if speaks_hbone(pod) else "TCP",
        "serviceAccount": pod.service_account,
        "status": "Healthy" if pod.ready else "Unhealthy",
        "trustDomain": world.trust_domain,
        "uid": uid_of(pod),
        "workloadIps": [pod.ip],
        "workloadName": pod.owner[1] or pod.name,
        "workloadType": "pod",
    }
    if speaks_hbone(pod) and not pod.believed:
        made["nativeTunnel"] = True
    if selected := _selected(world, pod):
        made["authorizationPolicies"] = selected
    if behind := sorted(_host(each) for each in services if _selects(each, pod)):
        made["services"] = behind
    return made


def _selected(world: World, pod: Pod) -> list[str]:
    """The keys of the policies that apply to a pod by a selector, and of the converted ones."""
    chosen = {_key(each) for each in world.objects.get("authorizationpolicies", ()) if _scope(world, each) == "WorkloadSelector"}
    own = {_key(each) for each in world.objects.get("authorizationpolicies", ())}
    return [policy.name for policy in policies_for(world, pod) if policy.name in chosen or policy.name not in own]


def services(world: World) -> list[Json]:
    """Every Service, by hostname."""
    found = [_service(world, each) for each in world.objects.get("services", ()) if _is_sent(each)]
    return sorted(found, key=lambda each: (str(each["hostname"]), str(each["namespace"])))


def _service(world: World, service: Obj) -> Json:
    meta, spec = service["metadata"], service.get("spec") or {}
    ports = spec.get("ports") or []
    eager = bool(spec.get("publishNotReadyAddresses"))
    made: Json = {
        "canonical": True,
        "endpoints": dict(sorted(_endpoints(world, service, eager=eager))),
        "hostname": _fqdn(service),
        "ipFamilies": "IPv4",
        "name": meta["name"],
        "namespace": meta["namespace"],
        # A target port that has a name differs between pods, and is 0 here.
        "ports": {str(port["port"]): _number(port.get("targetPort", port["port"])) for port in ports},
        "subjectAltNames": [],
        "vips": [f"/{address}" for address in [spec.get("clusterIP")] if address and address != "None"],
        "visibility": "Public",
    }
    if eager:
        made["loadBalancer"] = {"healthPolicy": "AllowAll", "mode": "Standard", "routingPreferences": []}
    return made


def _endpoints(world: World, service: Obj, *, eager: bool) -> Iterable[tuple[str, Json]]:
    ports = (service.get("spec") or {}).get("ports") or []
    for pod in world.pods:
        # Endpoints that aren't healthy are left out, except where the Service wants them.
        if not _selects(service, pod) or not (pod.ready or eager):
            continue
        found = {str(port["port"]): pod.resolve(port.get("targetPort", port["port"])) for port in ports}
        status = "Healthy" if pod.ready else "Unhealthy"
        numbers = {port: number for port, number in found.items() if number is not None}
        yield uid_of(pod), {"port": numbers, "status": status, "workloadUid": uid_of(pod)}


def policies(world: World) -> list[Json]:
    """Every policy, by namespace and name: those of AuthorizationPolicies, and those made of PeerAuthentications."""
    own = [
        policy_json(convert(each), _scope(world, each))
        for each in world.objects.get("authorizationpolicies", ())
        if reaches_ztunnel(each)
    ]
    made = [policy_json(each, "WorkloadSelector") for each in converted_policies(world)]
    return sorted(own + made, key=lambda each: f"{each['namespace']}/{each['name']}")


def policy_json(policy: Policy, scope: str) -> Json:
    """One policy."""
    namespace, _, name = policy.name.partition("/")
    return {
        "action": "Deny" if policy.deny else "Allow",
        "dryRun": False,
        "name": name,
        "namespace": namespace,
        "rules": [[_clause(clause) for clause in rule] for rule in policy.rules],
        "scope": scope,
    }


def _clause(clause: Clause) -> list[Json]:
    return [_match(each) for each in clause]


def _match(match: Match) -> Json:
    fields: Mapping[str, list[Any]] = {
        "destinationIps": [str(each) for each in match.destination_ips],
        "destinationPorts": list(match.ports),
        "namespaces": [_text(each) for each in match.namespaces],
        "notDestinationIps": [str(each) for each in match.not_destination_ips],
        "notDestinationPorts": list(match.not_ports),
        "notNamespaces": [_text(each) for each in match.not_namespaces],
        "notPrincipals": [_text(each) for each in match.not_principals],
        "notServiceAccounts": [_account(each) for each in match.not_accounts],
        "notSourceIps": [str(each) for each in match.not_source_ips],
        "principals": [_text(each) for each in match.principals],
        "serviceAccounts": [_account(each) for each in match.accounts],
        "sourceIps": [str(each) for each in match.source_ips],
    }
    return {key: values for key, values in fields.items() if values}


def _text(text: Text) -> Json:
    return {"Presence": []} if text.how is How.PRESENT else {text.how.value.title(): text.value}


def _account(account: str) -> Json:
    namespace, _, name = account.partition("/")
    return {"namespace": namespace, "serviceAccount": name}


def _scope(world: World, policy: Obj) -> str:
    if (policy.get("spec") or {}).get("selector") is not None:
        return "WorkloadSelector"
    return "Global" if policy["metadata"]["namespace"] == world.root_namespace else "Namespace"


def _key(policy: Obj) -> str:
    return f"{policy['metadata']['namespace']}/{policy['metadata']['name']}"


def _is_sent(service: Obj) -> bool:
    return (service.get("spec") or {}).get("type") != "ExternalName"


def _selects(service: Obj, pod: Pod) -> bool:
    selector = (service.get("spec") or {}).get("selector") or {}
    return bool(selector) and service["metadata"]["namespace"] == pod.namespace and equals_all(selector, pod.labels)


def _fqdn(service: Obj) -> str:
    return f"{service['metadata']['name']}.{service['metadata']['namespace']}.svc.cluster.local"


def _host(service: Obj) -> str:
    return f"{service['metadata']['namespace']}/{_fqdn(service)}"


def _number(port: int | str) -> int:
    return port if isinstance(port, int) else int(port) if port.isdigit() else 0
