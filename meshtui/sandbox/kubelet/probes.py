"""Runs a container's probes through the Unix sockets of its ports."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass

from meshtui.sandbox.ports import Obj, PodPaths


@dataclass(frozen=True, slots=True)
class Probe:
    """One probe: its request, and its period and thresholds."""

    path: str | None
    port: int
    host: str
    delay_s: float
    period_s: float
    timeout_s: float
    successes: int
    failures: int


def read(container: Obj, field: str) -> Probe | None:
    """A container's ``readinessProbe``, ``startupProbe`` or ``livenessProbe``; None when it has none (or an exec one)."""
    spec = container.get(field)
    action = (spec or {}).get("httpGet") or (spec or {}).get("tcpSocket")
    port = _port(container, action.get("port")) if action else None
    if spec is None or action is None or port is None:
        return None
    headers = {str(h.get("name", "")).lower(): str(h.get("value", "")) for h in action.get("httpHeaders") or []}
    return Probe(
        path=action.get("path", "/") if "httpGet" in spec else None,
        port=port,
        host=headers.get("host", "localhost"),
        delay_s=float(spec.get("initialDelaySeconds", 0)),
        period_s=float(spec.get("periodSeconds", 10)),
        timeout_s=float(spec.get("timeoutSeconds", 1)),
        successes=int(spec.get("successThreshold", 1)),
        failures=int(spec.get("failureThreshold", 3)),
    )


def _port(container: Obj, port: object) -> int | None:
    if isinstance(port, int):
        return port
    for declared in container.get("ports") or []:
        if declared.get("name") == port:
            return int(declared["containerPort"])
    return int(port) if isinstance(port, str) and port.isdigit() else None


async def ask(probe: Probe, paths: PodPaths) -> str:
    """Probe once. Returns an empty string on success, else the reason."""
    try:
        async with asyncio.timeout(probe.timeout_s):
            reader, writer = await asyncio.open_unix_connection(paths.socket(probe.port))
            try:
                return "" if probe.path is None else await _http(probe, reader, writer)
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
    except TimeoutError:
        return f"no answer on port {probe.port} within {probe.timeout_s:g}s"
    except OSError:
        return f"dial tcp :{probe.port}: connect: connection refused"


async def _http(probe: Probe, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
    path = (probe.path or "/") if (probe.path or "/").startswith("/") else f"/{probe.path}"
    head = f"GET {path} HTTP/1.1\r\nHost: {probe.host}\r\nUser-Agent: kube-probe/1.32\r\nConnection: close\r\n\r\n"
    writer.write(head.encode())
    await writer.drain()
    line = (await reader.readline()).decode("latin-1").split(" ")
    status = int(line[1]) if len(line) > 1 and line[1].isdigit() else 0
    return "" if 200 <= status < 400 else f"HTTP probe failed with statuscode: {status}"


async def watch(probe: Probe, paths: PodPaths, on_change: Callable[[bool, str], None]) -> None:
    """Probe forever. ``on_change`` is called with each result that passed its threshold, and the reason of every failure.

    Until the first success, the interval is at most half a second, so that sandboxes start fast.
    """
    await asyncio.sleep(probe.delay_s)
    streak, good, succeeded = 0, False, False
    while True:
        problem = await ask(probe, paths)
        streak = streak + 1 if (not problem) == good else 1
        good = not problem
        succeeded = succeeded or good
        if good and streak >= probe.successes:
            on_change(True, "")
        elif not good and (streak >= probe.failures or not succeeded):
            on_change(False, problem)
        await asyncio.sleep(probe.period_s if succeeded else min(probe.period_s, 0.1))
