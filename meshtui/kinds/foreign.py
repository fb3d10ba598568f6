"""Kinds of policies that meshtui doesn't evaluate: only the workloads to which they may apply are read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from msgspec import convert, field

from meshtui.kinds import wire
from meshtui.kinds.calico import CRD_GROUP as _CALICO_CRD
from meshtui.kinds.calico import GROUP as _CALICO
from meshtui.kinds.calico import calico_policy
from meshtui.kinds.cilium import GROUP as _CILIUM
from meshtui.kinds.cilium import cilium_policy
from meshtui.kinds.convert import meta, target_refs
from meshtui.kinds.kind import ISTIO_NETWORKING, NETWORKING_VERSIONS, Kind, Pairs, Role
from meshtui.kinds.wire import ObjectMeta, Wire
from meshtui.model import policy as model
from meshtui.model import selectors
from meshtui.model.calico import CalicoPolicy
from meshtui.model.cilium import CiliumPolicy
from meshtui.model.policy import TargetRef

_CILIUM_PREFIXES = ("k8s:", "any:")
_CILIUM_OWN = ("io.kubernetes.pod.", "io.cilium.", "reserved:")
"""Labels that Cilium adds to endpoints itself; pods don't have them."""
PROXY_KINDS = ("EnvoyFilter", "WasmPlugin", "TrafficExtension")
"""The kinds that change Istio's proxies."""
_EGRESS_ONLY = frozenset({"EgressFirewall", "FQDNNetworkPolicy"})
_OUTSIDE_ONLY = re.compile(r"Egress(Gateway|NAT|SRv6)")
"""Kinds that lead connections to the outside through a gateway, which drops them if there is none."""
_INGRESS_ONLY = frozenset({"CiliumLocalRedirectPolicy", "CiliumEnvoyConfig", "CiliumClusterwideEnvoyConfig"})
"""Kinds that lead what is sent to a Service elsewhere."""
_BY_POD_SELECTOR = frozenset({"SecurityGroupPolicy", "FQDNNetworkPolicy"})
"""Kinds whose ``podSelector`` says which pods they are for."""
_ENFORCED_ELSEWHERE = re.compile(r"Staged|BGP")
"""Kinds with such a name don't restrict connections."""
_DECIDING = re.compile(r"(NetworkPolicy|FirewallPolicy|Firewall|UserDefinedNetwork|SecurityGroup)\Z")
_MAY_DECIDE = re.compile(
    r"(Network|Security|Traffic|Egress|Ingress|Firewall|Access|Authorization)\w*(Polic(y|ies)|Rules?|Group)\Z"
    r"|(Traffic|Network)Permission\Z|TrafficTarget\Z|TrafficControl\Z|ServiceIntentions\Z|ServerAuthorization\Z"
)
"""Names of kinds that restrict or redirect traffic in the cluster, unless their group or name is one of the following."""
_OF_OTHERS = re.compile(
    r"(^|\.)(envoyproxy\.io|kgateway\.dev|solo\.io|traefik\.io|projectcontour\.io|konghq\.com|nginx\.org|gateway\.networking\.x-k8s\.io|"
    r"application-networking\.k8s\.aws|services\.k8s\.aws|crossplane\.io|upbound\.io|azure\.com|cnrm\.cloud\.google\.com|"
    r"policy|extensions|admissionregistration\.k8s\.io)\Z"
)
"""Groups of other gateways, and of controllers that make resources of a cloud: their kinds don't decide between pods."""
_HARMLESS = frozenset(
    {"NodeNetworkConfigurationPolicy", "SriovNetworkNodePolicy", "GCPTrafficDistributionPolicy", "NvAdmissionControlSecurityRule"}
)
"""Kinds that configure interfaces or load balancers, or that decide about what may be created."""


class Foreign(Wire):
    """The object: metadata and an undecoded spec."""

    api_version: str = ""
    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    spec: dict[str, Any] | None = None
    specs: list[Any] | None = None


