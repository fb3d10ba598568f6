"""The server of a browser on a real socket: what it refuses, how many programs it starts, and that they end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import websockets
from websockets.exceptions import InvalidStatus

from meshtui.web import program, serve
from meshtui.web.page import STATIC

ROOT = Path(__file__).parent.parent.parent
TOKEN = "t" * 43
PROGRAM = """
import json, os, subprocess, sys
stubborn = len(sys.argv) > 1
if stubborn:
    import signal
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], stdout=subprocess.DEVNULL)
out, read = sys.stdout.buffer, sys.stdin.buffer.read
def send(data):
    out.write(b"D" + len(data).to_bytes(4, "big") + data)
    out.flush()
out.write(b"__GANGLION__\\n")
send(json.dumps([os.getpid(), child.pid, os.environ["COLUMNS"], os.environ["ROWS"]]).encode())
while True:
    head = read(5)
    if len(head) < 5:
        if stubborn:
            import time
            time.sleep(600)
        break
    data = read(int.from_bytes(head[1:], "big"))
    if head[:1] == b"M" and json.loads(data)["type"] == "quit" and not stubborn:
        break
    send(head[:1] + data)
"""
ECHO = [sys.executable, "-c", PROGRAM]
STUBBORN = [*ECHO, "stubborn"]


class Served:
    """A server that runs."""

    def __init__(self, url: str) -> None:
        self.origin = url.partition("/?")[0]
        self.host = self.origin.removeprefix("http://")
        self.port = int(self.host.rpartition(":")[2])
        self.cookie = f"meshtui-{self.port}={TOKEN}"

    def page(self, size: str = "?width=100&height=30", **changed: object):
        given = {"origin": self.origin, "additional_headers": {"Cookie": self.cookie}, **changed}
        return websockets.connect(f"ws://{self.host}/ws{size}", proxy=None, **given)


@contextlib.asynccontextmanager
async def serving(argv, most=2):
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve(argv, "test", port=0, most=most, ready=ready.set_result, token=TOKEN))
    try:
        yield Served(await asyncio.wait_for(ready, 30))
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.fixture(autouse=True)
def _signals():
    """What the server's signals were before."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


async def hello(talk):
    """The process ids of the program and its child, and the size of its terminal."""
    own, child, width, height = json.loads(await asyncio.wait_for(talk.recv(), 30))
    return own, child, (width, height)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


async def gone(*pids: int) -> bool:
    for _ in range(600):
        if not any(map(alive, pids)):
            return True
        await asyncio.sleep(0.05)
    return False


PATHS = [
    "/",
    "/?token=wrong",
    f"{STATIC}js/textual.js",
    f"{STATIC}css/xterm.css",
    STATIC,
    "/ws",
    "/nothing",
    "/%2e%2e/etc/passwd",
]


async def test_without_the_token_everything_is_refused():
    async with serving(ECHO) as served, httpx.AsyncClient(base_url=served.origin, trust_env=False) as client:
        for path in PATHS:
            for method in ("GET", "HEAD", "POST", "OPTIONS"):
                answer = await client.request(method, path)
                assert answer.status_code == 403, f"{method} {path}"
                assert "set-cookie" not in answer.headers
                assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]


async def test_the_token_becomes_a_cookie_and_the_page_needs_nothing_else():
    async with serving(ECHO) as served, httpx.AsyncClient(base_url=served.origin, trust_env=False) as client:
        answer = await client.get("/", params={"token": TOKEN})
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        said = answer.headers["set-cookie"]
        assert "HttpOnly" in said
        assert "SameSite=Strict" in said
        page = await client.get("/")
        assert page.status_code == 200
        wanted = [part.partition('"')[0] for part in page.text.split(f'"{STATIC}')[1:]]
        assert len(wanted) >= 4
        for path in wanted:
            assert (await client.get(f"{STATIC}{path}")).status_code == 200, path
        assert (await client.get(STATIC)).status_code in {403, 404}, "folders aren't listed"
        for host in (f"localhost:{served.port}", "evil.example", f"evil.example:{served.port}", "127.0.0.1"):
            assert (await client.get("/", headers={"Host": host})).status_code == 403, host
        assert (await client.get("/", headers={"Origin": "http://evil.example"})).status_code == 403


async def test_only_127_0_0_1_is_bound():
    async with serving(ECHO) as served:
        for address in ("127.0.0.2", "::1"):
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            with socket.socket(family) as other:
                other.settimeout(5)
                with pytest.raises(OSError):
                    other.connect((address, served.port))


