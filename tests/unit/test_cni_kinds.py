"""A CNI's own policy that isn't judged is never an allow for what it may select, and never a doubt for anything else."""

import pytest

from meshtui.engine.explain.wording import in_words as said
from meshtui.engine.matrix.matrix import Matrix
from meshtui.model.snapshot import Snapshot
from tests.fakes.snapshots import judge, namespace, pod, snapshot_of

WORLD = [
    namespace("a"),
    namespace("b"),
    pod("a/web", "10.0.0.1", labels={"app": "web"}),
    pod("a/db", "10.0.0.2", [5432], labels={"app": "db"}),
    pod("b/web", "10.0.0.3", labels={"app": "web"}),
    pod("b/db", "10.0.0.4", [5432], labels={"app": "db"}),
]
CALICO, CRD = "projectcalico.org/v3", "crd.projectcalico.org/v1"


def policy(version, kind, namespace="", **spec):
    metadata = {"name": "p", **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}


ADDRESS = {"addressMatcher": {"ip": "169.254.169.254"}}
IN_B, EVERYWHERE = {"a": "allow", "b": "unknown"}, {"a": "unknown", "b": "unknown"}
NOWHERE = {"a": "allow", "b": "allow"}
CASES = {
    "Calico's NetworkPolicy": (policy(CALICO, "NetworkPolicy", "b", selector="all()"), IN_B),
    "… as Calico stores it": (policy(CRD, "NetworkPolicy", "b", selector="all()"), IN_B),
    "Calico's GlobalNetworkPolicy": (policy(CALICO, "GlobalNetworkPolicy", selector="all()"), EVERYWHERE),
    "… as Calico stores it, too": (policy(CRD, "GlobalNetworkPolicy", order=1), EVERYWHERE),
    "… with a namespace that somebody wrote": (policy(CRD, "GlobalNetworkPolicy", "default"), EVERYWHERE),
    "a staged policy enforces nothing": (policy(CALICO, "StagedGlobalNetworkPolicy", selector="all()"), NOWHERE),
    "Cilium, by a label with its prefix": (
        policy("cilium.io/v2", "CiliumNetworkPolicy", "b", endpointSelector={"matchLabels": {"k8s:app": "db"}}),
        IN_B,
    ),
    "Cilium, about other pods": (
        policy("cilium.io/v2", "CiliumNetworkPolicy", "b", endpointSelector={"matchLabels": {"any:app": "cache"}}),
        NOWHERE,
    ),
    "Cilium in the whole cluster": (
        policy("cilium.io/v2", "CiliumClusterwideNetworkPolicy", endpointSelector={"matchLabels": {"app": "db"}}),
        EVERYWHERE,
    ),
    "Cilium, by a label of its own": (
        policy(
            "cilium.io/v2",
            "CiliumClusterwideNetworkPolicy",
            endpointSelector={"matchLabels": {"k8s:io.kubernetes.pod.namespace": "b"}},
        ),
        EVERYWHERE,
    ),
    "Cilium, several at once": (
        policy("cilium.io/v2", "CiliumNetworkPolicy", "b", endpointSelector={"matchLabels": {"app": "x"}}) | {"specs": [{}]},
        IN_B,
    ),
    "Cilium about nodes": (policy("cilium.io/v2", "CiliumClusterwideNetworkPolicy", nodeSelector={}), NOWHERE),
    "Cilium's BGP": (policy("cilium.io/v2alpha1", "CiliumBGPPeeringPolicy"), NOWHERE),
    "Antrea's NetworkPolicy": (policy("crd.antrea.io/v1beta1", "NetworkPolicy", "b"), IN_B),
    "Antrea's ClusterNetworkPolicy": (policy("crd.antrea.io/v1beta1", "ClusterNetworkPolicy"), EVERYWHERE),
    "AWS's ApplicationNetworkPolicy": (policy("networking.k8s.aws/v1alpha1", "ApplicationNetworkPolicy", "b"), IN_B),
    "AWS's ClusterNetworkPolicy": (policy("networking.k8s.aws/v1alpha1", "ClusterNetworkPolicy"), EVERYWHERE),
    "GKE's FQDNNetworkPolicy, about egress": (policy("networking.gke.io/v1alpha1", "FQDNNetworkPolicy", "b"), IN_B),
    "OVN's EgressFirewall": (policy("k8s.ovn.org/v1", "EgressFirewall", "b"), IN_B),
    "OVN's ClusterUserDefinedNetwork": (policy("k8s.ovn.org/v1", "ClusterUserDefinedNetwork"), EVERYWHERE),
    "a kind that nobody knows": (policy("example.com/v1", "SuperNetworkPolicy", "b"), IN_B),
    "… without a namespace": (policy("example.com/v1", "SuperNetworkPolicy"), EVERYWHERE),
    "a kind that decides nothing": (policy("crd.projectcalico.org/v1", "IPPool"), NOWHERE),
    "Cilium's EnvoyConfig": (policy("cilium.io/v2", "CiliumEnvoyConfig", "b", services=[{"name": "db"}]), IN_B),
    "… without Services": (policy("cilium.io/v2", "CiliumEnvoyConfig", "b", resources=[]), NOWHERE),
    "… in the whole cluster": (policy("cilium.io/v2", "CiliumClusterwideEnvoyConfig", services=[{"name": "db"}]), EVERYWHERE),
    "Cilium's LocalRedirectPolicy": (
        policy("cilium.io/v2", "CiliumLocalRedirectPolicy", "b", redirectFrontend={"serviceMatcher": {"serviceName": "db"}}),
        IN_B,
    ),
    "… about an address": (policy("cilium.io/v2", "CiliumLocalRedirectPolicy", "b", redirectFrontend=ADDRESS), NOWHERE),
    "Cilium's EgressGatewayPolicy": (
        policy("cilium.io/v2", "CiliumEgressGatewayPolicy", destinationCIDRs=["0.0.0.0/0"]),
        NOWHERE,
    ),
    "Calico's EgressGatewayPolicy": (policy(CALICO, "EgressGatewayPolicy"), NOWHERE),
    "GKE's EgressNATPolicy": (policy("networking.gke.io/v1", "EgressNATPolicy"), NOWHERE),
    "Cilium's state of a pod": (policy("cilium.io/v2", "CiliumEndpoint", "b"), NOWHERE),
    "AWS's SecurityGroupPolicy": (
        policy("vpcresources.k8s.aws/v1beta1", "SecurityGroupPolicy", "b", podSelector={"matchLabels": {"app": "db"}}),
        IN_B,
    ),
    "… about other pods": (
        policy("vpcresources.k8s.aws/v1beta1", "SecurityGroupPolicy", "b", podSelector={"matchLabels": {"app": "x"}}),
        NOWHERE,
    ),
    "… by ServiceAccounts": (policy("vpcresources.k8s.aws/v1beta1", "SecurityGroupPolicy", "b", serviceAccountSelector={}), IN_B),
    "NSX's SecurityPolicy": (policy("crd.nsx.vmware.com/v1alpha1", "SecurityPolicy", "b", appliedTo=[{"podSelector": {}}]), IN_B),
    "… of the older group": (policy("nsx.vmware.com/v1alpha1", "SecurityPolicy", "b"), IN_B),
    "NeuVector's rule": (policy("neuvector.com/v1", "NvSecurityRule", "b"), IN_B),
    "… of the cluster": (policy("neuvector.com/v1", "NvClusterSecurityRule"), EVERYWHERE),
    "… about what may be created": (policy("neuvector.com/v1", "NvAdmissionControlSecurityRule"), NOWHERE),
    "Kube-OVN's subnet": (policy("kubeovn.io/v1", "Subnet", private=False, vpc="ovn-cluster"), NOWHERE),
    "… that is private": (policy("kubeovn.io/v1", "Subnet", private=True, allowSubnets=["10.1.0.0/16"]), EVERYWHERE),
    "… with rules": (policy("kubeovn.io/v1", "Subnet", acls=[{"action": "drop"}]), EVERYWHERE),
    "… of another VPC": (policy("kubeovn.io/v1", "Subnet", vpc="other"), EVERYWHERE),
    "Kube-OVN's SecurityGroup": (policy("kubeovn.io/v1", "SecurityGroup"), EVERYWHERE),
    "Linkerd's AuthorizationPolicy": (policy("policy.linkerd.io/v1alpha1", "AuthorizationPolicy", "b"), IN_B),
    "Kuma's permissions": (policy("kuma.io/v1alpha1", "MeshTrafficPermission", "b"), IN_B),
    "Consul's intentions": (policy("consul.hashicorp.com/v1alpha1", "ServiceIntentions", "b"), IN_B),
    "Antrea's TrafficControl": (policy("crd.antrea.io/v1alpha2", "TrafficControl"), EVERYWHERE),
    "an access rule of somebody": (policy("example.com/v1", "NetworkAccessRule", "b"), IN_B),
    "Envoy Gateway's SecurityPolicy, for its own gateways": (
        policy("gateway.envoyproxy.io/v1alpha1", "SecurityPolicy", "b"),
        NOWHERE,
    ),
    "a cloud's SecurityGroupRule": (policy("ec2.aws.crossplane.io/v1alpha1", "SecurityGroupRule"), NOWHERE),
    **{
        f"{kind} of {version}": (policy(version, kind, "b"), NOWHERE)
        for kind, version in (
            ("PodSecurityPolicy", "policy/v1beta1"),
            ("SecurityContextConstraints", "security.openshift.io/v1"),
            ("Ingress", "networking.k8s.io/v1"),
            ("IngressClass", "networking.k8s.io/v1"),
            ("NetworkAttachmentDefinition", "k8s.cni.cncf.io/v1"),
            ("NodeNetworkConfigurationPolicy", "nmstate.io/v1"),
            ("SriovNetworkNodePolicy", "sriovnetwork.openshift.io/v1"),
            ("PrometheusRule", "monitoring.coreos.com/v1"),
            ("ClusterRole", "rbac.authorization.k8s.io/v1"),
            ("AccessLogPolicy", "application-networking.k8s.aws/v1alpha1"),
            ("TrafficPolicy", "gateway.kgateway.dev/v1alpha1"),
            ("XBackendTrafficPolicy", "gateway.networking.x-k8s.io/v1alpha1"),
        )
    },
}


