"""NetworkPolicy as the sandbox enforces it: one named row for each corner of the specification."""

import pytest

from meshtui.sandbox.dataplane import netpol
from meshtui.sandbox.dataplane.world import ContainerPort, Pod, World


def pod(ref, ip, *, port=8000, name="http", captured=False, **labels):
    namespace, own = ref.split("/")
    ports = (ContainerPort(port, name),)
    return Pod(ref, namespace, own, ip, labels, "default", "node-a", ports, captured, gateway=False, ready=True)


CLIENT = pod("ecom/client", "10.0.0.1", app="client", tier="front")
SERVER = pod("inventory/server", "10.0.0.2", app="server")
NAMESPACES = {name: {"kubernetes.io/metadata.name": name} for name in ("ecom", "inventory")}
NS_ECOM = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ecom"}}}
APP = {"podSelector": {"matchLabels": {"app": "client"}}}
OTHER_APP = {"podSelector": {"matchLabels": {"app": "other"}}}


def expression(operator, *values, key="tier"):
    each = {"key": key, "operator": operator, **({"values": list(values)} if values else {})}
    return {**NS_ECOM, "podSelector": {"matchExpressions": [each]}}


def ingress(*rules, **spec):
    return {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": list(rules), **spec}


INGRESS_ROWS = {
    "no rule at all lets nothing in": (ingress(), False),
    "an empty rule lets everything in": (ingress({}), True),
    "from [] is everything": (ingress({"from": []}), True),
    "a policy for other pods doesn't count": (ingress(podSelector={"matchLabels": {"app": "x"}}), True),
    "an absent namespaceSelector means the own namespace": (ingress({"from": [APP]}), False),
    "both selectors in one peer are AND": (ingress({"from": [{**NS_ECOM, **OTHER_APP}]}), False),
    "two peers are OR": (ingress({"from": [NS_ECOM, OTHER_APP]}), True),
    "an empty namespaceSelector is every namespace": (ingress({"from": [{"namespaceSelector": {}}]}), True),
    "In": (ingress({"from": [expression("In", "front")]}), True),
    "NotIn": (ingress({"from": [expression("NotIn", "front")]}), False),
    "NotIn matches a missing key": (ingress({"from": [expression("NotIn", "a", key="none")]}), True),
    "Exists": (ingress({"from": [expression("Exists")]}), True),
    "DoesNotExist": (ingress({"from": [expression("DoesNotExist")]}), False),
    "ipBlock": (ingress({"from": [{"ipBlock": {"cidr": "10.0.0.0/24"}}]}), True),
    "except inside cidr": (ingress({"from": [{"ipBlock": {"cidr": "10.0.0.0/24", "except": ["10.0.0.1/32"]}}]}), False),
    "an IPv6 block never has an IPv4 pod": (ingress({"from": [{"ipBlock": {"cidr": "::/0"}}]}), False),
    "the port": (ingress({"ports": [{"port": 8000}]}), True),
    "another port": (ingress({"ports": [{"port": 9000}]}), False),
    "a named port": (ingress({"ports": [{"port": "http"}]}), True),
    "a name that no container has": (ingress({"ports": [{"port": "grpc"}]}), False),
    "endPort": (ingress({"ports": [{"port": 7000, "endPort": 8000}]}), True),
    "another protocol": (ingress({"ports": [{"port": 8000, "protocol": "UDP"}]}), False),
    "only a protocol is all of its ports": (ingress({"ports": [{"protocol": "TCP"}]}), True),
    "policyTypes default to Ingress": ({"podSelector": {}}, False),
    "an egress policy doesn't judge what comes in": ({"podSelector": {}, "policyTypes": ["Egress"]}, True),
}


def world(*specs, namespace="inventory"):
    policies = tuple({"metadata": {"namespace": namespace, "name": f"p{i}"}, "spec": s} for i, s in enumerate(specs))
    return World("cluster.local", "istio-system", NAMESPACES, (CLIENT, SERVER), (), {"networkpolicies": policies})


@pytest.mark.parametrize(("spec", "passes"), INGRESS_ROWS.values(), ids=INGRESS_ROWS)
def test_ingress(spec, passes):
    assert netpol.drops(world(spec), CLIENT, SERVER, 8000) is not passes


EGRESS_ROWS = {
    "an egress rule makes it an egress policy": ({"podSelector": {}, "egress": [{"ports": [{"port": 1}]}]}, False),
    "an egress section without rules doesn't": ({"podSelector": {}, "egress": []}, True),
    "a named port is the destination's": ({"podSelector": {}, "egress": [{"ports": [{"port": "http"}]}]}, True),
    "to another namespace": (
        {"podSelector": {}, "egress": [{"to": [{"namespaceSelector": {}}], "ports": [{"port": 8000}]}]},
        True,
    ),
    "to the own namespace only": ({"podSelector": {}, "egress": [{"to": [{"podSelector": {}}]}]}, False),
}


@pytest.mark.parametrize(("spec", "passes"), EGRESS_ROWS.values(), ids=EGRESS_ROWS)
def test_egress(spec, passes):
    assert netpol.drops(world(spec, namespace="ecom"), CLIENT, SERVER, 8000) is not passes


def test_policies_are_a_union():
    assert not netpol.drops(world(ingress(), ingress({"from": [NS_ECOM]})), CLIENT, SERVER, 8000)


def test_a_pod_always_reaches_itself():
    assert not netpol.drops(world(ingress()), SERVER, SERVER, 8000)


def test_named_ports_are_resolved_per_pod():
    other = pod("inventory/newer", "10.0.0.3", port=9000)
    only_http = world(ingress({"ports": [{"port": "http"}]}))
    assert not netpol.drops(only_http, CLIENT, other, 9000)
    assert netpol.drops(only_http, CLIENT, other, 8000)
