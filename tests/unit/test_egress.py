"""Flows to hosts: which ServiceEntry names them, which addresses follow, and what isn't known. Rows name their sources."""

import pytest

from meshtui.model.errors import UsageError
from meshtui.model.snapshot import KindState, KindStatus
from tests.fakes.egress import (
    ALL,
    ALLOCATION,
    AMBIENT,
    BARE,
    BASE,
    CAR,
    DENIED,
    ENTRY,
    FLOW,
    HOST,
    HTTPS,
    NETPOL,
    NOT_KNOWN,
    PODS,
    REGISTRY,
    STAR,
    TABLE,
    TWO,
    WITHIN,
    WITHOUT,
    WORKLOADS,
    ZTUNNEL,
    block,
    egress,
    entry,
    everywhere,
    static,
)
from tests.fakes.requests import Case, check, judge, thing
from tests.fakes.snapshots import pod, snapshot_of

ADDRESSES = [
    Case("no policy selects the source", TABLE, [entry()], FLOW, "", "allow"),
    Case("a rule without peers allows every address", NETPOL, [entry(), ALL], FLOW, "", "allow"),
    Case("an ipBlock may hold it", TABLE, [entry(), egress(WITHIN)], FLOW, "", "unknown", says=NOT_KNOWN),
    Case("all of IPv4 holds it", TABLE, [entry(), egress(block("0.0.0.0/0"))], FLOW, "", "allow"),
    Case("not with an exception", TABLE, [entry(), egress(block("0.0.0.0/0", "10.0.0.0/8"))], FLOW, "", "unknown"),
    Case("only pods are allowed", NETPOL, [entry(), egress(PODS)], FLOW, "", DENIED, "NetworkPolicy shop/out"),
    Case("nothing is allowed", NETPOL, [entry(), egress()], FLOW, "", DENIED, "NetworkPolicy shop/out"),
    Case(
        "a block on another port",
        NETPOL,
        [entry(), egress(WITHIN, ports=[{"port": 80}])],
        FLOW,
        "",
        DENIED,
        "NetworkPolicy shop/out",
    ),
    Case("a static endpoint within", ENTRY, [static(TWO), egress(WITHIN)], FLOW, "", "allow", "NetworkPolicy shop/out egress[0]"),
    Case("a static endpoint without", ENTRY, [static(TWO), egress(WITHOUT)], FLOW, "", DENIED),
    Case("endpoints that differ", ENTRY, [static(TWO, "192.0.2.1"), egress(WITHIN)], FLOW, "", "mixed"),
    Case("endpoints with DNS, by address", ENTRY, [entry(endpoints=[{"address": TWO}]), egress(WITHOUT)], FLOW, "", DENIED),
    Case(
        "endpoints with DNS, by name",
        ENTRY,
        [entry(endpoints=[{"address": "eu.example.net"}]), egress(WITHIN)],
        FLOW,
        "",
        "unknown",
        says="the address of eu.example.net isn't known",
    ),
    Case(
        "an endpoint's own port",
        ENTRY,
        [
            entry(resolution="STATIC", endpoints=[{"address": TWO, "ports": {"https": 8443}}]),
            egress(WITHIN, ports=[{"port": 443}]),
        ],
        FLOW,
        "",
        DENIED,
    ),
    Case(
        "a targetPort",
        ENTRY,
        [static(TWO, ports=[HTTPS | {"targetPort": 8443}]), egress(WITHIN, ports=[{"port": 8443}])],
        FLOW,
        "",
        "allow",
    ),
    Case("STATIC without endpoints", ENTRY, [static(addresses=[TWO]), ALL], FLOW, "", "unknown", says=""),
    Case(
        "NONE with addresses",
        AMBIENT,
        [entry(resolution="NONE", addresses=[TWO]), egress(WITHIN)],
        FLOW,
        "",
        "allow",
        "NetworkPolicy shop/out egress[0]",
    ),
    Case("NONE with other addresses", AMBIENT, [entry(resolution="NONE", addresses=[TWO]), egress(WITHOUT)], FLOW, "", DENIED),
    Case(
        "NONE with a network",
        AMBIENT,
        [entry(resolution="NONE", addresses=["203.0.113.0/24"]), egress(WITHIN)],
        FLOW,
        "",
        "unknown",
    ),
    Case(
        "NONE at a sidecar",
        ENTRY,
        [entry("cars/ext", resolution="NONE", addresses=[TWO]), *everywhere(WITHIN)],
        CAR,
        "",
        "unknown",
    ),
    Case("the enum by number", ENTRY, [entry(resolution=1, endpoints=[{"address": TWO}]), egress(WITHOUT)], FLOW, "", DENIED),
    Case("DNS_ROUND_ROBIN", ENTRY, [entry(resolution="DNS_ROUND_ROBIN"), egress(WITHIN)], FLOW, "", "unknown", says=NOT_KNOWN),
    Case(
        "DYNAMIC_DNS needs a waypoint", AMBIENT, [entry(hosts=["*.example.com"], resolution="DYNAMIC_DNS")], FLOW, "", "unknown"
    ),
    Case(
        "an endpoint in another network",
        ENTRY,
        [entry(resolution="STATIC", endpoints=[{"address": TWO, "network": "n2"}])],
        FLOW,
        "",
        "unknown",
    ),
    Case("a Unix socket", ENTRY, [static("unix:///var/run/x")], FLOW, "", "unknown", says="Unix socket"),
]

