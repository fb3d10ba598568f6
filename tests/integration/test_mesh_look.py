"""A look at the mesh's own state through a server on a socket: all nodes, rights, nodes that fail, and what is sent."""

import asyncio
import contextlib
import json
from datetime import UTC, datetime

import pytest

from meshtui.sandbox.apiserver.server import running_api
from meshtui.settings import Settings, Timeouts
from meshtui.sources.kubernetes import mesh_look
from meshtui.sources.kubernetes.api import Api
from meshtui.sources.kubernetes.connection import Connection, connect
from meshtui.sources.kubernetes.mesh_look import look_at_mesh
from meshtui.ztunnel.look import Metrics, Readiness
from tests.fakes import snapshots
from tests.fakes.forwards import FakeApi, answer, forgetful, pod

ADDRESS = "type.googleapis.com/istio.workload.Address"
NODES = ("a", "b", "c")
MESH = ("istio-system", "one", "two", "i", "other")
ZTUNNELS = [pod(f"istio-system/ztunnel-{node}", node=node) for node in NODES]
ISTIODS = [pod(f"istio-system/istiod-{number}", app="istiod", image="istio/pilot:1.30.1-distroless") for number in (1, 2)]
PODS = [*ZTUNNELS, *ISTIODS]
METRICS = b'workload_manager_active_proxy_count 4\nother{x="y"} 1\nistio_build{tag="1.30.1"} 1\n# EOF\n'
PAGES = {
    ":15020/proxy/metrics": answer(METRICS, Content_Type="text/plain"),
    ":15021/proxy/healthz/ready": answer(b"ready\n", Content_Type="text/plain"),
}
FORWARD, PROXY = "pods/portforward", "pods/proxy"


def dump(node, count=3):
    workloads = [{"uid": f"Kubernetes//Pod/shop/web-{number}", "name": f"web-{number}"} for number in range(count)]
    content = {"config": {"localNode": node}, "workloads": workloads, "services": [], "policies": [], "workloadState": {}}
    return json.dumps(content, indent=2).encode()


def synced(*nodes):
    resources = {ADDRESS: {"sent": "b", "acked": "a"}}
    return json.dumps(
        [{"proxy": f"ztunnel-{node}.istio-system", "proxy_type": "ztunnel", "resources": resources} for node in nodes]
    ).encode()


async def play(forward):
    """What good pods answer: istiod-1 has two nodes, istiod-2 the third."""
    name = forward.asked.path.split("/")[-2]
    if forward.port == 15000:
        await forgetful(forward, dump(name.removeprefix("ztunnel-")))
    else:
        await forgetful(forward, synced("a", "b") if name == "istiod-1" else synced("c"))


async def looked(server, pods=PODS, *, request_s=5.0, **more):
    api = Api(Connection(server=server.url, tls=False, authorization=lambda: ""), Timeouts(request_s=request_s))
    try:
        async with asyncio.timeout(30):
            return await look_at_mesh(api, pods, namespaces=MESH, **more)
    finally:
        await api.close()


async def test_all_nodes_and_all_istiods():
    progress = []
    async with FakeApi(play, pages=PAGES) as server:
        look = await looked(server, progress=lambda done, count: progress.append((done, count)))
    assert look.missing == ()
    assert [node.node for node in look.nodes] == ["a", "b", "c"]
    for node in look.nodes:
        assert node.problems == ()
        assert node.pod == f"istio-system/ztunnel-{node.node}"
        assert node.image == "istio/ztunnel:1.30.1"
        assert node.dump.node == node.node
        assert node.metrics == Metrics(4, None, "1.30.1")
        assert node.readiness == Readiness(ready=True)
        assert node.at >= look.at
        assert node.dump.workloads is look.nodes[0].dump.workloads
    assert [(each.proxy, each.istiod) for each in look.synced] == [
        ("ztunnel-a.istio-system", "istio-system/istiod-1"),
        ("ztunnel-b.istio-system", "istio-system/istiod-1"),
        ("ztunnel-c.istio-system", "istio-system/istiod-2"),
    ]
    assert look.istiod_versions == ("1.30.1",)
    assert progress == [(1, 3), (2, 3), (3, 3)]