def foreign_policy(raw: Foreign, kind: str, origin: str = "", *, namespaced: bool = True) -> model.ForeignPolicy:
    """Convert a policy that isn't evaluated. Its selector is reduced to pod labels: it may select more pods than the original."""
    spec, bare = raw.spec or {}, kind.partition(".")[0]
    made = model.ForeignPolicy(
        meta=meta(kind, raw.metadata, namespaced=namespaced, origin=origin),
        api_version=raw.api_version,
        selector=_selector(spec, bare) if raw.specs is None else None,
        enforcer=_enforcer(kind, spec),
        egress_only=bare in _EGRESS_ONLY,
        ingress_only=bare in _INGRESS_ONLY,
        outside_only=bool(_OUTSIDE_ONLY.search(bare)),
        hosts_only=raw.specs is None and "nodeSelector" in spec and "endpointSelector" not in spec,
        hosts=_hosts(bare, spec),
        target_refs=_targets(spec) if bare in PROXY_KINDS else (),
        own=_own(kind, raw),
    )
    if bare == "CiliumLocalRedirectPolicy" and not _redirects_a_service(spec):
        return replace(made, ingress_only=False, outside_only=True, anywhere=True)
    return made


def _own(kind: str, raw: Foreign) -> CalicoPolicy | CiliumPolicy | None:
    """The spec of a policy that its CNI's rules can be evaluated of; None for other kinds, and if it can't be decoded."""
    if kind in _OF_CALICO:
        return calico_policy(raw.spec or {})
    return cilium_policy(raw.spec, raw.specs) if kind in _OF_CILIUM else None


def _enforcer(kind: str, spec: Mapping[str, Any]) -> model.Enforcer:
    bare = kind.partition(".")[0]
    if bare in PROXY_KINDS:
        return model.Enforcer.PROXY
    if bare == "Sidecar" or (bare == "DestinationRule" and _changes_transport(spec)):
        return model.Enforcer.CLIENT
    idle = bare == "DestinationRule" or _ENFORCED_ELSEWHERE.search(bare) or _is_idle(kind, spec)
    return model.Enforcer.NOBODY if idle else model.Enforcer.CNI


def _hosts(kind: str, spec: Mapping[str, Any]) -> tuple[str, ...]:
    """The host of a DestinationRule; the hosts that a Sidecar object lets through, if it says nothing else."""
    if kind == "DestinationRule":
        return (str(spec["host"]),) if spec.get("host") else ()
    if kind != "Sidecar" or not spec.keys() <= {"workloadSelector", "egress"}:
        return ()
    egress = spec.get("egress")
    if egress is None:
        return ("*/*",)
    if not isinstance(egress, list) or not all(isinstance(each, dict) and each.keys() == {"hosts"} for each in egress):
        return ()
    return tuple(str(host) for each in egress for host in each["hosts"] or ())


def _changes_transport(rule: Mapping[str, Any]) -> bool:
    """Whether a DestinationRule has TLS settings other than Istio's own mutual TLS, a tunnel or the PROXY protocol anywhere.

    A mode that isn't written is DISABLE (istio/api networking/v1alpha3/destination_rule.proto).
    """
    subsets = rule.get("subsets") or []
    holders = [rule, *(each for each in subsets if isinstance(each, dict))]
    policies = [policy for each in holders if isinstance(policy := each.get("trafficPolicy"), dict)]
    policies += [each for policy in policies for each in policy.get("portLevelSettings") or [] if isinstance(each, dict)]
    return any({"tunnel", "proxyProtocol"} & policy.keys() or not _is_istios(policy) for policy in policies)


def _is_istios(policy: Mapping[str, Any]) -> bool:
    """Whether a traffic policy has no TLS settings, or those of Istio's own mutual TLS."""
    tls = policy.get("tls", {"mode": "ISTIO_MUTUAL"})
    return isinstance(tls, dict) and tls.get("mode") == "ISTIO_MUTUAL"


