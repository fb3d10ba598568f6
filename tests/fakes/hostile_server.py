"""A server that speaks raw bytes: a healthy little API server that plays one named fault after the other."""

import asyncio
import contextlib
import json
import threading
from urllib.parse import parse_qs, urlsplit

import yaml

from meshtui.kinds import KINDS
from tests.fakes.snapshots import namespace, pod

OBJECTS = {
    "namespaces": [namespace("shop")],
    "pods": [pod("shop/a", "10.0.0.1"), pod("shop/b", "10.0.0.2", [80])],
}
_LISTS = {kind.path_in(version): kind for kind in KINDS.values() for version in kind.versions}


def _complete(obj):
    return {**obj, "metadata": {**obj["metadata"], "uid": f"uid-{obj['metadata']['name']}", "resourceVersion": "1"}}


def list_of(kind, items=None, **metadata):
    """What an API server answers to a list."""
    items = [_complete(obj) for obj in OBJECTS.get(kind.plural, ())] if items is None else items
    return {"kind": f"{kind.name}List", "apiVersion": "v1", "metadata": {"resourceVersion": "5", **metadata}, "items": items}


ISTIO = {"metadata": {"name": "istio", "namespace": "istio-system"}, "data": {"mesh": "trustDomain: cluster.local"}}


def response(body=b"", *, code=200, content_type="application/json", **headers):
    """One whole HTTP answer."""
    given = {
        "Content-Type": content_type,
        "Content-Length": str(len(body)),
        **{n.replace("_", "-"): v for n, v in headers.items()},
    }
    head = f"HTTP/1.1 {code} X\r\n" + "".join(f"{n}: {v}\r\n" for n, v in given.items() if v is not None) + "\r\n"
    return head.encode() + body


def json_response(obj, **more):
    """One whole HTTP answer that is JSON."""
    return response(json.dumps(obj).encode(), **more)


class Exchange:
    """One request, and the way to answer it byte by byte."""

    def __init__(self, method, target, headers, body, streams):
        parts = urlsplit(target)
        self.method, self.path, self.query = method, parts.path, {n: v[0] for n, v in parse_qs(parts.query).items()}
        self.headers, self.body = headers, body
        self.reader, self.writer = streams
        self.kind = _LISTS.get(self.path)
        self.watch = self.query.get("watch") == "true"

    async def send(self, data):
        """Send bytes as they are."""
        self.writer.write(data)
        await self.writer.drain()

    async def chunk(self, data):
        """Send one part of a chunked answer."""
        await self.send(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    async def open(self, **headers):
        """Begin a chunked answer."""
        await self.send(response(**{"Content_Length": None, "Transfer_Encoding": "chunked", **headers}))

    async def forever(self):
        """Stay open until the other end goes."""
        await self.reader.read()


async def healthy(exchange):
    """What a good API server answers."""
    kind = exchange.kind
    if exchange.method == "POST" and exchange.path.endswith("selfsubjectaccessreviews"):
        await exchange.send(json_response({"kind": "SelfSubjectAccessReview", "status": {"allowed": True}}, code=201))
    elif kind is not None and exchange.watch:
        await exchange.open()
        await exchange.forever()
    elif kind is not None:
        await exchange.send(json_response(list_of(kind)))
    elif exchange.path.endswith("/configmaps"):
        await exchange.send(json_response({"kind": "List", "metadata": {"resourceVersion": "5"}, "items": [ISTIO]}))
    elif exchange.path.endswith(tuple(f"/{kind.plural}" for kind in KINDS.values())):
        await exchange.send(json_response({"kind": "List", "metadata": {"resourceVersion": "5"}, "items": []}))
    else:
        await exchange.send(json_response({"kind": "Status", "message": "not found", "code": 404}, code=404))


class HostileServer:
    """Serves in a thread of its own, so that commands can run in this one. ``fault`` is played while it is set."""

    def __init__(self):
        self.fault = None
        self.requests = []
        self._writers = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self):
        self._thread.start()
        started = asyncio.start_server(self._serve, "127.0.0.1", 0)
        self._server = asyncio.run_coroutine_threadsafe(started, self._loop).result()
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_):
        async def stop():
            self._server.close()
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(stop(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def cut(self):
        """Break every connection."""

        def abort():
            for writer in list(self._writers):
                writer.transport.abort()

        self._loop.call_soon_threadsafe(abort)

    def kubeconfig(self, path, *, user=None, **cluster):
        """A kubeconfig that leads here."""
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "x",
            "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{self.port}", **cluster}}],
            "users": [{"name": "u", "user": user or {}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        }
        path.write_text(yaml.safe_dump(config))
        return path

    async def _serve(self, reader, writer):
        self._writers.add(writer)
        try:
            while True:
                await self._answer(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.CancelledError):
            pass
        finally:
            self._writers.discard(writer)
            with contextlib.suppress(OSError):
                writer.transport.abort()

    async def _answer(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
        method, target, _ = head[0].decode().split(" ")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(b":") for line in head[1:-2])}
        body = await reader.readexactly(int(headers.get(b"content-length", b"0")))
        exchange = Exchange(method, target, headers, body, (reader, writer))
        self.requests.append(exchange)
        fault = self.fault
        if fault is None:
            await healthy(exchange)
        elif fault.met_by(exchange):
            await fault.play(exchange)
        elif exchange.watch and fault.lists_of(exchange.kind):
            await exchange.send(json_response({"kind": "Status", "code": 410}, code=410))  # so that it is listed again
        else:
            await healthy(exchange)
