"""A bookstore's gateway on a socket whose answers a test chooses: a real server, no patched client."""

import asyncio
import json
from contextlib import asynccontextmanager

from meshtui.settings import Checkout

BOOK = Checkout().book
TOKEN = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJyZWFkZXIifQ.c2lnbmVk"


class FakeShop:
    """``answers`` override by (method, path): a status with a body, ``hang`` or ``close``. Keeps what was asked."""

    def __init__(self, answers):
        self.answers = answers
        self.requests = []
        self.heads = []
        self.bought = 0
        self.reserved = 0
        self.port = 0
        self._hanging = set()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader, writer):
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                method, path, _ = head.split("\r\n", 1)[0].split(" ")
                length = next(
                    (int(line.split(":")[1]) for line in head.split("\r\n") if line.lower().startswith("content-length")), 0
                )
                await reader.readexactly(length)
                self.requests.append((method, path))
                self.heads.append(head)
                answer = self.answers.get((method, path)) or self.usual(method, path)
                if answer == "hang":
                    task = asyncio.current_task()
                    self._hanging.add(task)
                    await asyncio.Event().wait()
                if answer == "close":
                    return
                status, body = answer
                raw = body if isinstance(body, bytes) else json.dumps(body).encode()
                headers = f"HTTP/1.1 {status} X\r\ncontent-length: {len(raw)}\r\nx-request-id: id-{len(self.requests)}\r\n\r\n"
                writer.write(headers.encode() + raw)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    def usual(self, method, path):
        stock = {"book_id": BOOK, "quantity": 10, "reserved": self.reserved}
        match method, path:
            case "GET", "/ecom/books":
                return 200, [{"book_id": BOOK, "title": "One"}]
            case "POST", "/ecom/checkout":
                self.bought += 1
                self.reserved += 1
                return 201, {"order_id": "o-1", "event_id": "e-1", "reserve_calls": [{"status": 200, "book_id": BOOK}]}
            case _, "/ecom/cart":
                return 200, {"items": []}
            case "POST", _:
                return 200, {"access_token": TOKEN}
            case _ if path == f"/inven/stock/{BOOK}":
                return 200, stock
        return 404, {"detail": "none"}

    def release(self):
        for task in self._hanging:
            task.cancel()


@asynccontextmanager
async def running_shop(answers=None):
    shop = FakeShop(answers or {})
    server = await asyncio.start_server(shop.serve, "127.0.0.1", 0)
    shop.port = server.sockets[0].getsockname()[1]
    try:
        yield shop
    finally:
        shop.release()
        server.close()
        await server.wait_closed()
