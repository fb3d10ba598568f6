"""What ztunnel would enforce, and its verdict on plaintext peers."""

import pytest

from meshtui.sandbox.dataplane.authz import convert, policies_for
from meshtui.sandbox.dataplane.l4 import Match, plaintext_denied_by
from meshtui.sandbox.dataplane.peerauth import peer_authentication_policies
from meshtui.sandbox.dataplane.world import ContainerPort, Pod, World

SOURCE, DESTINATION = "127.1.0.9", "127.1.0.1"
STRICT_DENIED = "explicitly denied by: istio-system/istio_converted_static_strict"
PORTS_DENIED = "explicitly denied by: inventory/converted_peer_authentication_w"


def server(**labels):
    ports = (ContainerPort(8000, "http"), ContainerPort(9000, "admin"))
    return Pod("u", "inventory", "server", DESTINATION, labels, "s", "n", ports, captured=True, gateway=False, ready=True)


def policy(namespace, name, spec, **meta):
    return {"metadata": {"namespace": namespace, "name": name, **meta}, "spec": spec}


def world(**objects):
    return World("cluster.local", "istio-system", {}, (), (), {key: tuple(value) for key, value in objects.items()})


def verdict(spec, port=8000):
    return plaintext_denied_by([convert(policy("inventory", "p", spec))], SOURCE, DESTINATION, port)


def allow(*rules):
    return {"action": "ALLOW", "rules": list(rules)}


def deny(*rules):
    return {"action": "DENY", "rules": list(rules)}


def source(**fields):
    return {"from": [{"source": fields}]}


def operation(**fields):
    return {"to": [{"operation": fields}]}


PLAINTEXT_ROWS = {
    "no rules at all: nothing is allowed": ({"action": "ALLOW"}, False),
    "an empty rule allows everything": (allow({}), True),
    "a DENY policy without rules denies nothing": ({"action": "DENY"}, True),
    "an empty DENY rule denies everything": (deny({}), False),
    "a principal needs an identity": (allow(source(principals=["*"])), False),
    "notPrincipals passes without one": (allow(source(notPrincipals=["a"])), True),
    "notNamespaces passes without one": (deny(source(notNamespaces=["ecom"])), False),
    "ipBlocks": (allow(source(ipBlocks=["127.1.0.0/16"])), True),
    "a bare address": (allow(source(ipBlocks=[SOURCE])), True),
    "host bits are fine": (allow(source(ipBlocks=["127.1.0.99/24"])), True),
    "notIpBlocks": (allow(source(notIpBlocks=["127.1.0.0/16"])), False),
    "an IPv4-mapped block never matches": (allow(source(ipBlocks=["::ffff:127.1.0.9/128"])), False),
    "an unreadable block leaves an empty match": (allow(source(ipBlocks=["nonsense"])), False),
    "an unreadable block is dropped alone": (allow(source(ipBlocks=["nonsense", SOURCE])), True),
    "the port": (allow(operation(ports=["8000"])), True),
    "leading zeros": (allow(operation(ports=["08000"])), True),
    "a signed port is dropped": (allow(operation(ports=["+8000"])), False),
    "another port": (allow(operation(ports=["9000"])), False),
    "notPorts": (allow(operation(notPorts=["8000"])), False),
    "an ALLOW rule with L7 is omitted": (allow(operation(methods=["GET"])), False),
    "another ALLOW rule still counts": (allow(operation(methods=["GET"]), {}), True),
    "from X, to methods denies nothing": (deny({**source(ipBlocks=[SOURCE]), **operation(methods=["GET"])}), True),
    "from X, to ports and methods denies the ports": (
        deny({**source(ipBlocks=[SOURCE]), **operation(ports=["8000"], methods=["GET"])}),
        False,
    ),
    "an L7 condition of a DENY rule never matches": (deny({"when": [{"key": "request.headers[x]", "values": ["y"]}]}), True),
    "when source.ip": (allow({"when": [{"key": "source.ip", "values": [SOURCE]}]}), True),
    "when destination.ip": (allow({"when": [{"key": "destination.ip", "notValues": [DESTINATION]}]}), False),
    "trustDomains alone never matches": (allow(source(trustDomains=["x"])), False),
}


@pytest.mark.parametrize(("spec", "passes"), PLAINTEXT_ROWS.values(), ids=PLAINTEXT_ROWS)
def test_plaintext(spec, passes):
    assert (verdict(spec) is None) is passes


def test_deny_is_asked_before_allow_and_named():
    both = [convert(policy("inventory", "yes", allow({}))), convert(policy("inventory", "no", deny({})))]
    assert plaintext_denied_by(both, SOURCE, DESTINATION, 8000) == "explicitly denied by: inventory/no"