DB = {"app": "db"}
INTERNAL = {"resolution": "STATIC", "location": "MESH_INTERNAL", "workloadSelector": {"labels": DB}}
VM = thing("WorkloadEntry", "shop/vm", {"address": TWO, "labels": DB})
ONLY_DB = thing("AuthorizationPolicy", "shop/db", {"selector": {"matchLabels": DB}, "rules": []})
SELECTED = [
    Case("a selected pod, by its own policies", WORKLOADS, [entry(**INTERNAL), ONLY_DB], FLOW, "", "deny ztunnel closed"),
    Case(
        "a selected pod, through HBONE",
        WORKLOADS,
        [entry(**INTERNAL), egress(PODS, ports=[{"port": 15008}])],
        FLOW,
        "",
        "allow",
        "NetworkPolicy shop/out egress[0]",
    ),
    Case("a WorkloadEntry without", WORKLOADS, [entry(**INTERNAL), VM, egress(WITHOUT, PODS)], FLOW, "", "mixed"),
    Case(
        "a WorkloadEntry in another namespace",
        WORKLOADS,
        [entry(**INTERNAL), thing("WorkloadEntry", "bare/vm", {"address": TWO, "labels": DB}), egress(PODS)],
        FLOW,
        "",
        "allow",
    ),
    Case(
        "a WorkloadEntry's own proxy",
        WORKLOADS,
        [
            entry(**(INTERNAL | {"workloadSelector": {"labels": {"vm": "x"}}})),
            thing("WorkloadEntry", "shop/vm", {"address": TWO, "labels": {"vm": "x"}}),
            thing("PeerAuthentication", "shop/strict", {"mtls": {"mode": "STRICT"}}),
        ],
        FLOW,
        "",
        "unknown",
        says="whose proxy may enforce PeerAuthentication shop/strict",
    ),
    Case(
        "an empty selector selects nothing",
        WORKLOADS,
        [entry(**(INTERNAL | {"workloadSelector": {"labels": {}}}))],
        FLOW,
        "",
        "unknown",
    ),
    Case("an inline endpoint is a pod", WORKLOADS, [static("10.0.1.2"), ONLY_DB], FLOW, "", "deny ztunnel closed"),
]