def _is_idle(kind: str, spec: Mapping[str, Any]) -> bool:
    """Whether an object restricts and redirects nothing: a subnet without rules, an Envoy configuration without Services."""
    if kind == _SUBNET:
        return not (spec.get("private") or spec.get("acls") or spec.get("vpc") not in {None, "", "ovn-cluster"})
    return kind in _ENVOY_CONFIGS and not spec.get("services")


def _redirects_a_service(spec: Mapping[str, Any]) -> bool:
    """Whether a CiliumLocalRedirectPolicy is about a Service; else it is about an address."""
    frontend = spec.get("redirectFrontend")
    return isinstance(frontend, Mapping) and "serviceMatcher" in frontend and "addressMatcher" not in frontend


def _targets(spec: Mapping[str, Any]) -> tuple[TargetRef, ...]:
    """What an extension of Istio's proxies is attached to. Raises msgspec.ValidationError."""
    one, many = (
        convert(spec.get("targetRef"), wire.TargetRef | None),
        convert(spec.get("targetRefs"), list[wire.TargetRef] | None),
    )
    return target_refs(one, many)


def _selector(spec: Mapping[str, Any], kind: str) -> selectors.LabelSelector | None:
    """The labels that all selected pods have; None when they aren't known, so that any pod may be selected."""
    holders = ("workloadSelector", "endpointSelector", *(("selector",) if kind in PROXY_KINDS else ()))
    for holder in (*holders, *(("podSelector",) if kind in _BY_POD_SELECTOR else ())):
        found = spec.get(holder)
        if isinstance(found, dict):
            labels = found.get("labels", found.get("matchLabels"))
            if isinstance(labels, dict):
                return selectors.LabelSelector(tuple(sorted(_of_pods(labels))))
    return None