async def test_all_that_is_sent_in_a_whole_look():
    """One request line through each port-forward, and beside them reads and access reviews."""
    async with FakeApi(play, pages=PAGES) as server:
        await looked(server)
    sent = {"15000": b"/config_dump", "15014": b"/debug/syncz"}
    assert len(server.forwards) == 5
    for each in server.forwards:
        line, *headers = each.through.removesuffix(b"\r\n\r\n").split(b"\r\n")
        assert line == b"GET " + sent[each.query["ports"]] + b" HTTP/1.1"
        assert headers == [b"Host: localhost", b"Connection: close"]
        assert each.query["ports"] == ("15000" if "ztunnel" in each.path else "15014")
    others = {str(each) for each in server.asked if each not in server.forwards}
    assert others == {
        "GET /version",
        "POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
        *(f"GET /api/v1/namespaces/istio-system/pods/ztunnel-{node}:15020/proxy/metrics" for node in NODES),
        *(f"GET /api/v1/namespaces/istio-system/pods/ztunnel-{node}:15021/proxy/healthz/ready" for node in NODES),
    }


async def test_one_node_and_one_that_has_no_ztunnel():
    async with FakeApi(play, pages=PAGES) as server:
        look = await looked(server, nodes={"b", "z"})
    assert [(node.node, node.pod, node.problems) for node in look.nodes] == [
        ("b", "istio-system/ztunnel-b", ()),
        ("z", "", ("no ztunnel pod is on this node",)),
    ]


def at(day):
    return datetime(2026, 8, day, tzinfo=UTC)


CHOICES = [
    ([pod("i/old", node="a", created=at(1)), pod("i/new", node="a", created=at(2))], "i/new"),
    ([pod("i/old", node="a", created=at(1)), pod("i/new", node="a", created=at(2), ready=False)], "i/old"),
    ([pod("i/old", node="a", created=at(2), deleting=True), pod("i/new", node="a", created=at(1))], "i/new"),
    ([pod("i/x", node="a", phase="Failed"), pod("other/y", node="a", ready=False)], "other/y"),
    ([pod("i/x", node=""), pod("i/y", node="a")], "i/y"),
]


@pytest.mark.parametrize(("pods", "chosen"), CHOICES)
async def test_the_newest_ready_ztunnel_of_a_node(pods, chosen):
    async with FakeApi(lambda forward: forgetful(forward, dump("a")), pages=PAGES) as server:
        for order in (pods, pods[::-1]):
            (node,) = (await looked(server, order)).nodes
            assert node.pod == chosen


# ---- rights


def rights(*denied):
    return lambda verb, resource, namespace: (verb, resource) not in denied


DENIED = [
    ("36", [], []),
    ("36", [("create", FORWARD)], ["create pods/portforward"]),
    ("36", [("get", FORWARD)], ["get pods/portforward"]),
    ("35+", [("get", FORWARD), ("create", FORWARD)], ["get, create pods/portforward"]),
    ("34", [("create", FORWARD)], []),
    ("34", [("get", FORWARD)], ["get pods/portforward"]),
    ("nonsense", [("create", FORWARD)], []),
    ("36", [("get", PROXY)], ["get pods/proxy"]),
    ("36", [("get", PROXY), ("create", FORWARD)], ["create pods/portforward", "get pods/proxy"]),
]


@pytest.mark.parametrize(("minor", "denied", "named"), DENIED)
async def test_a_verb_that_is_missing_is_named_and_the_rest_is_read(minor, denied, named):
    async with FakeApi(play, pages=PAGES, may=rights(*denied), minor=minor) as server:
        look = await looked(server)
    assert sorted({each.partition("missing verb: ")[2] for each in look.missing}) == [
        f"{name} in namespace istio-system" for name in named
    ]
    forward, proxy = not any("portforward" in name for name in named), not any("proxy" in name for name in named)
    for node in look.nodes:
        assert node.problems == ()
        assert (node.dump is not None) == forward
        assert (node.metrics is not None) == (node.readiness is not None) == proxy
    assert (look.synced is not None) == forward
    assert bool(server.forwards) == forward


async def test_what_is_missing_says_what_can_t_be_seen():
    async with FakeApi(play, pages=PAGES, may=lambda *_: False) as server:
        look = await looked(server)
    assert look.missing == (
        "config dumps: missing verb: get, create pods/portforward in namespace istio-system",
        "metrics and readiness: missing verb: get pods/proxy in namespace istio-system",
        "what istiod has sent (/debug/syncz): missing verb: get, create pods/portforward in namespace istio-system",
    )


