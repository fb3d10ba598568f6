"""The state of a pod's containers, and the pod's status."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from meshtui.sandbox.apiserver.store import now
from meshtui.sandbox.ports import Obj

CREATING: dict[str, Any] = {"waiting": {"reason": "ContainerCreating"}}
INITIALIZING: dict[str, Any] = {"waiting": {"reason": "PodInitializing"}}


@dataclass(slots=True)
class ContainerState:
    """One container: ``state`` and ``last`` as in a containerStatus."""

    name: str
    image: str
    state: dict[str, Any] = field(default_factory=lambda: dict(CREATING))
    last: dict[str, Any] = field(default_factory=dict)
    restarts: int = 0
    ready: bool = False
    started: bool = False
    container_id: str = ""

    @property
    def exit_code(self) -> int | None:
        """How the container ended, or None while it hasn't."""
        ended = self.state.get("terminated")
        return None if ended is None else int(ended["exitCode"])

    def status(self) -> Obj:
        """The containerStatus."""
        return {
            "name": self.name,
            "image": self.image,
            "imageID": f"sandbox://{self.image}" if self.container_id else "",
            "containerID": self.container_id,
            "state": self.state,
            "lastState": self.last,
            "ready": self.ready,
            "started": self.started,
            "restartCount": self.restarts,
        }


def running() -> dict[str, Any]:
    """A state: runs since now."""
    return {"running": {"startedAt": now()}}


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    """A state: waiting, with the reason."""
    return {"waiting": {"reason": reason} | ({"message": message} if message else {})}


def terminated(state: dict[str, Any], code: int, container_id: str, reason: str = "", message: str = "") -> dict[str, Any]:
    """A state: ended now, with the exit code."""
    why = reason or ("Completed" if code == 0 else "Error")
    ended: dict[str, Any] = {
        "exitCode": code,
        "reason": why,
        "startedAt": state.get("running", {}).get("startedAt", now()),
        "finishedAt": now(),
        "containerID": container_id,
    }
    return {"terminated": ended | ({"message": message} if message else {})}


def gates_met(pod: Obj) -> list[str]:
    """The readiness gates that aren't met."""
    conditions = {c["type"]: c["status"] for c in (pod.get("status") or {}).get("conditions") or []}
    gates = [gate.get("conditionType", "") for gate in pod["spec"].get("readinessGates") or []]
    return [gate for gate in gates if conditions.get(gate) != "True"]


def conditions(pod: Obj, containers: Iterable[ContainerState], *, initialized: bool, phase: str) -> list[Obj]:
    """The pod's conditions: those of the kubelet, after those that others wrote."""
    over = phase in ("Succeeded", "Failed")
    unready = [container.name for container in containers if not container.ready]
    unmet = gates_met(pod)
    reason = "PodCompleted" if phase == "Succeeded" else "PodFailed" if phase == "Failed" else "ContainersNotReady"
    message = "" if over else f"containers with unready status: [{' '.join(unready)}]"
    containers_ready = not unready and not over
    no_containers = ("False", reason, message)
    ready = no_containers if not containers_ready else ("True", "", "")
    if containers_ready and unmet:
        text = ", ".join(f'corresponding condition of pod readiness gate "{gate}" does not exist.' for gate in unmet)
        ready = ("False", "ReadinessGatesNotReady", text)
    own = {
        "PodReadyToStartContainers": ("True", "", ""),
        "Initialized": ("True", "", "") if initialized else ("False", "ContainersNotInitialized", ""),
        "Ready": ready,
        "ContainersReady": ("True", "", "") if containers_ready else no_containers,
        "PodScheduled": ("True", "", ""),
    }
    old = {c["type"]: c for c in (pod.get("status") or {}).get("conditions") or []}
    others = [c for kind, c in old.items() if kind not in own]
    return others + [_condition(kind, old.get(kind), *what) for kind, what in own.items()]


def _condition(kind: str, old: Obj | None, status: str, reason: str, message: str) -> Obj:
    flipped = old is None or old.get("status") != status
    since = now() if old is None or flipped else old.get("lastTransitionTime", now())
    made: Obj = {"type": kind, "status": status, "lastProbeTime": None, "lastTransitionTime": since}
    made |= {"reason": reason} if reason else {}
    return made | ({"message": message} if message else {})