def _of_pods(labels: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The labels without Cilium's source prefixes, and without those that Cilium adds itself."""
    found = []
    for key, value in labels.items():
        bare = next((key.removeprefix(prefix) for prefix in _CILIUM_PREFIXES if key.startswith(prefix)), key)
        if not bare.startswith(_CILIUM_OWN) and ":" not in bare:
            found.append((str(bare), str(value)))
    return found


def _kind(name: str, group: str, versions: tuple[str, ...], plural: str, *, namespaced: bool = True) -> Kind:
    convert = partial(foreign_policy, kind=name, namespaced=namespaced)
    return Kind(
        name,
        group,
        versions,
        plural,
        "foreign",
        Foreign,
        convert,
        namespaced,
        optional=True,
        role=Role.POLICY,
        pairs=Pairs.EVERYBODY,
    )


def _cluster_wide(name: str, group: str, versions: tuple[str, ...], plural: str) -> Kind:
    return _kind(name, group, versions, plural, namespaced=False)


_ANTREA, _AWS = "crd.antrea.io", "networking.k8s.aws"
_OVN, _KUBE_OVN, _NEUVECTOR = "k8s.ovn.org", "kubeovn.io", "neuvector.com"
_NSX = ("crd.nsx.vmware.com", "nsx.vmware.com")
_SUBNET = f"Subnet.{_KUBE_OVN}"
_OF_CALICO = frozenset(f"{kind}.{group}" for kind in ("NetworkPolicy", "GlobalNetworkPolicy") for group in (_CALICO, _CALICO_CRD))
_OF_CILIUM = frozenset({"CiliumNetworkPolicy", "CiliumClusterwideNetworkPolicy"})
_ENVOY_CONFIGS = ("CiliumEnvoyConfig", "CiliumClusterwideEnvoyConfig")
_OF_CNIS = (
    _kind("CiliumNetworkPolicy", _CILIUM, ("v2",), "ciliumnetworkpolicies"),
    _cluster_wide("CiliumClusterwideNetworkPolicy", _CILIUM, ("v2",), "ciliumclusterwidenetworkpolicies"),
    _kind(f"NetworkPolicy.{_CALICO}", _CALICO, ("v3",), "networkpolicies"),
    _cluster_wide(f"GlobalNetworkPolicy.{_CALICO}", _CALICO, ("v3",), "globalnetworkpolicies"),
    _kind(f"NetworkPolicy.{_CALICO_CRD}", _CALICO_CRD, ("v1",), "networkpolicies"),
    _cluster_wide(f"GlobalNetworkPolicy.{_CALICO_CRD}", _CALICO_CRD, ("v1",), "globalnetworkpolicies"),
    _kind(f"NetworkPolicy.{_ANTREA}", _ANTREA, ("v1beta1",), "networkpolicies"),
    _cluster_wide(f"ClusterNetworkPolicy.{_ANTREA}", _ANTREA, ("v1beta1",), "clusternetworkpolicies"),
    _kind("ApplicationNetworkPolicy", _AWS, ("v1alpha1",), "applicationnetworkpolicies"),
    _cluster_wide(f"ClusterNetworkPolicy.{_AWS}", _AWS, ("v1alpha1",), "clusternetworkpolicies"),
    _kind("FQDNNetworkPolicy", "networking.gke.io", ("v1alpha1", "v1alpha3"), "fqdnnetworkpolicies"),
    _kind("EgressFirewall", _OVN, ("v1",), "egressfirewalls"),
    _kind("UserDefinedNetwork", _OVN, ("v1",), "userdefinednetworks"),
    _cluster_wide("ClusterUserDefinedNetwork", _OVN, ("v1",), "clusteruserdefinednetworks"),
    _kind("CiliumLocalRedirectPolicy", _CILIUM, ("v2",), "ciliumlocalredirectpolicies"),
    _kind("CiliumEnvoyConfig", _CILIUM, ("v2",), "ciliumenvoyconfigs"),
    _cluster_wide("CiliumClusterwideEnvoyConfig", _CILIUM, ("v2",), "ciliumclusterwideenvoyconfigs"),
    _cluster_wide("CiliumEgressGatewayPolicy", _CILIUM, ("v2",), "ciliumegressgatewaypolicies"),
    _kind("SecurityGroupPolicy", "vpcresources.k8s.aws", ("v1beta1",), "securitygrouppolicies"),
    *(_kind(f"SecurityPolicy.{group}", group, ("v1alpha1",), "securitypolicies") for group in _NSX),
    _kind("NvSecurityRule", _NEUVECTOR, ("v1",), "nvsecurityrules"),
    _cluster_wide("NvClusterSecurityRule", _NEUVECTOR, ("v1",), "nvclustersecurityrules"),
    _cluster_wide(_SUBNET, _KUBE_OVN, ("v1",), "subnets"),
    _cluster_wide(f"SecurityGroup.{_KUBE_OVN}", _KUBE_OVN, ("v1",), "security-groups"),
)
CNI_KINDS = tuple(kind.name for kind in _OF_CNIS)
"""The policy kinds of CNIs. A kind that is installed and can't be read may affect verdicts, like one that can be."""

KINDS = (
    _kind("EnvoyFilter", ISTIO_NETWORKING, ("v1alpha3",), "envoyfilters"),
    _kind("DestinationRule", ISTIO_NETWORKING, NETWORKING_VERSIONS, "destinationrules"),
    _kind("Sidecar", ISTIO_NETWORKING, NETWORKING_VERSIONS, "sidecars"),
    _kind("WasmPlugin", "extensions.istio.io", ("v1alpha1",), "wasmplugins"),
    _kind("TrafficExtension", "extensions.istio.io", ("v1alpha1",), "trafficextensions"),
    *_OF_CNIS,
)


def other_policy(group: str, kind: str, version: str, *, namespaced: bool) -> Kind | None:
    """A kind that isn't registered, but whose name indicates that it restricts traffic; None for any other.

    If a manifest of it has no namespace, the kind is assumed to apply to the whole cluster.
    """
    if not group or group.endswith(("networking.k8s.io", "istio.io")):
        return None
    if not _DECIDING.search(kind) and not (_MAY_DECIDE.search(kind) and kind not in _HARMLESS and not _OF_OTHERS.search(group)):
        return None
    return _kind(f"{kind}.{group}", group, (version,), f"{kind.lower()}s", namespaced=namespaced)
