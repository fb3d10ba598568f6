"""Reads a ztunnel's answer to ``/healthz/ready`` (istio/ztunnel src/readiness/server.rs)."""

from __future__ import annotations

from meshtui.ztunnel.look import Readiness

_PENDING = "not ready, pending:"


def read_readiness(status: int, body: str) -> Readiness | None:
    """``200 ready`` or ``500 not ready, pending: TASK, TASK``; None for any other answer, which isn't a ztunnel's."""
    text = " ".join(body.split())
    if status == 200 and text == "ready":
        return Readiness(ready=True)
    if status == 500 and text.startswith(_PENDING):
        tasks = (task.strip() for task in text.removeprefix(_PENDING).split(","))
        return Readiness(ready=False, pending=tuple(filter(None, tasks)))
    return None
