"""Conditions that a ztunnel contradicts."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from meshtui.mesh.report import Between
from meshtui.mesh.status import status_differences
from meshtui.ztunnel.dump import Table
from tests.fakes.dumps import dump_of
from tests.fakes.snapshots import policy, snapshot_of
from tests.unit.mesh.test_desired_workloads import service

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
HOST = "shop/web.shop.svc.cluster.local"
WAYPOINT = {"waypoint": {"destination": "shop/waypoint.shop.svc.cluster.local", "hboneMtlsPort": 15008}}
W, S, P = Table.WORKLOADS, Table.SERVICES, Table.POLICIES


def reporting(made, kind, status, reason="Because", *, observed=2, generation=2, created=None):
    condition = {"type": kind, "status": status, "reason": reason} | ({"observedGeneration": observed} if observed else {})
    more = {"generation": generation} | ({"creationTimestamp": created} if created else {})
    return {**made, "metadata": {**made["metadata"], **more}, "status": {"conditions": [condition]}}


def accepted(status, spec="action: DENY", **more):
    return reporting(policy("shop/one", spec, "AuthorizationPolicy"), "ZtunnelAccepted", status, **more)


def bound(status, **more):
    return reporting(service(), "istio.io/WaypointBound", status, observed=None, **more)


def entry(status):
    made = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "ServiceEntry",
        "metadata": {"name": "outside", "namespace": "shop"},
        "spec": {"hosts": ["a.example.org", "b.example.org"], "ports": [{"number": 80, "name": "http", "protocol": "HTTP"}]},
    }
    return reporting(made, "istio.io/WaypointBound", status, observed=None)


def virtual_machine(status):
    made = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "WorkloadEntry",
        "metadata": {"name": "vm", "namespace": "shop"},
        "spec": {"address": "192.0.2.1"},
    }
    return reporting(made, "istio.io/WaypointBound", status, observed=None)


def tables(workloads=None, services=None, policies=None):
    return {W: workloads or {}, S: services or {}, P: policies or {}}


ONE = {"shop/one": {"name": "one", "namespace": "shop", "action": "Deny"}}
PLAIN = {"name": "web", "namespace": "shop", "hostname": "web.shop.svc.cluster.local"}
VM = "Kubernetes/networking.istio.io/WorkloadEntry/shop/vm"
LIES = {
    # the object, the tables: field, expected, found
    "accepted, and not there": (accepted("True"), tables(), ("ZtunnelAccepted", "True (Because)", "absent")),
    "refused, and there": (accepted("False"), tables(policies=ONE), ("ZtunnelAccepted", "False (Because)", "the ztunnel has it")),
    "bound, and not": (bound("True"), tables(services={HOST: PLAIN}), ("istio.io/WaypointBound", "True (Because)", "none")),
    "not bound, and there": (
        bound("False"),
        tables(services={HOST: {**PLAIN, **WAYPOINT}}),
        ("istio.io/WaypointBound", "False (Because)", "shop/waypoint.shop.svc.cluster.local"),
    ),
    "one host of an entry": (
        entry("True"),
        tables(services={"shop/a.example.org": WAYPOINT, "shop/b.example.org": {}}),
        ("istio.io/WaypointBound", "True (Because)", "none"),
    ),
    "a virtual machine": (
        virtual_machine("True"),
        tables(workloads={VM: {"uid": VM}}),
        ("istio.io/WaypointBound", "True (Because)", "none"),
    ),
}


def said(made, held, **more):
    return status_differences(snapshot_of([made], live=True), {"one": dump_of(held, **more)}, NOW)


@pytest.mark.parametrize("case", LIES)
def test_lies(case):
    made, held, expected = LIES[case]
    (one,) = said(made, held)
    assert (one.field, one.expected, one.found) == expected
    assert (one.between, one.node, one.by) == (Between.STATUS, "one", "its status")
    assert one.dangerous
    assert one.consequence
    assert one.name == str(one.ref)


TRUE = {
    "accepted, and there": (accepted("True"), tables(policies=ONE)),
    "refused, and not there": (accepted("False"), tables()),
    "about an earlier version": (accepted("True", observed=1), tables()),
    "not decided": (accepted("Unknown"), tables()),
    "just made": (accepted("True", created="2026-01-01T11:59:50Z"), tables()),
    "of a waypoint": (accepted("True", "targetRefs: [{kind: Service, group: '', name: web}]"), tables()),
    "bound, and there": (bound("True"), tables(services={HOST: {**PLAIN, **WAYPOINT}})),
    "not bound, and not there": (bound("False"), tables(services={HOST: PLAIN})),
    "a Service that isn't there": (bound("True"), tables()),
    "no condition": (service(), tables(services={HOST: {**PLAIN, **WAYPOINT}})),
    "a virtual machine that isn't there": (virtual_machine("True"), tables()),
}


@pytest.mark.parametrize("case", TRUE)
def test_what_is_no_lie(case):
    assert said(*TRUE[case]) == ()


def test_a_dry_run_is_not_dangerous():
    made = accepted("True")
    made["metadata"]["annotations"] = {"istio.io/dry-run": "true"}
    (one,) = said(made, tables())
    assert not one.dangerous


def test_what_could_not_be_read_is_no_lie():
    assert said(accepted("True"), tables(), unread={Table.POLICIES: frozenset({"shop/one"})}) == ()
    assert said(accepted("True"), {W: {}}) == ()
    assert said(bound("True"), {W: {}}) == ()


def test_each_node_is_asked():
    snapshot = snapshot_of([accepted("True")], live=True)
    lacks, has = dump_of(tables()), dump_of(tables(policies=ONE))
    found = status_differences(snapshot, {"c": lacks, "b": has, "a": replace(lacks, node="a")}, NOW)
    assert [one.node for one in found] == ["a", "c"]
