"""HTTPRoute: which hosts, in which order, and whose routes a gateway takes."""

import pytest

from meshtui.sandbox.dataplane.httproute import virtual_hosts
from meshtui.sandbox.dataplane.world import World

LISTENER = {"name": "http", "port": 80, "protocol": "HTTP", "allowedRoutes": {"namespaces": {"from": "All"}}}
GATEWAY = {"metadata": {"namespace": "infra", "name": "gateway"}, "spec": {"listeners": [LISTENER]}}
NAMESPACES = {"infra": {}, "ecom": {"shop": "yes"}}


def route(*rules, namespace="ecom", hosts=None, **ref):
    parent = {"name": "gateway", "namespace": "infra", **ref}
    spec = {"parentRefs": [parent], "rules": list(rules), **({"hostnames": hosts} if hosts else {})}
    return {"metadata": {"namespace": namespace, "name": "r"}, "spec": spec}


def rule(kind, value, **match):
    return {"matches": [{"path": {"type": kind, "value": value}, **match}], "backendRefs": [{"name": "s", "port": 80}]}


def hosts_of(*routes, listener=LISTENER):
    world = World("cluster.local", "istio-system", NAMESPACES, (), (), {"httproutes": routes})
    return virtual_hosts(world, GATEWAY, listener, lambda namespace, name, port: f"{namespace}/{name}:{port}")


def test_the_most_specific_match_comes_first():
    rules = [
        rule("PathPrefix", "/"),
        rule("PathPrefix", "/a/long"),
        rule("PathPrefix", "/a", method="GET"),
        rule("Exact", "/a"),
        rule("PathPrefix", "/a"),
    ]
    (host,) = hosts_of(route(*rules))
    matches = [each["match"] for each in host["routes"]]
    assert [each.get("path") or each.get("path_separated_prefix") or each["prefix"] for each in matches] == [
        "/a",
        "/a/long",
        "/a",
        "/a",
        "/",
    ]
    assert [header["name"] for header in matches[2]["headers"]] == [":method"]


def test_routes_without_a_host_are_everyones():
    named, anyone = route(rule("Exact", "/named"), hosts=["api.service.net"]), route(rule("Exact", "/anyone"))
    found = {host["domains"][0]: len(host["routes"]) for host in hosts_of(named, anyone)}
    assert found == {"*": 1, "api.service.net": 2}


HOST_ROWS = {
    "the listener's own": ("api.service.net", ["api.service.net"], ["api.service.net"]),
    "a route without hosts takes the listener's": ("api.service.net", None, ["api.service.net"]),
    "another host": ("api.service.net", ["example.org"], []),
    "a wildcard listener": ("*.service.net", ["api.service.net", "example.org"], ["api.service.net"]),
    "a wildcard route": ("api.service.net", ["*.service.net"], ["api.service.net"]),
}


@pytest.mark.parametrize(("offered", "wanted", "expected"), HOST_ROWS.values(), ids=HOST_ROWS)
def test_hosts(offered, wanted, expected):
    found = hosts_of(route(rule("Exact", "/"), hosts=wanted), listener={**LISTENER, "hostname": offered})
    assert [host["domains"][0] for host in found] == expected


ATTACH_ROWS = {
    "All": ({"from": "All"}, {}, True),
    "Same": ({"from": "Same"}, {}, False),
    "the default is Same": ({}, {}, False),
    "Selector": ({"from": "Selector", "selector": {"matchLabels": {"shop": "yes"}}}, {}, True),
    "a selector that doesn't fit": ({"from": "Selector", "selector": {"matchLabels": {"shop": "no"}}}, {}, False),
    "another section": ({"from": "All"}, {"sectionName": "https"}, False),
    "another gateway": ({"from": "All"}, {"name": "other"}, False),
}


@pytest.mark.parametrize(("allowed", "ref", "attached"), ATTACH_ROWS.values(), ids=ATTACH_ROWS)
def test_attachment(allowed, ref, attached):
    listener = {**LISTENER, "allowedRoutes": {"namespaces": allowed}}
    assert bool(hosts_of(route(rule("Exact", "/"), **ref), listener=listener)) is attached


def test_a_rule_without_backends_answers_500():
    (host,) = hosts_of(route({"matches": [{"path": {"value": "/"}}]}))
    assert host["routes"][0]["direct_response"] == {"status": 500}


def test_a_backend_is_in_the_routes_namespace_unless_it_says_otherwise():
    elsewhere = {"backendRefs": [{"name": "s", "namespace": "inventory", "port": 1}]}
    (host,) = hosts_of(route(rule("Exact", "/"), elsewhere))
    assert [each["route"]["cluster"] for each in host["routes"]] == ["ecom/s:80", "inventory/s:1"]