async def test_rights_are_asked_for_each_namespace():
    pods = [pod("one/ztunnel-a", node="a"), pod("two/ztunnel-b", node="b"), ISTIODS[0]]
    async with FakeApi(play, pages=PAGES, may=lambda verb, resource, namespace: namespace != "two") as server:
        look = await looked(server, pods)
    assert [each.partition("missing verb: ")[2] for each in look.missing] == [
        "get, create pods/portforward in namespace two",
        "get pods/proxy in namespace two",
    ]
    assert [node.dump is not None for node in look.nodes] == [True, False]


async def test_nobody_there():
    async with FakeApi(play) as server:
        look = await looked(server, [])
    assert look.nodes == ()
    assert look.synced is None
    assert look.missing == (
        "no ztunnel pod (label app=ztunnel) is in the mesh's namespaces",
        "what istiod has sent (/debug/syncz): no istiod pod (label app=istiod) is there",
    )


# ---- pods that are listed


def listed(name, namespace, node):
    obj = snapshots.pod(f"{namespace}/{name}", "10.0.0.1")
    obj["metadata"]["labels"] = {"app": name.partition("-")[0]}
    owner = {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "ztunnel", "uid": "z", "controller": True}
    obj["metadata"]["ownerReferences"] = [owner]
    obj["spec"]["nodeName"] = node
    return obj


def role(namespace=""):
    kind = "Role" if namespace else "ClusterRole"
    meta = {"name": "lister", **({"namespace": namespace} if namespace else {})}
    version = "rbac.authorization.k8s.io/v1"
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}]
    subject = {"kind": "User", "name": "eve", "apiGroup": "rbac.authorization.k8s.io"}
    ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": "lister"}
    yield {"apiVersion": version, "kind": kind, "metadata": meta, "rules": rules}
    yield {"apiVersion": version, "kind": f"{kind}Binding", "metadata": meta, "roleRef": ref, "subjects": [subject]}


SCOPES = [
    ([*role()], ["a", "b"], ""),
    ([*role("istio-system")], ["a"], "ztunnels and istiods outside of namespace istio-system: missing verb: list pods"),
    ([], [], "the ztunnels can't be found: missing verb: list pods"),
]


@pytest.mark.parametrize(("roles", "nodes", "said"), SCOPES)
async def test_without_a_snapshot_the_pods_are_listed_where_they_may_be(roles, nodes, said):
    objects = [
        listed("ztunnel-a", "istio-system", "a"),
        listed("ztunnel-b", "kube-system", "b"),
        listed("ztunnel-c", "shop", "c"),
        listed("web", "shop", "c"),
    ]
    async with running_api([*objects, *roles]) as server:
        chosen = Settings(kubeconfig=str(server.kubeconfig), impersonate="eve")
        api = Api(connect(chosen), chosen.timeouts)
        try:
            look = await look_at_mesh(api)
        finally:
            await api.close()
    assert [node.node for node in look.nodes] == nodes
    assert [each for each in look.missing if "pods/" not in each and "istiod pod" not in each] == ([said] if said else [])


async def test_an_api_server_that_isn_t_there():
    server = FakeApi(play)
    async with server:
        pass
    look = await looked(server, None)
    assert look.nodes == ()
    assert "can't be reached" in look.missing[0]
    look = await looked(server)
    assert all("can't be reached" in "".join(node.problems) for node in look.nodes)


# ---- nodes that fail


async def silent(forward):
    await forward.begin()
    await forward.forever()


async def refused(forward):
    await forward.begin()
    await forward.error(b"dial tcp4 127.0.0.1:15000: connection refused, token=abcdefgh")
    await forward.close()


FAULTS = {
    "silent": (silent, "nothing came for 1 s"),
    "refused": (refused, "connection refused"),
    "no dump": (lambda forward: forgetful(forward, b"<html>"), "this isn't a ztunnel's config dump"),
    "cut": (lambda forward: forgetful(forward, dump("b")[:-9], Content_Length="9999"), "ends in its middle"),
    "404": (lambda forward: forgetful(forward, b"", code=404, reason="Not Found"), "HTTP 404"),
}


@pytest.mark.parametrize("name", FAULTS)
async def test_a_node_that_fails_has_its_problem_and_the_others_are_read(name):
    fault, said = FAULTS[name]

    async def one_is_bad(forward):
        await (fault if "ztunnel-b" in forward.asked.path else play)(forward)

    async with FakeApi(one_is_bad, pages=PAGES) as server:
        look = await looked(server, request_s=1.0)
    a, b, c = look.nodes
    assert b.dump is None
    assert len(b.problems) == 1
    assert b.problems[0].startswith("config dump: ")
    assert said in b.problems[0]
    assert "abcdefgh" not in b.problems[0]
    assert b.metrics is not None
    assert b.readiness is not None
    assert a.dump is not None
    assert c.dump is not None
    assert look.missing == ()