OTHERS = {
    "no cookie": {"additional_headers": {}},
    "another cookie": {"additional_headers": {"Cookie": "meshtui=x"}},
    "no origin": {"origin": None},
    "another origin": {"origin": "http://evil.example"},
    "the origin of another port": {"origin": "http://127.0.0.1:1"},
}


@pytest.mark.parametrize("changed", OTHERS.values(), ids=OTHERS)
async def test_a_terminal_is_refused(changed):
    async with serving(ECHO) as served:
        with pytest.raises(InvalidStatus) as refused:
            async with served.page(**changed):
                pass
        assert refused.value.response.status_code == 403


async def test_keys_sizes_and_nonsense():
    async with serving(ECHO) as served, served.page("?width=99999&height=x") as talk:
        *_, size = await hello(talk)
        assert size == ("500", "24")
        for said in (
            "{",
            "[" * 50_000,
            "[]",
            "[1]",
            '["stdin", 7]',
            '["resize", {"width": "x"}]',
            '["resize", null]',
            '["no"]',
            "7",
        ):
            await talk.send(said)
        await talk.send(b"\x00")
        await talk.send(json.dumps(["stdin", "2é\ud800"]))
        assert await asyncio.wait_for(talk.recv(), 30) == "D2é?".encode()
        await talk.send(json.dumps(["resize", {"width": 10**9, "height": -5}]))
        answer = await asyncio.wait_for(talk.recv(), 30)
        assert json.loads(answer[1:]) == {"type": "resize", "width": 500, "height": 4}
        await talk.send(json.dumps(["ping", "7"]))
        assert json.loads(await asyncio.wait_for(talk.recv(), 30)) == ["pong", "7"]


async def test_as_many_programs_as_are_allowed():
    async with serving(ECHO, most=2) as served, served.page() as one:
        await hello(one)
        async with served.page() as two:
            pid, *_ = await hello(two)
            with pytest.raises(InvalidStatus) as refused:
                async with served.page():
                    pass
            assert refused.value.response.status_code == 503
        assert await gone(pid)
        for _ in range(100):
            with contextlib.suppress(InvalidStatus):
                async with served.page() as again:
                    await hello(again)
                    return
            await asyncio.sleep(0.05)
        pytest.fail("the place of a page that was closed stays taken")


@pytest.mark.parametrize("argv", [ECHO, STUBBORN], ids=["quits", "has to be killed"])
async def test_a_program_ends_with_its_page_and_with_the_server(monkeypatch, argv):
    monkeypatch.setattr(program, "QUIT_S", 0.5)
    monkeypatch.setattr(program, "TERM_S", 0.5)
    async with serving(argv) as served:
        async with served.page() as talk:
            own, child, size = await hello(talk)
            assert size == ("100", "30")
            assert alive(own)
            assert alive(child)
        assert await gone(own, child)
        async with served.page() as talk:
            own, child, _ = await hello(talk)
            talk.transport.abort()  # the browser is gone without a word
            assert await gone(own, child)
        left = await served.page().__aenter__()
        own, child, _ = await hello(left)
    assert await gone(own, child)


async def test_a_program_that_cannot_be_started_ends_the_page():
    async with serving(["/no/such/program"]) as served, served.page() as talk:
        with pytest.raises(websockets.ConnectionClosed):
            await asyncio.wait_for(talk.recv(), 30)


def arguments_of(pid: int) -> list[bytes]:
    return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")


def children_of(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
async def test_the_command_ends_with_everything_that_it_started(number):
    """The real program, on manifests."""
    command = [sys.executable, "-m", "meshtui", "serve", "-f", "meshtui/sandbox/bookstore", "--skip-unreadable"]
    served = subprocess.Popen(  # noqa: ASYNC220  (it is killed and waited for below, whatever happens)
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "NO_PROXY": "*"}
    )
    try:
        loop = asyncio.get_running_loop()
        url = (await loop.run_in_executor(None, served.stdout.readline)).decode().strip()
        origin, token = url.split("/?token=")
        host = origin.removeprefix("http://")
        cookie = f"meshtui-{host.rpartition(':')[2]}={token}"
        talk = await websockets.connect(
            f"ws://{host}/ws?width=120&height=40", proxy=None, origin=origin, additional_headers={"Cookie": cookie}
        )
        seen = b""
        while b"meshtui" not in seen:
            seen += await asyncio.wait_for(talk.recv(), 60)
        [inner] = children_of(served.pid)
        assert b"--read-only" in arguments_of(inner)
        served.send_signal(number)
        assert await loop.run_in_executor(None, served.wait, 60) == (0 if number is not signal.SIGKILL else -signal.SIGKILL)
        assert await gone(inner)
    finally:
        served.kill()
        served.wait()
        served.stdout.close()
        served.stderr.close()