NAMES = [
    Case("a wildcard at a sidecar", ENTRY, [static(TWO, key="cars/ext", hosts=[STAR]), *everywhere(WITHOUT)], CAR, "", DENIED),
    Case(
        "the exact name before the wildcard",
        ENTRY,
        [static(TWO, hosts=[STAR], key="shop/a"), static("192.0.2.1", key="shop/b"), egress(WITHIN)],
        FLOW,
        "",
        DENIED,
    ),
    Case(
        "the longest wildcard",
        ENTRY,
        [static(TWO, hosts=["*.com"], key="cars/a"), static("192.0.2.1", hosts=[STAR], key="cars/b"), *everywhere(WITHIN)],
        CAR,
        "",
        DENIED,
    ),
    Case(
        "a wildcard doesn't match its own domain",
        ENTRY,
        [static(TWO, hosts=["*.api.example.com"], key="cars/a"), *everywhere(WITHOUT)],
        CAR,
        "",
        "unknown",
    ),
    Case("a wildcard that ztunnel can't recognise", AMBIENT, [static(TWO, hosts=[STAR]), egress(WITHOUT)], FLOW, "", "unknown"),
    Case(
        "a wildcard with an address",
        AMBIENT,
        [static(TWO, hosts=[STAR], addresses=["240.0.0.9"]), egress(WITHOUT)],
        FLOW,
        "",
        DENIED,
    ),
    Case(
        "no automatic address, by label",
        ALLOCATION,
        [static(TWO, labels={"networking.istio.io/enable-autoallocate-ip": "false"}), egress(WITHOUT)],
        FLOW,
        "",
        "unknown",
    ),
    Case(
        "names are compared in lower case",
        "RFC 4343",
        [static(TWO, hosts=["API.Example.com"]), egress(WITHOUT)],
        FLOW,
        "",
        DENIED,
    ),
    Case(
        "the entry of the own namespace first",
        "istio.io: ServiceEntry, exportTo",
        [static(TWO), static("192.0.2.1", key="egress/ext"), egress(WITHIN)],
        FLOW,
        "",
        "allow",
    ),
    Case(
        "two entries elsewhere",
        TABLE,
        [static(TWO, key="egress/a"), static(TWO, key="bare/b"), egress(WITHIN)],
        FLOW,
        "",
        "unknown",
        says="which of them applies isn't modelled",
    ),
    Case(
        "exported to a sidecar's namespace",
        ENTRY,
        [static(TWO, key="egress/ext", exportTo=["cars"]), *everywhere(WITHOUT)],
        CAR,
        "",
        DENIED,
    ),
    Case("exported everywhere", ENTRY, [static(TWO, key="egress/ext", exportTo=["*"]), *everywhere(WITHOUT)], CAR, "", DENIED),
    Case(
        "not exported to a sidecar's namespace",
        ENTRY,
        [static(TWO, key="egress/ext", exportTo=["."]), *everywhere(WITHOUT)],
        CAR,
        "",
        "unknown",
        says=NOT_KNOWN,
    ),
    Case("the own namespace", ENTRY, [static(TWO, key="cars/ext", exportTo=["."]), *everywhere(WITHOUT)], CAR, "", DENIED),
    Case(
        "not exported, at ztunnel",
        AMBIENT,
        [static(TWO, key="egress/ext", exportTo=["."])],
        FLOW,
        "",
        "unknown",
        says="ztunnel doesn't read exportTo",
    ),
    Case("no entry at all", ZTUNNEL, [ALL], FLOW, "", "allow", says=""),
    Case("no entry, and a block", ZTUNNEL, [egress(WITHIN)], FLOW, "", "unknown", says=NOT_KNOWN),
    Case(
        "a port that the entry doesn't have",
        AMBIENT,
        [entry()],
        f"shop/web > {HOST}:8443",
        "",
        "unknown",
        says="but not port 8443",
    ),
    Case(
        "an entry changes nothing outside the mesh",
        TABLE,
        [static(TWO, key="bare/ext"), *everywhere(WITHIN)],
        BARE,
        "",
        "unknown",
        says=NOT_KNOWN,
    ),
    Case("outside the mesh, without a policy", TABLE, [entry("bare/ext")], BARE, "", "allow"),
]


@pytest.mark.parametrize("case", [*ADDRESSES, *SELECTED, *NAMES], ids=lambda case: case.name)
def test_hosts(case):
    check(judge(snapshot_of(BASE, case.objects), case.flow, case.request), case)


def test_a_service_by_its_dns_name_is_the_service():
    service = thing("Service", "shop/db", {"selector": DB, "ports": [{"port": 5432}], "clusterIP": "10.9.0.1"})
    there = snapshot_of(BASE, [service, ONLY_DB])
    by_name = judge(there, "shop/web > shop/svc/db:5432")
    for host in ("db.shop.svc", "db.shop.svc.cluster.local", "DB.shop.svc.cluster.local."):
        assert judge(there, f"shop/web > {host}:5432") == by_name
    assert judge(there, "shop/web > db.shop:5432") == by_name  # the first that a pod's resolver finds
    assert judge(there, "shop/web > db.db.shop.svc:5432") == judge(there, "shop/web > shop/db:5432")