BAD_PAGES = [
    (":15020/proxy/metrics", answer(b'{"message":"no route"}', code=503, reason="X"), "metrics: HTTP 503: no route"),
    (
        ":15020/proxy/metrics",
        answer(b"workload_manager_active_proxy_count 1\n" * 20_000),
        "metrics: the wanted ones have more than",
    ),
    (":15021/proxy/healthz/ready", answer(b"<html>"), "readiness: this isn't the answer of a ztunnel"),
    (":15021/proxy/healthz/ready", answer(b"internal", code=500, reason="X"), "readiness: HTTP 500: internal"),
]


@pytest.mark.parametrize(("end", "page", "said"), BAD_PAGES)
async def test_a_bad_page_is_a_problem(end, page, said):
    async with FakeApi(play, pages={**PAGES, end: page}) as server:
        (node,) = (await looked(server, nodes=["a"])).nodes
    (problem,) = node.problems
    assert problem.startswith(said)
    assert node.dump is not None


async def test_not_ready_is_an_answer():
    page = answer(b"not ready, pending: state manager\n", code=500, reason="Internal Server Error", Content_Type="text/plain")
    async with FakeApi(play, pages={**PAGES, ":15021/proxy/healthz/ready": page}) as server:
        (node,) = (await looked(server, nodes=["a"])).nodes
    assert node.readiness == Readiness(False, ("state manager",))
    assert node.problems == ()


async def test_one_istiod_that_fails_is_named_and_the_other_s_answer_is_kept():
    async def one_is_bad(forward):
        if "istiod-1" in forward.asked.path:
            await forgetful(forward, b"nonsense")
        else:
            await play(forward)

    async with FakeApi(one_is_bad, pages=PAGES) as server:
        look = await looked(server)
    assert [each.proxy for each in look.synced] == ["ztunnel-c.istio-system"]
    (said,) = look.missing
    assert said.startswith("what istiod has sent (/debug/syncz): istio-system/istiod-1: this isn't an answer")


async def test_an_error_of_our_own_is_a_problem_too(monkeypatch):
    def broken(*_):
        raise KeyError("x")

    monkeypatch.setattr(mesh_look, "read_dump", broken)
    async with FakeApi(play, pages=PAGES) as server:
        look = await looked(server)
    assert all("an error in meshtui: KeyError" in node.problems[0] for node in look.nodes)


# ---- at once


async def test_only_some_nodes_are_read_at_once_and_within_the_room(monkeypatch):
    monkeypatch.setattr(mesh_look, "DUMPS_IN_FLIGHT_BYTES", 300_000)
    raw = dump("x", 2000)
    assert 100_000 < len(raw) < 200_000
    pods = [pod(f"istio-system/ztunnel-{number}", node=str(number)) for number in range(30)]
    async with FakeApi(lambda forward: forgetful(forward, raw), pages=PAGES) as server:
        look = await looked(server, pods)
        assert server.most_open <= mesh_look.NODES_AT_ONCE
    assert all(node.dump is not None and len(node.dump.workloads) == 2000 for node in look.nodes)


async def test_cancelled_it_leaves_no_task():
    before = asyncio.all_tasks()
    async with FakeApi(silent, pages=PAGES) as server:
        task = asyncio.create_task(looked(server))
        while server.open < len(ZTUNNELS):  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert task.cancelled()
    assert asyncio.all_tasks() == before


@pytest.mark.parametrize(
    ("image", "labels", "version"),
    [
        ("docker.io/istio/pilot:1.30.1", {}, "1.30.1"),
        ("registry:5000/pilot:1.31.0-rc.1-distroless", {}, "1.31.0-rc.1"),
        ("pilot@sha256:0123", {"app.kubernetes.io/version": "1.29.2"}, "1.29.2"),
        ("pilot:latest", {}, None),
        ("pilot:1.31-dev", {}, "1.31-dev"),
        ("pilot:1.30-alpha.0123abc", {}, "1.30-alpha.0123abc"),
    ],
)
async def test_the_version_of_istiod(image, labels, version):
    async with FakeApi(play, pages=PAGES) as server:
        look = await looked(server, [pod("istio-system/istiod-1", app="istiod", image=image, labels=labels)])
    assert look.istiod_versions == ((version,) if version else ())
