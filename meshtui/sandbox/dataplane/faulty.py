"""Bends the world to the faults of a scenario, until something that really repairs them has happened."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from meshtui.sandbox.dataplane.certs import MeshCa
from meshtui.sandbox.dataplane.world import Backend, Pod, Service, World, is_ztunnel
from meshtui.sandbox.meshfaults import LostRedirection, Nack, NodeBehind, OldVersion, PendingPod, Planned, StuckRenewal
from meshtui.sandbox.ports import Obj, PodLogs

_POLICIES = ("authorizationpolicies", "peerauthentications")
_AUTHORIZATION = "type.googleapis.com/istio.security.Authorization"
_CA = "signing gRPC error (The service is currently unavailable): CA is not ready"


class Faulty:
    """The faults of one sandbox. What is said goes to the log of the node's ztunnel, in its own words."""

    def __init__(self, faults: Sequence[Planned], ca: MeshCa, logs: PodLogs) -> None:
        self._ca = ca
        self._logs = logs
        self._active: list[_Active] = [_active(each, self) for each in faults]
        self._images = {each.fault.node: each.fault.image for each in faults if isinstance(each.fault, OldVersion)}
        self._ztunnels: dict[str, str] = {}
        self._armed = False

    def arm(self) -> None:
        """Let the faults begin: what they break is ready then. Only an old version is there from the start."""
        self._armed = True

    @property
    def ca(self) -> MeshCa:
        """The mesh's CA."""
        return self._ca

    @property
    def uncaptured(self) -> set[str]:
        """The pods (by uid) that a fault has taken out of the mesh."""
        return {each.uid for each in self._active if isinstance(each, _OfPod) and not each.over}

    def admit(self, plural: str, obj: Obj, old: Obj | None) -> None:
        """Give the first ztunnel of a node the image of a fault, before the pod is stored."""
        if plural != "pods" or old is not None or (obj["metadata"].get("labels") or {}).get("app") != "ztunnel":
            return
        image = self._images.pop(str(obj["spec"].get("nodeName", "")), None)
        if image is not None:
            obj["spec"]["containers"] = [{**each, "image": image} for each in obj["spec"]["containers"]]

    def bend(self, world: World) -> World:
        """Return the world with the faults that are not over."""
        self._renew_with_ztunnels(world)
        for each in self._active if self._armed else ():
            if not each.over:
                world = each.apply(world)
        return world

    def _renew_with_ztunnels(self, world: World) -> None:
        for node in {pod.node for pod in world.pods if is_ztunnel(pod)}:
            found = world.ztunnel(node)
            if found is not None and self._ztunnels.setdefault(node, found.uid) != found.uid:
                self._ztunnels[node] = found.uid
                self._ca.renew(node)

    def say(self, ztunnel: Pod | None, level: str, scope: str, message: str, fields: str = "") -> None:
        """Append a line to a ztunnel's log."""
        if ztunnel is not None:
            now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            self._logs.append(ztunnel.uid, f"{now}\t{level}\t{scope}\t{message}\t{fields}")


@dataclass(slots=True)
class _Active:
    """A fault that has begun, will begin when what it is about is there, or is over."""

    faulty: Faulty
    of: str
    over: bool = False

    def apply(self, world: World) -> World:
        raise NotImplementedError

    def first(self, world: World) -> Pod | None:
        """The first pod of the workload."""
        namespace, kind, name = self.of.split("/")
        return next((pod for pod in world.pods if pod.namespace == namespace and pod.owner == (kind, name)), None)


@dataclass(slots=True)
class _OfPod(_Active):
    """It concerns one pod, from when that is ready until it is gone."""

    uid: str = ""

    def apply(self, world: World) -> World:
        if not self.uid:
            found = self.first(world)
            if found is None or not found.ready or not found.captured or world.ztunnel(found.node) is None:
                return world
            self.uid = found.uid
            self.begin(world, found)
        here = next((pod for pod in world.pods if pod.uid == self.uid), None)
        self.over = here is None
        return world if here is None else _with_pod(world, self.bent(here))

    def begin(self, world: World, pod: Pod) -> None:
        raise NotImplementedError

    def bent(self, pod: Pod) -> Pod:
        raise NotImplementedError


@dataclass(slots=True)
class _Lost(_OfPod):
    def begin(self, world: World, pod: Pod) -> None:
        words = "pod delete request, shutting down proxy"
        self.faulty.say(world.ztunnel(pod.node), "info", "inpod::statemanager", words, f'uid="{pod.uid}"')

    def bent(self, pod: Pod) -> Pod:
        return replace(pod, captured=False, lost=True)


@dataclass(slots=True)
class _Pending(_OfPod):
    def begin(self, world: World, pod: Pod) -> None:
        ztunnel, uid = world.ztunnel(pod.node), f'uid="{pod.uid}"'
        named = f'{uid} name="{pod.name}" namespace="{pod.namespace}"'
        self.faulty.say(ztunnel, "info", "inpod::statemanager", "pod received, starting proxy", named)
        self.faulty.say(ztunnel, "info", "inpod::workloadmanager", "scheduling retry", f'uids=["{pod.uid}"]')
        why = "failed to bind to address [::]:15001: Address already in use (os error 98)"
        self.faulty.say(ztunnel, "info", "inpod::statemanager", f"retrying workload failed: {why}", uid)

    def bent(self, pod: Pod) -> Pod:
        return replace(pod, captured=False, pending=True)


