"""What istiod makes of objects for ztunnels, and how a ztunnel's version shows in its dump."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from meshtui.sandbox.dataplane.certs import MeshCa
from meshtui.sandbox.dataplane.world import ContainerPort, Pod, World
from meshtui.sandbox.dataplane.ztunnels.connections import connections_by_pod
from meshtui.sandbox.dataplane.ztunnels.convert import policies, services, uid_of, workloads
from meshtui.sandbox.dataplane.ztunnels.dump import config_dump, istio_version

LABELS = {"app": "server", "version": "v2"}
SERVER = Pod(
    "u1", "shop", "server-5d-x", "127.1.0.1", LABELS, "server", "n1", (ContainerPort(8080, "http"),), True, False, True,
    owner=("Deployment", "server"),
)  # fmt: skip
CLIENT = Pod("u2", "ops", "client", "127.1.0.2", {}, "default", "n2", (), False, False, False, owner=("Pod", "client"))
ZTUNNEL = Pod(
    "u3", "istio-system", "ztunnel-a", "127.1.0.3", {"app": "ztunnel"}, "ztunnel", "n1", (), False, False, True,
    owner=("DaemonSet", "ztunnel"), image="docker.io/istio/ztunnel:1.27.1-distroless",
)  # fmt: skip


def made(kind, namespace, name, spec):
    return {"kind": kind, "metadata": {"namespace": namespace, "name": name}, "spec": spec}


def world(*objects, pods=(SERVER, CLIENT, ZTUNNEL)):
    by_plural = {}
    plurals = {"AuthorizationPolicy": "authorizationpolicies", "PeerAuthentication": "peerauthentications", "Service": "services"}
    for each in objects:
        by_plural.setdefault(plurals[each["kind"]], []).append(each)
    return World("cluster.local", "istio-system", {}, pods, (), {key: tuple(found) for key, found in by_plural.items()})


def rule(*parts):
    merged = {}
    for part in parts:
        merged |= part
    return {"rules": [merged]}


def source(**fields):
    return {"from": [{"source": fields}]}


def operation(**fields):
    return {"to": [{"operation": fields}]}


SELECTED = {"selector": {"matchLabels": {"app": "server"}}}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, ("Allow", [])),
        ({"rules": [{}]}, ("Allow", [[]])),
        ({"action": "DENY", **rule(source(principals=["*"]))}, ("Deny", [[[{"principals": [{"Presence": []}]}]]])),
        (
            rule(source(namespaces=["a", "b-*", "*-c"], notNamespaces=["d"])),
            (
                "Allow",
                [[[{"namespaces": [{"Exact": "a"}, {"Prefix": "b-"}, {"Suffix": "-c"}], "notNamespaces": [{"Exact": "d"}]}]]],
            ),
        ),
        (
            rule(source(serviceAccounts=["web", "ops/x"]), operation(ports=["8080"], notPorts=["22"])),
            (
                "Allow",
                [
                    [
                        [
                            {
                                "serviceAccounts": [
                                    {"namespace": "shop", "serviceAccount": "web"},
                                    {"namespace": "ops", "serviceAccount": "x"},
                                ]
                            }
                        ],
                        [{"destinationPorts": [8080], "notDestinationPorts": [22]}],
                    ]
                ],
            ),
        ),
        (
            rule(source(ipBlocks=["10.0.0.1", "10.1.0.0/16"], notIpBlocks=["10.1.1.0/24"])),
            ("Allow", [[[{"notSourceIps": ["10.1.1.0/24"], "sourceIps": ["10.0.0.1/32", "10.1.0.0/16"]}]]]),
        ),
        ({"action": "DENY", **rule(operation(methods=["GET"]))}, ("Deny", [[[{}]]])),
        (rule(operation(methods=["GET"])), ("Allow", [])),
        (
            {"rules": [{"when": [{"key": "destination.port", "values": ["1"]}, {"key": "source.ip", "values": ["::1"]}]}]},
            ("Allow", [[[{"destinationPorts": [1]}], [{"sourceIps": ["::1/128"]}]]]),
        ),
    ],
)
def test_rules_clauses_and_matches(spec, expected):
    (found,) = policies(world(made("AuthorizationPolicy", "shop", "p", spec)))
    assert (found["action"], found["rules"]) == expected


def test_scopes_and_what_is_not_sent():
    found = policies(
        world(
            made("AuthorizationPolicy", "shop", "z", {}),
            made("AuthorizationPolicy", "shop", "a", SELECTED),
            made("AuthorizationPolicy", "istio-system", "everywhere", {}),
            made("AuthorizationPolicy", "shop", "for-a-proxy", {"targetRefs": [{"kind": "Service", "name": "s"}]}),
            made("AuthorizationPolicy", "shop", "audit", {"action": "AUDIT"}),
        )
    )
    assert [(each["namespace"], each["name"], each["scope"]) for each in found] == [
        ("istio-system", "everywhere", "Global"),
        ("shop", "a", "WorkloadSelector"),
        ("shop", "z", "Namespace"),
    ]


def test_policies_made_of_peer_authentications():
    ports = {**SELECTED, "portLevelMtls": {"9090": {"mode": "STRICT"}}}
    seen = world(made("PeerAuthentication", "shop", "default", {"mtls": {"mode": "STRICT"}}))
    assert [(each["name"], each["rules"]) for each in policies(seen)] == [
        ("istio_converted_static_strict", [[[{"notPrincipals": [{"Presence": []}]}]]])
    ]
    server = next(each for each in workloads(seen) if each["namespace"] == "shop")
    assert server["authorizationPolicies"] == ["istio-system/istio_converted_static_strict"]
    seen = world(made("PeerAuthentication", "shop", "ports", ports))
    converted = next(each for each in policies(seen) if each["name"] == "converted_peer_authentication_ports")
    assert (converted["action"], converted["rules"]) == (
        "Deny",
        [[[{"destinationPorts": [9090], "notPrincipals": [{"Presence": []}]}]]],
    )
    server = next(each for each in workloads(seen) if each["namespace"] == "shop")
    assert server["authorizationPolicies"] == ["shop/converted_peer_authentication_ports"]


def test_workloads():
    found = {each["name"]: each for each in workloads(world(made("AuthorizationPolicy", "shop", "p", SELECTED)))}
    server, client = found["server-5d-x"], found["client"]
    assert server["uid"] == "Kubernetes//Pod/shop/server-5d-x" == uid_of(SERVER)
    assert (server["protocol"], server["status"], server["workloadName"]) == ("HBONE", "Healthy", "server")
    assert (server["canonicalName"], server["canonicalRevision"]) == ("server", "v2")
    assert server["authorizationPolicies"] == ["shop/p"]
    assert (client["protocol"], client["status"], client["canonicalRevision"]) == ("TCP", "Unhealthy", "latest")
    assert "authorizationPolicies" not in client


def test_services_and_their_endpoints():
    ports = [{"port": 80, "targetPort": "http"}, {"port": 81, "targetPort": 8081}]
    selected = {"selector": {"app": "server"}, "ports": ports}
    found = services(
        world(
            made("Service", "shop", "server", {"clusterIP": "10.96.0.1", **selected}),
            made("Service", "shop", "headless", {"clusterIP": "None", **selected}),
            made("Service", "ops", "eager", {"publishNotReadyAddresses": True, "ports": [{"port": 1}]}),
            made("Service", "ops", "elsewhere", {"type": "ExternalName", "externalName": "x"}),
        )
    )
    assert [each["name"] for each in found] == ["eager", "headless", "server"]
    eager, headless, server = found
    assert (server["vips"], headless["vips"]) == (["/10.96.0.1"], [])
    assert server["ports"] == {"80": 0, "81": 8081}
    uid = uid_of(SERVER)
    assert server["endpoints"] == {uid: {"port": {"80": 8080, "81": 8081}, "status": "Healthy", "workloadUid": uid}}
    assert eager["loadBalancer"]["healthPolicy"] == "AllowAll"


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("istio/ztunnel:1.27.1", "1.27.1"),
        ("docker.io/istio/ztunnel:1.27.1-distroless", "1.27.1"),
        ("r:5000/istio/ztunnel:1.30.0-beta.1@sha256:abc", "1.30.0-beta.1"),
        ("r:5000/istio/ztunnel", "unknown"),
    ],
)
def test_the_version_is_the_tag_of_the_image(image, version):
    assert istio_version(SimpleNamespace(image=image)) == version


@pytest.mark.parametrize(
    ("tag", "dry_run", "visible"), [("1.27.1", False, False), ("1.29.0", True, False), ("1.31.0", True, True)]
)
def test_fields_come_with_versions(tmp_path, tag, dry_run, visible):

    ztunnel = replace(ZTUNNEL, image=f"istio/ztunnel:{tag}")
    objects = (made("AuthorizationPolicy", "shop", "p", {}), made("Service", "shop", "s", {"ports": [{"port": 1}]}))
    dump = json.loads(config_dump(world(*objects), ztunnel, MeshCa(tmp_path / "ca")))
    assert ("dryRun" in dump["policies"][0], "visibility" in dump["services"][0]) == (dry_run, visible)


def test_connections_through_doors():
    found = connections_by_pod(
        world(),
        [
            ("out|u1|pod/u2/9000", ("127.1.0.1", 4000)),
            ("in|u1|15008", ("127.1.0.9", 4001)),
            ("in|u1|8080", ("127.1.0.2", 4002)),
            ("in|u2|9000", ("127.1.0.1", 4000)),
            ("node-port", ("127.0.0.1", 4003)),
            ("out|u1|svc/shop/gone/80", ("127.1.0.1", 4004)),
        ],
    )
    assert found == {
        "u1": {
            "inbound": [
                {"actualDst": "127.1.0.1:8080", "originalDst": None, "protocol": "HBONE", "src": "127.1.0.9:4001"},
                {"actualDst": "127.1.0.1:8080", "originalDst": None, "protocol": "TCP", "src": "127.1.0.2:4002"},
            ],
            "outbound": [
                {"actualDst": "127.1.0.2:9000", "originalDst": "127.1.0.2:9000", "protocol": "TCP", "src": "127.1.0.1:4000"}
            ],
        }
    }
