"""ztunnels against each other: who differs from most, in which object and field."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshtui.mesh.between import between_ztunnels
from meshtui.model.ids import ObjectRef
from tests.fakes.ztunnels import dump, look_of, policy, service, workload

WORLD = {
    "workloads": [workload("shop", "web-1"), workload("shop", "db-0", "10.0.0.2")],
    "services": [service("shop", "web")],
    "policies": [policy("shop", "allow-web"), policy("shop", "allow-db")],
}


def told(*dumps):
    return [(d.node, d.name, d.field, d.found) for d in between_ztunnels(look_of(*dumps).nodes)]


def test_equal_ones_say_nothing_in_whatever_order_lists_are():
    backwards = {key: list(reversed(value)) for key, value in WORLD.items()}
    assert told(dump("a", **WORLD), dump("b", **backwards), dump("c", **WORLD)) == []


def test_the_odd_one_out_is_named_with_object_and_field():
    old = {**WORLD, "policies": [policy("shop", "allow-web", action="Deny"), policy("shop", "allow-db")]}
    found = between_ztunnels(look_of(dump("a", **WORLD), dump("b", **old), dump("c", **WORLD)).nodes)
    assert [(d.node, d.name, d.field, d.expected, d.found, d.by) for d in found] == [
        ("b", "AuthorizationPolicy shop/allow-web", "action", '"Allow"', '"Deny"', "2 of 3 ztunnels")
    ]
    assert found[0].dangerous
    assert found[0].ref == ObjectRef("AuthorizationPolicy", "shop", "allow-web")


@pytest.mark.parametrize(
    ("part", "name"),
    [("workloads", "Pod shop/web-1"), ("services", "Service shop/web"), ("policies", "AuthorizationPolicy shop/allow-web")],
)
def test_what_one_lacks_and_what_only_one_has(part, name):
    less = {**WORLD, part: WORLD[part][1:]}
    if not less[part]:
        less[part] = [service("shop", "other")]
    found = told(dump("a", **WORLD), dump("b", **less), dump("c", **WORLD))
    assert ("b", name, "", "missing") in found
    more = told(dump("a", **less), dump("b", **WORLD), dump("c", **less))
    assert ("b", name, "", "there") in more


def test_one_with_nothing_at_all_is_one_difference_for_each_list():
    found = told(dump("a", **WORLD), dump("b"), dump("c", **WORLD))
    assert found == [
        ("b", "all workloads", "", "none"),
        ("b", "all Services", "", "none"),
        ("b", "all policies", "", "none"),
    ]


def test_the_first_may_be_the_odd_one():
    old = {**WORLD, "policies": WORLD["policies"][:1]}
    assert told(dump("a", **old), dump("b", **WORLD), dump("c", **WORLD)) == [
        ("a", "AuthorizationPolicy shop/allow-db", "", "missing")
    ]


def test_ztunnels_of_different_networks_see_different_workloads():
    other = {**WORLD, "workloads": WORLD["workloads"][:1]}
    assert told(dump("a", **WORLD), dump("b", network="net2", **other)) == []


def test_one_that_asks_on_demand_has_no_whole_lists():
    asking = json.loads(dump("b"))
    asking["config"]["xdsOnDemand"] = True
    assert told(dump("a", **WORLD), json.dumps(asking).encode()) == []


def test_an_older_version_with_other_fields_and_maps_is_no_drift():
    """Before 1.23 lists were maps; before 1.29 policies had no dryRun; endpoints had more fields and longer keys."""
    uid = WORLD["workloads"][0]["uid"]
    endpoint = {"port": {"80": 8080}, "status": "Healthy", "workloadUid": uid}
    new = {**WORLD, "services": [service("shop", "web", endpoints={uid: endpoint}, canonical=True)]}
    old = json.loads(dump("b", version="1.22.4", **WORLD))
    old["workloads"] = {f"/{each['workloadIps'][0]}": each for each in old["workloads"]}
    longer = {f"{uid}:/10.0.0.1": {**endpoint, "service": "shop/web", "address": "/10.0.0.1"}}
    old["services"] = {"/10.96.0.1": service("shop", "web", endpoints=longer)}
    old["policies"] = {
        f"shop/{each['name']}": {key: value for key, value in each.items() if key != "dryRun"} for each in old["policies"]
    }
    assert told(dump("a", **new), json.dumps(old).encode()) == []
    del old["policies"]["shop/allow-db"]
    assert told(dump("a", **new), json.dumps(old).encode()) == [("b", "AuthorizationPolicy shop/allow-db", "", "missing")]


def test_what_istiod_makes_itself_is_named_as_what_it_is():
    strict = policy("istio-system", "istio_converted_static_strict", action="Deny")
    ports = policy("shop", "converted_peer_authentication_ports", action="Deny")
    more = {**WORLD, "policies": [*WORLD["policies"], strict, ports]}
    found = told(dump("a", **more), dump("b", **WORLD), dump("c", **more))
    assert [name for _, name, _, _ in found] == [
        "the refusal of plaintext (PeerAuthentication STRICT)",
        "PeerAuthentication shop/ports",
    ]


UNREADABLE = {
    "policies": {**policy("shop", "allow-web"), "dryRun": "false"},
    "workloads": {**workload("shop", "web-1"), "nativeTunnel": "no"},
    "services": {**service("shop", "web"), "vips": 7},
}


@pytest.mark.parametrize("part", UNREADABLE)
@pytest.mark.parametrize("named", [True, False])
def test_an_entry_that_cannot_be_read_is_unknown_and_no_other_is_accused(part, named):
    bad = {**WORLD, part: [UNREADABLE[part] if named else 7, *WORLD[part][1:]]}
    assert told(dump("a", **WORLD), dump("b", **bad), dump("c", **bad)) == []
    less = {**WORLD, part: [UNREADABLE[part] if named else 7]}
    lacks = told(dump("a", **WORLD), dump("b", **less), dump("c", **WORLD))
    assert [node for node, *_ in lacks] == ["b"] * (named * len(WORLD[part][1:]))


@pytest.mark.parametrize("value", ["abc", None, 7, {"x": 7}, "absent"])
def test_a_table_that_cannot_be_read_is_not_compared(value):
    bad = json.loads(dump("b", **WORLD))
    if value == "absent":
        del bad["policies"]
    else:
        bad["policies"] = value
    look = look_of(dump("a", **WORLD), json.dumps(bad).encode())
    assert between_ztunnels(look.nodes) == ()
    assert look.nodes[1].dump.problems[0].startswith("policies")


@given(st.integers(2, 6), st.data())
def test_one_change_on_one_node_is_one_object_of_that_node(nodes, data):
    odd = data.draw(st.integers(0, nodes - 1))
    part = data.draw(st.sampled_from(sorted(WORLD)))
    place = data.draw(st.integers(0, len(WORLD[part]) - 1))
    fields = {"workloads": "serviceAccount", "services": "name", "policies": "scope"}
    changed = [dict(each) for each in WORLD[part]]
    changed[place][fields[part]] = "another"
    dumps = [dump(str(number), **({**WORLD, part: changed} if number == odd else WORLD)) for number in range(nodes)]
    found = between_ztunnels(look_of(*dumps).nodes)
    if nodes > 2:
        assert [(d.node, d.field) for d in found] == [(str(odd), fields[part])]
    else:
        assert len(found) == 1