@dataclass(slots=True)
class _Stuck(_Active):
    age: dt.timedelta = dt.timedelta(hours=14)
    identity: str = ""
    ztunnel: str = ""
    node: str = ""
    istiods: frozenset[str] = frozenset()

    def apply(self, world: World) -> World:
        if not self.ztunnel:
            self._begin(world)
        elif (here := world.ztunnel(self.node)) is not None and here.uid != self.ztunnel:
            self.over = True  # a new ztunnel has new certificates
        elif self.istiods and not self.istiods & _istiods(world):
            self.over = True
            self.faulty.ca.release(self.identity, self.node)
        return world

    def _begin(self, world: World) -> None:
        pod = self.first(world)
        ztunnel = world.ztunnel(pod.node) if pod else None
        if pod is None or ztunnel is None:
            return
        self.identity, self.ztunnel, self.node, self.istiods = world.identity(pod), ztunnel.uid, pod.node, _istiods(world)
        made = self.faulty.ca.stick(self.identity, self.node, self.age)
        left = made.certificate.not_valid_after_utc - dt.datetime.now(dt.UTC)
        now = int(time.monotonic())
        words = (
            f"certificate renewal failed ({_CA}); retaining existing valid certificate until "
            f"Instant {{ tv_sec: {now + int(left.total_seconds())}, tv_nsec: 0 }}; "
            f"next retry at Instant {{ tv_sec: {now + 150}, tv_nsec: 0 }}"
        )
        self.faulty.say(ztunnel, "info", "identity::manager", words, f"id={self.identity}")


@dataclass(slots=True)
class _Behind(_Active):
    older: tuple[Obj, ...] = ()
    ztunnel: str = ""
    node: str = ""
    has: Mapping[str, tuple[Obj, ...]] = field(default_factory=dict)

    def apply(self, world: World) -> World:
        if not self.ztunnel:
            pod = self.first(world)
            ztunnel = world.ztunnel(pod.node) if pod else None
            if pod is None or ztunnel is None:
                return world
            self.ztunnel, self.node = ztunnel.uid, pod.node
            before = {_key(each): each for each in self.older}
            self.has = {
                plural: tuple(before.get(_key(each), each) for each in world.objects.get(plural, ())) for plural in _POLICIES
            }
            why = 'gRPC error status: Unknown, message: "error reading a body from connection"'
            words = f"XDS client error: {why}, retrying in 10.24s"
            self.faulty.say(ztunnel, "warn", "xds::client:xds{id=1}", words)
        here = world.ztunnel(self.node)
        self.over = here is not None and here.uid != self.ztunnel
        return world if self.over else replace(world, behind={**world.behind, self.node: self.has})


@dataclass(slots=True)
class _Refused(_Active):
    policy: str = ""
    error: str = ""
    spec: Any = None
    node: str = ""
    told: str = ""

    def apply(self, world: World) -> World:
        policies = world.objects.get("authorizationpolicies", ())
        found = next((each for each in policies if _key(each)[1:] == tuple(self.policy.split("/"))), None)
        if not self.node:
            pod = self.first(world)
            if pod is None or found is None:
                return world
            self.node, self.spec = pod.node, found.get("spec")
        ztunnel = world.ztunnel(self.node)
        why, name = f"{self.policy}: {self.error}", self.policy.partition("/")[2]
        self.over = found is None or found.get("spec") != self.spec
        if self.over:
            if found is not None:
                self.faulty.say(ztunnel, "info", "xds:xds{id=1}", f"handling RBAC update {name}")
            return world
        if ztunnel is not None and self.told != ztunnel.uid:
            self.told = ztunnel.uid
            self.faulty.say(ztunnel, "info", "xds:xds{id=1}", f"handling RBAC update {name}")
            sent = f'type_url="{_AUTHORIZATION}" nonce="n2" type=Nack error="{why}"'
            self.faulty.say(ztunnel, "error", "xds::client:xds{id=1}", "sending response", sent)
        has = {"authorizationpolicies": tuple(each for each in policies if each is not found)}
        refusals = {**world.refusals, self.node: why}
        return replace(world, behind={**world.behind, self.node: has}, refusals=refusals)


@dataclass(slots=True)
class _Done(_Active):
    """A fault that begins, and ends, elsewhere."""

    def apply(self, world: World) -> World:
        return world


def _active(planned: Planned, faulty: Faulty) -> _Active:
    match planned.fault:
        case LostRedirection(of=of):
            return _Lost(faulty, of)
        case PendingPod(of=of):
            return _Pending(faulty, of)
        case StuckRenewal(of=of, age_hours=hours):
            return _Stuck(faulty, of, age=dt.timedelta(hours=hours))
        case NodeBehind(of=of):
            return _Behind(faulty, of, older=planned.older)
        case Nack(of=of, policy=policy, error=error):
            return _Refused(faulty, of, policy=policy, error=error)
        case _:
            return _Done(faulty, "")


def _istiods(world: World) -> frozenset[str]:
    return frozenset(pod.uid for pod in world.pods if pod.labels.get("app") == "istiod" and not pod.going)


def _with_pod(world: World, pod: Pod) -> World:
    """Replace a pod, also behind its Services."""
    pods = tuple(pod if each.uid == pod.uid else each for each in world.pods)
    return replace(world, pods=pods, services=tuple(_service_with(each, pod) for each in world.services))


def _service_with(service: Service, pod: Pod) -> Service:
    ports = {
        port: tuple(Backend(pod, each.port) if each.pod.uid == pod.uid else each for each in backends)
        for port, backends in service.ports.items()
    }
    return replace(service, ports=ports)


def _key(obj: Obj) -> tuple[str, str, str]:
    return str(obj["kind"]), str(obj["metadata"]["namespace"]), str(obj["metadata"]["name"])
