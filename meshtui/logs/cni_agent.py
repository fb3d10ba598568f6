"""Pods that istio-cni's agent couldn't capture again, in its log (istio/istio cni/pkg/nodeagent: net.go, ztunnelserver.go).

After a restart the agent checks the redirection of the pods that it had captured. If it doesn't find a pod's network namespace,
it says so once and goes on: the pod stays out of the mesh until it is restarted (istio/istio issues 55968, 60882).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

import msgspec

from meshtui.logs.moment import moment_of

_FAILED = "failed to reconcile inpod rules for pod"
_ADDED = "adding pod to the mesh"
_FIELD = re.compile(r"(?:^|\s)(ns|name)=(\S+)")
_LONGEST = 8192


@dataclass(frozen=True, slots=True)
class AgentLine:
    """A line about one pod, ``namespace/name``: whether the agent added it, or failed to."""

    pod: str
    added: bool
    at: datetime


class _Json(msgspec.Struct):
    time: str = ""
    msg: str = ""
    message: str = ""
    ns: str = ""
    name: str = ""


def read_agent_line(text: str) -> AgentLine | None:
    """What a line says of the capture of a pod; None for every other line. Text and JSON are read."""
    if len(text) > _LONGEST or (_FAILED not in text and _ADDED not in text):
        return None
    if text.startswith("{"):
        try:
            entry = msgspec.json.decode(text, type=_Json)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return None
        return _line(entry.time, entry.msg or entry.message, entry.ns, entry.name)
    parts = text.rstrip("\r\n").split("\t")
    if len(parts) < 4:
        return None
    fields = dict(_FIELD.findall(" ".join(parts[4:])))
    return _line(parts[0], parts[3], fields.get("ns", ""), fields.get("name", ""))


def _line(time: str, message: str, namespace: str, name: str) -> AgentLine | None:
    if not (namespace and name and message.startswith((_FAILED, _ADDED))):
        return None
    at = moment_of(time)
    return AgentLine(f"{namespace}/{name}", message.startswith(_ADDED), at) if at is not None else None
