"""Port-forward and proxy of the API server: frames, rights, refusals; on a pod that echoes what is said to it."""

import asyncio
import json
import socket
import ssl
from contextlib import asynccontextmanager

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from meshtui.sandbox.apiserver import app
from meshtui.sandbox.apiserver.auth import User
from meshtui.sandbox.apiserver.server import running_api

V4 = "v4.channel.k8s.io"
PODS = "/api/v1/namespaces/shop/pods"
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 3\r\n\r\nyes"


class Echo:
    """Pods whose port 7 echoes until it reads a full stop, and whose port 80 answers every request."""

    def __init__(self):
        self.asked = []
        self.inside = []

    async def connect(self, pod, port, *, inside):
        self.inside.append(inside)
        if port not in {7, 80}:
            raise ConnectionRefusedError
        ours, theirs = socket.socketpair()
        asyncio.get_running_loop().create_task(self._serve(port, ours))
        return await asyncio.open_connection(sock=theirs)

    async def _serve(self, port, sock):
        reader, writer = await asyncio.open_connection(sock=sock)
        if port == 80:
            self.asked.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(ANSWER)
        else:
            while (data := await reader.read(100)) and data != b".":
                writer.write(data)
        await writer.drain()
        writer.close()


def rule(resource, verb):
    return [
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": "one"},
            "rules": [{"apiGroups": [""], "resources": [resource], "verbs": [verb]}],
        },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "one"},
            "roleRef": {"kind": "ClusterRole", "name": "one"},
            "subjects": [{"kind": "User", "name": "reader"}],
        },
    ]


POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "a", "namespace": "shop"},
    "spec": {"nodeName": "n", "containers": [{"name": "main", "image": "x", "ports": [{"containerPort": 80, "name": "web"}]}]},
    "status": {"podIP": "127.1.9.9"},
}


class Server:
    def __init__(self, api):
        self.api = api
        self.trust = ssl.create_default_context(cafile=str(api.pki.ca_certificate))
        self.headers = {"Authorization": "Bearer t"}

    def forward(self, *ports, pod="a", protocol=V4):
        query = "&".join(f"ports={port}" for port in ports)
        url = f"{self.api.url}{PODS}/{pod}/portforward?{query}".replace("https", "wss")
        return connect(url, ssl=self.trust, subprotocols=[protocol], additional_headers=self.headers, proxy=None)

    async def refusal(self, *ports, **how):
        with pytest.raises(InvalidStatus) as caught:
            async with self.forward(*ports, **how):
                pass
        return caught.value.response.status_code, json.loads(caught.value.response.body)["message"]

    async def get(self, path, method="GET", **how):
        async with httpx.AsyncClient(verify=self.trust, headers=self.headers, trust_env=False) as client:
            return await client.request(method, f"{self.api.url}{PODS}/{path}", **how)


@asynccontextmanager
async def server(resource="pods/portforward", verb="get"):
    async with running_api([POD, *rule(resource, verb)], tokens={"t": User("reader", ())}) as api:
        echo = Echo()
        api.reach_pods(echo)
        yield Server(api), echo


async def test_two_channels_for_each_port_that_begin_with_its_number():
    async with server() as (found, echo), found.forward(7, 8080) as stream:
        assert stream.subprotocol == V4
        heads = [await stream.recv() for _ in range(4)]
        assert heads == [b"\0\7\0", b"\1\7\0", b"\2\x90\x1f", b"\3\x90\x1f"]
        why = await stream.recv()
        assert why[0] == 3
        assert b"error forwarding port 8080 to pod a_shop" in why
        await stream.send(b"\0hello")
        assert await stream.recv() == b"\0hello"
        await stream.send(b"\0.")  # the pod closes, and with it everything ends
        with pytest.raises(ConnectionClosed):
            await stream.recv()
        assert stream.close_code == 1000
        assert echo.inside == [True, True]


@pytest.mark.parametrize(
    ("verb", "minor", "code"), [("get", "32", 0), ("create", "32", 403), ("get", "35", 403), ("create", "35", 0)]
)
async def test_the_verb_that_a_server_of_its_version_demands(verb, minor, code, monkeypatch):
    monkeypatch.setitem(app.VERSION, "minor", minor)
    async with server(verb=verb) as (found, _):
        if code:
            status, message = await found.refusal(7)
            assert status == code
            assert f'cannot {"get" if minor == "32" else "create"} resource "pods/portforward"' in message
        else:
            async with found.forward(7) as stream:
                assert await stream.recv() == b"\0\7\0"


@pytest.mark.parametrize(
    ("ports", "how", "code", "said"),
    [
        ([7], {"pod": "b"}, 404, 'pods "b" not found'),
        ([], {}, 400, "ports"),
        (["x"], {}, 400, "as a port"),
        (["70000"], {}, 400, "as a port"),
        ([7], {"protocol": "v5.other"}, 400, "subprotocol"),
    ],
)
async def test_what_cannot_be_forwarded(ports, how, code, said):
    async with server() as (found, _):
        status, message = await found.refusal(*ports, **how)
        assert (status, said in message) == (code, True)


async def test_without_an_upgrade_and_without_a_login():
    async with server() as (found, _):
        assert (await found.get("a/portforward?ports=7")).status_code == 400
        found.headers = {}
        assert (await found.refusal(7))[0] == 401


async def test_a_request_is_passed_on_to_the_pods_address():
    async with server("pods/proxy") as (found, echo):
        for name in ("a:80", "a", "a:web", "http:a:80"):
            answer = await found.get(f"{name}/proxy/x/y", params={"q": "1 2"}, headers={"accept": "text/x"})
            assert (answer.status_code, answer.text, answer.headers["content-type"]) == (200, "yes", "text/plain")
        assert echo.asked[0].startswith(b"GET /x/y?q=1+2 HTTP/1.1\r\n")
        assert b"\r\naccept: text/x\r\n" in echo.asked[0]
        assert b"uthorization" not in echo.asked[0]
        assert set(echo.inside) == {False}


async def test_what_cannot_be_proxied():
    async with server("pods/proxy") as (found, echo):
        refused = await found.get("a:15000/proxy/config_dump")
        assert refused.status_code == 503
        assert refused.json()["message"] == "error trying to reach service: dial tcp 127.1.9.9:15000: connect: connection refused"
        assert (await found.get("b:80/proxy/")).status_code == 404
        assert (await found.get("a:80/proxy/", method="POST")).status_code == 403  # that needs create
        assert echo.asked == []
    async with server("pods/log") as (found, _):
        assert (await found.get("a:80/proxy/")).status_code == 403