def test_a_service_that_may_not_be_listed():
    hidden = {"Service": KindState(KindStatus.FORBIDDEN)}
    with pytest.raises(UsageError, match="may not be listed"):
        judge(snapshot_of(BASE, kinds=hidden), "shop/web > db.shop:5432")
    assert judge(snapshot_of(BASE, kinds=hidden), FLOW).decision.value == "allow"


def test_a_service_in_a_domain_that_isnt_known():
    service = thing("Service", "shop/db", {"selector": DB, "ports": [{"port": 5432}]})
    flow = "shop/web > db.shop.svc.clusterset.local:5432"
    with pytest.raises(UsageError, match="may be Service shop/db"):
        judge(snapshot_of(BASE, [service]), flow)
    named = static(TWO, hosts=["db.shop.svc.clusterset.local"], ports=[{"number": 5432, "name": "tcp"}])
    assert judge(snapshot_of(BASE, [service, named, egress(WITHOUT)]), flow).decision.value == "deny"


def test_what_is_said_of_a_host_that_nobody_names():
    verdict = judge(snapshot_of(BASE), FLOW)
    assert [note.code for note in verdict.notes][-1] == "host_not_registered"


def test_entries_that_may_not_be_listed_leave_it_open():
    hidden = {"ServiceEntry": KindState(KindStatus.FORBIDDEN, "may not list")}
    assert judge(snapshot_of(BASE, kinds=hidden), FLOW).decision.value == "unknown"
    assert judge(snapshot_of(BASE, kinds=hidden, mesh=REGISTRY), CAR).decision.value == "unknown"
    partly = {"ServiceEntry": KindState(KindStatus.SYNCED, scope="shop")}
    assert judge(snapshot_of(BASE, kinds=partly), FLOW).decision.value == "unknown"
    assert judge(snapshot_of(BASE, [egress()], kinds=partly), FLOW).decision.value == "deny"


def test_sidecar_objects_leave_it_open():
    written = {"apiVersion": "networking.istio.io/v1", "kind": "Sidecar", "metadata": {"name": "x", "namespace": "cars"}}
    assert judge(snapshot_of(BASE, [entry("cars/ext")]), CAR).decision.value == "allow"
    assert judge(snapshot_of(BASE, [entry("cars/ext"), written]), CAR).decision.value == "unknown"


def test_live_the_status_has_the_automatic_address():
    captured = pod("shop/live", "10.0.1.9", [80], metadata={"name": "live", "namespace": "shop"})
    captured["metadata"]["annotations"] = {"ambient.istio.io/redirection": "enabled"}
    flow = f"shop/live > {HOST}:443"
    without = snapshot_of(BASE, [captured, static(TWO), egress(WITHOUT)], live=True)
    assert judge(without, flow).decision.value == "unknown"
    allocated = static(TWO) | {"status": {"addresses": [{"value": "240.240.0.1", "host": HOST}]}}
    assert judge(snapshot_of(BASE, [captured, allocated, egress(WITHOUT)], live=True), flow).decision.value == "deny"


def test_with_ipv6_all_of_ipv4_is_not_certain():
    six = pod("bare/six", "fd00::9", [80])
    there = snapshot_of(BASE, [six, entry(), egress(block("0.0.0.0/0"))])
    assert judge(there, FLOW).decision.value == "unknown"


@pytest.mark.parametrize(
    ("flow", "says"),
    [
        ("shop/web > *.example.com:443", "many hosts"),
        ("shop/web > 10-0-1-2.shop.pod.cluster.local:80", "a name of the cluster that isn't known"),
        ("shop/web > api..example.com:443", "neither a host nor an address"),
        ("shop/web > 10.0.0.256:443", "neither a host nor an address"),
        (f"shop/web > {HOST}", "say which port"),
        (f"{HOST} > shop/web:80", "can't be a source"),
        (f"external > {HOST}:443", "a client outside"),
        ("shop/web > ecom-service:80", "names nothing"),
    ],
)
def test_what_is_no_host(flow, says):
    with pytest.raises(UsageError, match=says):
        judge(snapshot_of(BASE), flow)


def test_the_only_port_of_an_entry():
    assert judge(snapshot_of(BASE, [entry()]), f"shop/web > {HOST}").decision.value == "allow"
    assert judge(snapshot_of(BASE, [entry()]), f"shop/web > {HOST}:https").decision.value == "allow"
