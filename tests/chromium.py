"""Drives a headless Chromium through its DevTools WebSocket, with nothing but what meshtui needs anyway."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import websockets

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
    "--force-color-profile=srgb",
)
START_S = 60.0


CHROMIUM = os.environ.get("MESHTUI_CHROMIUM") or shutil.which("chromium") or ""
"""The path of Chromium: $MESHTUI_CHROMIUM, else ``chromium`` on the path; empty if there is none."""


class Page:
    """A page: what it asked for, and what came through its WebSockets."""

    def __init__(self, talk: websockets.ClientConnection, session: str) -> None:
        self._talk = talk
        self._session = session
        self._number = 100
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.asked: list[str] = []
        self.errors: list[str] = []
        self.received = bytearray()
        self._more = asyncio.Event()

    async def listen(self) -> None:
        """Take what the browser says, until it ends."""
        async for text in self._talk:
            said = json.loads(text)
            given = said.get("params", {})
            if said.get("id") in self._answers:
                self._answers.pop(said["id"]).set_result(said.get("result", {}))
            match said.get("method"):
                case "Network.requestWillBeSent":
                    self.asked.append(given["request"]["url"])
                case "Network.webSocketCreated":
                    self.asked.append(given["url"])
                case "Network.webSocketFrameReceived":
                    payload = given["response"]
                    self.received += base64.b64decode(payload["payloadData"]) if payload["opcode"] == 2 else b""
                    self._more.set()
                case "Runtime.exceptionThrown":
                    self.errors.append(
                        given["exceptionDetails"].get("text", "") + str(given["exceptionDetails"].get("exception"))
                    )
                case "Log.entryAdded" if given["entry"]["level"] == "error":
                    self.errors.append(f"{given['entry']['text']} {given['entry'].get('url', '')}")

    async def send(self, method: str, **params: object) -> dict[str, Any]:
        """Call a method of the DevTools protocol."""
        self._number += 1
        answer = self._answers[self._number] = asyncio.get_running_loop().create_future()
        await self._talk.send(json.dumps({"id": self._number, "method": method, "params": params, "sessionId": self._session}))
        return await asyncio.wait_for(answer, START_S)

    async def press(self, key: str) -> None:
        """Press a key that writes a character."""
        code = ord(key.upper())
        await self.send("Input.dispatchKeyEvent", type="keyDown", key=key, text=key, windowsVirtualKeyCode=code)
        await self.send("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)

    async def until(self, text: str, timeout_s: float = START_S) -> None:
        """Wait until a text has come through the WebSocket since the last ``forget``."""
        async with asyncio.timeout(timeout_s):
            while text.encode() not in self.received:
                self._more.clear()
                await self._more.wait()

    def forget(self) -> None:
        """Forget what has come so far."""
        self.received.clear()

    async def picture(self) -> bytes:
        """A picture of the page, as PNG."""
        return base64.b64decode((await self.send("Page.captureScreenshot", format="png"))["data"])


@contextlib.asynccontextmanager
async def chromium(folder: Path, width: int, height: int) -> AsyncIterator[Page]:
    """A page in a new Chromium, whose profile is in a folder."""
    arguments = [CHROMIUM, *FLAGS, f"--user-data-dir={folder}", f"--window-size={width},{height}", "about:blank"]
    process = await asyncio.create_subprocess_exec(*arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        number, path = await asyncio.to_thread(_address, folder / "DevToolsActivePort")
        async with websockets.connect(f"ws://127.0.0.1:{number}{path}", proxy=None, max_size=None) as talk:
            yield await _attached(talk, width, height)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _address(file: Path) -> list[str]:
    """The port and the path that Chromium writes once it listens."""
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        with contextlib.suppress(OSError):
            words = file.read_text().split()
            if len(words) == 2:
                return words
        time.sleep(0.05)
    raise TimeoutError("Chromium doesn't start")


async def _attached(talk: websockets.ClientConnection, width: int, height: int) -> Page:
    async def call(number: int, method: str, **params: object) -> dict[str, Any]:
        await talk.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            said = json.loads(await asyncio.wait_for(talk.recv(), START_S))
            if said.get("id") == number:
                return said["result"]

    target = (await call(1, "Target.createTarget", url="about:blank"))["targetId"]
    session = (await call(2, "Target.attachToTarget", targetId=target, flatten=True))["sessionId"]
    page = Page(talk, session)
    page.listening = asyncio.create_task(page.listen())  # type: ignore[attr-defined]  # it is kept as long as the page
    for domain in ("Page", "Network", "Runtime", "Log"):
        await page.send(f"{domain}.enable")
    await page.send("Emulation.setFocusEmulationEnabled", enabled=True)
    await page.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
    return page