@pytest.mark.parametrize(("written", "expected"), CASES.values(), ids=CASES)
def test_what_it_may_select_is_unknown_and_nothing_else(written, expected):
    snapshot = snapshot_of(WORLD, [written])
    matrix = Matrix(snapshot)
    for space, decision in expected.items():
        verdict = judge(snapshot, f"{space}/web > {space}/db:5432")
        assert verdict.decision.value == decision
        assert matrix.judge(f"{space}/web", f"{space}/db", 5432).decision.value == decision
        if decision == "unknown":
            named = [decider.ref for step in verdict.steps for decider in step.objects]
            assert any(ref.kind.startswith(written["kind"]) and ref.name == "p" for ref in named)
            assert written["apiVersion"] in said(verdict.reason)


def test_egress_only_says_nothing_about_who_comes_in():
    snapshot = snapshot_of(WORLD, [policy("k8s.ovn.org/v1", "EgressFirewall", "b")])
    assert judge(snapshot, "a/web > b/db:5432").decision.value == "allow"
    assert judge(snapshot, "b/web > a/db:5432").decision.value == "unknown"


@pytest.mark.parametrize(
    ("written", "spaces"),
    [
        (policy("cilium.io/v2", "CiliumEgressGatewayPolicy", destinationCIDRs=["0.0.0.0/0"]), "ab"),
        (policy("cilium.io/v2", "CiliumLocalRedirectPolicy", "b", redirectFrontend=ADDRESS), "ab"),
        (policy(CALICO, "EgressGatewayPolicy"), "ab"),
        (policy("cilium.io/v2", "CiliumEnvoyConfig", "b", services=[{"name": "db"}]), ""),
    ],
    ids=["an egress gateway", "a redirected address", "Calico's egress gateway", "a Service's proxy"],
)
def test_what_only_changes_the_way_to_the_outside(written, spaces):
    snapshot = snapshot_of(WORLD, [written])
    for space in "ab":
        verdict = judge(snapshot, f"{space}/web > 169.254.169.254:80")
        assert verdict.decision.value == ("unknown" if space in spaces else "allow")


def test_what_leads_a_service_elsewhere_says_nothing_about_its_pods_own_connections():
    snapshot = snapshot_of(WORLD, [policy("cilium.io/v2", "CiliumEnvoyConfig", "b", services=[{"name": "db"}])])
    assert judge(snapshot, "b/web > a/db:5432").decision.value == "allow"


def test_a_cluster_wide_policy_is_in_no_namespace():
    snapshot = snapshot_of([namespace("default")], [policy(CALICO, "GlobalNetworkPolicy")])
    assert [str(each.meta.ref) for each in snapshot.foreign.values()] == ["GlobalNetworkPolicy.projectcalico.org p"]
    assert isinstance(snapshot, Snapshot)