def test_a_bare_service_account_is_the_policys_own_namespace():
    converted = convert(policy("inventory", "p", allow(source(serviceAccounts=["a", "ecom/b"]))))
    assert converted.rules == (((Match(accounts=("inventory/a", "ecom/b")),),),)


SCOPE_ROWS = {
    "own namespace": ("inventory", {}, True),
    "another namespace": ("ecom", {}, False),
    "root namespace": ("istio-system", {}, True),
    "a selector that fits": ("inventory", {"selector": {"matchLabels": {"app": "server"}}}, True),
    "a selector in the root namespace": ("istio-system", {"selector": {"matchLabels": {"app": "server"}}}, True),
    "a selector that doesn't fit": ("inventory", {"selector": {"matchLabels": {"app": "x"}}}, False),
    "selector {} applies to nothing": ("inventory", {"selector": {}}, False),
    "targetRefs never reach ztunnel": ("inventory", {"targetRefs": [{"kind": "Service", "name": "s"}]}, False),
    "AUDIT doesn't": ("inventory", {"action": "AUDIT"}, False),
    "CUSTOM doesn't": ("inventory", {"action": "CUSTOM"}, False),
}


@pytest.mark.parametrize(("namespace", "spec", "applies"), SCOPE_ROWS.values(), ids=SCOPE_ROWS)
def test_scope(namespace, spec, applies):
    found = policies_for(world(authorizationpolicies=[policy(namespace, "p", spec)]), server(app="server"))
    assert bool(found) is applies


@pytest.mark.parametrize(("value", "enforced"), [("true", False), ("1", False), ("false", True), ("maybe", True)])
def test_dry_run(value, enforced):
    dry = policy("inventory", "p", {}, annotations={"istio.io/dry-run": value})
    assert bool(policies_for(world(authorizationpolicies=[dry]), server())) is enforced


def modes(mesh=None, namespace=None, workload=None, ports=None):
    made = []
    if mesh:
        made.append(policy("istio-system", "m", {"mtls": {"mode": mesh}}))
    if namespace:
        made.append(policy("inventory", "n", {"mtls": {"mode": namespace}}))
    if workload or ports:
        spec = {"selector": {"matchLabels": {"app": "server"}}, "mtls": {"mode": workload or "UNSET"}}
        made.append(policy("inventory", "w", {**spec, "portLevelMtls": {p: {"mode": m} for p, m in (ports or {}).items()}}))
    return made


PEER_ROWS = {
    "nothing": (modes(), None, None),
    "mesh STRICT": (modes("STRICT"), STRICT_DENIED, STRICT_DENIED),
    "the namespace overrides the mesh": (modes("STRICT", "PERMISSIVE"), None, None),
    "UNSET inherits": (modes("STRICT", "UNSET"), STRICT_DENIED, STRICT_DENIED),
    "the workload overrides the namespace": (modes("STRICT", "STRICT", "PERMISSIVE"), None, None),
    "DISABLE acts as PERMISSIVE": (modes("STRICT", "STRICT", "DISABLE"), None, None),
    "a PERMISSIVE port of a STRICT workload": (modes(workload="STRICT", ports={"9000": "PERMISSIVE"}), PORTS_DENIED, None),
    "a STRICT port of a PERMISSIVE workload": (modes(workload="PERMISSIVE", ports={"8000": "STRICT"}), PORTS_DENIED, None),
    "a PERMISSIVE port under a STRICT parent": (modes(namespace="STRICT", ports={"9000": "PERMISSIVE"}), PORTS_DENIED, None),
    "slip: only DISABLE ports under a STRICT parent": (
        modes("STRICT", ports={"9000": "DISABLE"}),
        STRICT_DENIED,
        STRICT_DENIED,
    ),
    "slip: mesh STRICT hides a STRICT port": (modes("STRICT", None, "PERMISSIVE", {"8000": "STRICT"}), None, None),
    "slip: a namespace UNSET under mesh STRICT": (modes("STRICT", "UNSET", None, {"9000": "PERMISSIVE"}), None, None),
}


@pytest.mark.parametrize(("policies", "on_8000", "on_9000"), PEER_ROWS.values(), ids=PEER_ROWS)
def test_peer_authentication(policies, on_8000, on_9000):
    found = peer_authentication_policies(world(peerauthentications=policies), server(app="server"))
    assert plaintext_denied_by(found, SOURCE, DESTINATION, 8000) == on_8000
    assert plaintext_denied_by(found, SOURCE, DESTINATION, 9000) == on_9000


def test_the_oldest_wins_within_a_level():
    old = policy("inventory", "z", {"mtls": {"mode": "PERMISSIVE"}}, creationTimestamp="2026-01-01T00:00:00Z")
    new = policy("inventory", "a", {"mtls": {"mode": "STRICT"}}, creationTimestamp="2026-02-01T00:00:00Z")
    assert peer_authentication_policies(world(peerauthentications=[new, old]), server()) == []
