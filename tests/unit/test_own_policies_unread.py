"""Policies of CNIs that depend on objects which weren't all read: unknown, and never a guess."""

from dataclasses import replace

import pytest

from meshtui.cni import named
from meshtui.engine.policy.own import own_policies
from meshtui.model.snapshot import KindState, KindStatus
from tests.fakes.cilium import CILIUM, OUTSIDE, TO_CRAB, ccnp, crab
from tests.fakes.cilium import WORLD as SEA
from tests.fakes.snapshots import judge, namespace, pod, snapshot_of

CALICO = named("calico")
SHOP = [
    namespace("shop"),
    namespace("bank"),
    pod("shop/web", "10.0.0.1", [8080], {"app": "web"}),
    pod("bank/db", "10.0.1.1", [5432], {"app": "db"}),
    {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": "n1"},
        "status": {"addresses": [{"type": "InternalIP", "address": "192.168.0.9"}]},
    },
]
TO_DB, TO_NODE, TO_VM = "shop/web > bank/db:5432", "shop/web > 192.168.0.9:22", "shop/web > 203.0.113.7:22"
UNREAD = KindState(KindStatus.FORBIDDEN, "may not be listed")
SCOPED = KindState(KindStatus.SYNCED, scope="shop, sea")


def custom(kind, name, version="projectcalico.org/v3", **spec):
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec}


def gnp(name="g", selector="app == 'db'", kind="Ingress", **spec):
    return custom("GlobalNetworkPolicy", f"default.{name}", selector=selector, types=[kind], **spec)


def live(objects, cni, **states):
    """A live cluster; ``states`` are the kinds that weren't all read."""
    made = snapshot_of(objects, cni=cni, live=True)
    return replace(made, kinds={**made.kinds, **states})


def decision(snapshot, flow):
    return judge(snapshot, flow).decision.value


OF_ACCOUNT = gnp(ingress=[{"action": "Deny", "source": {"selector": "pcsa.trust == 'low'"}}, {"action": "Allow"}])
TO_SERVICE = gnp(
    "s",
    selector="app == 'web'",
    kind="Egress",
    egress=[{"action": "Deny", "destination": {"services": {"name": "db", "namespace": "bank"}}}, {"action": "Allow"}],
)
SERVES = crab("egress: [{toServices: [{k8sService: {serviceName: holes, namespace: land}}]}]")
TO_API = crab("ingress: [{fromEntities: [kube-apiserver]}]")
NAMED = crab(
    "egress: [{toEndpoints: [{}], toPorts: [{ports: [{port: den}]}]}, {toEntities: [all], toPorts: [{ports: [{port: '1'}]}]}]"
)


@pytest.mark.parametrize("state", [UNREAD, SCOPED], ids=["forbidden", "some namespaces"])
@pytest.mark.parametrize(
    ("objects", "cni", "kind", "flow", "known"),
    [
        ([*SHOP, OF_ACCOUNT], CALICO, "ServiceAccount", TO_DB, "allow"),
        ([*SHOP, TO_SERVICE], CALICO, "EndpointSlice", TO_DB, "allow"),
        ([*SEA, SERVES], CILIUM, "Service", "sea/crab > land/fox:9", "deny"),
        ([*SEA, TO_API], CILIUM, "EndpointSlice", OUTSIDE, "deny"),
        ([*SEA, NAMED], CILIUM, "Pod", "sea/crab > sea/eel:7001", "deny"),
    ],
    ids=["accounts", "slices of a Service", "Services", "the API server", "names of ports"],
)
def test_what_was_not_all_read_decides_nothing(objects, cni, kind, flow, known, state):
    assert decision(live(objects, cni), flow) == known
    assert decision(live(objects, cni, **{kind: state}), flow) == "unknown"


@pytest.mark.parametrize("kind", ["ServiceAccount", "EndpointSlice"])
def test_a_kind_that_becomes_unreadable_makes_new_rules(kind):
    before = live([*SHOP, OF_ACCOUNT, TO_SERVICE], CALICO)
    own = own_policies(before)
    assert own.kept(replace(before)) is not None
    assert own.kept(replace(before, kinds={**before.kinds, kind: UNREAD})) is None


def test_rules_of_calico_follow_the_admin_policies():
    """A tier with the order of the admin tier has no place as soon as there are admin policies."""
    admin = custom(
        "ClusterNetworkPolicy",
        "adm",
        "policy.networking.k8s.io/v1alpha2",
        tier="Admin",
        priority=1,
        subject={"namespaces": {}},
        ingress=[{"action": "Accept", "from": [{"namespaces": {"matchLabels": {"no": "body"}}}]}],
    )
    tier = custom("Tier", "foo", order=1000)
    objects = [*SHOP, tier, gnp() | {"metadata": {"name": "foo.p"}, "spec": {"tier": "foo", "selector": "all()"}}]
    before = snapshot_of(objects, cni=CALICO)
    after = replace(before, admin_policies=snapshot_of([admin]).admin_policies)
    assert (decision(before, TO_DB), decision(after, TO_DB)) == ("deny", "unknown")
    assert own_policies(before).kept(after) is None


def test_a_group_of_cidrs_that_files_lack_may_deny():
    policy = crab("ingress: [{fromEntities: [all]}], ingressDeny: [{fromCIDRSet: [{cidrGroupRef: nowhere}]}]")
    assert decision(snapshot_of(SEA, [policy], cni=CILIUM), OUTSIDE) == "unknown"
    assert decision(snapshot_of(SEA, [policy], cni=CILIUM), TO_CRAB) == "allow"  # it never means pods
    assert decision(live([*SEA, policy], CILIUM), OUTSIDE) == "allow"


HOST = custom("HostEndpoint", "n1", node="n1", expectedIPs=["192.168.0.9"])
VM = custom("HostEndpoint", "vm", interfaceName="*", expectedIPs=["203.0.113.7"])


@pytest.mark.parametrize(
    ("objects", "of_node", "of_vm"),
    [
        ([gnp()], "allow", "allow"),
        ([HOST], "allow", "allow"),
        ([HOST, gnp()], "unknown", "allow"),
        ([VM, gnp()], "unknown", "unknown"),
    ],
    ids=["no hosts", "no policies", "a node", "a machine outside"],
)
def test_policies_of_calico_may_select_hosts_that_it_knows(objects, of_node, of_vm):
    snapshot = snapshot_of(SHOP, objects, cni=CALICO)
    assert (decision(snapshot, TO_NODE), decision(snapshot, TO_VM)) == (of_node, of_vm)


def test_hosts_that_may_not_be_listed_may_be_there():
    hidden = live([*SHOP, gnp()], CALICO, **{"HostEndpoint.projectcalico.org": UNREAD})
    assert decision(hidden, "203.0.113.9 > 192.168.0.9:22") == "unknown"


def test_a_clusterwide_policy_of_nodes_is_about_nodes_alone():
    policy = ccnp("{nodeSelector: {}, ingress: [{}]}")
    snapshot = snapshot_of(SEA, [policy], cni=CILIUM)
    assert decision(snapshot, "sea/crab > 172.20.0.2:22") == "unknown"
    assert decision(snapshot, "sea/crab > 203.0.113.7:22") == "allow"
