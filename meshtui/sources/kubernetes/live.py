"""Snapshots of a live cluster: one reflector per kind, whose changes are combined at most four times a second."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from meshtui.cni import config_map_namespaces, config_maps_to_read, named, of_snapshot, pod_cidrs
from meshtui.kinds import KINDS, Kind
from meshtui.kinds.foreign import PROXY_KINDS
from meshtui.kinds.mesh_config import ConfigMap, is_mesh_config, together, written_in
from meshtui.model.cni import REFERENCE_CNI, Cni
from meshtui.model.errors import ForbiddenError, MeshtuiError, NotFoundError
from meshtui.model.ids import ObjectRef, Uid
from meshtui.model.own_probe import own_jobs, own_pods
from meshtui.model.redact import redact
from meshtui.model.snapshot import KindState, KindStatus, MeshConfig, Problem, Snapshot
from meshtui.model.workload import Pod
from meshtui.sources.kubernetes.api import Api, decode_with, segment
from meshtui.sources.kubernetes.bounded import ConnectionLostError, NonsenseError
from meshtui.sources.kubernetes.connection import Connection, connect
from meshtui.sources.kubernetes.interrupt import in_thread
from meshtui.sources.kubernetes.limits import MESSAGE_CHARS
from meshtui.sources.kubernetes.listing import read_list
from meshtui.sources.kubernetes.proxies import is_loopback
from meshtui.sources.kubernetes.reflector import Pause, Reflector, pause
from meshtui.sources.manifest_yaml import yaml_text
from meshtui.sources.ports import Publish, SourceLabel

if TYPE_CHECKING:
    from meshtui.settings import Settings

PUBLISH_INTERVAL_S = 0.25
SANDBOX_LABEL = "meshtui.dev/sandbox"
_MESH_REFRESH_S = 30.0
_SETTLE_S = 60.0
_NOT_YET = "it hasn't been read yet"
_MESH_WIDE = {"AuthorizationPolicy", "PeerAuthentication", "RequestAuthentication", *PROXY_KINDS}
"""Kinds that apply to the whole mesh from the root namespace. They are listed there, too, if the whole cluster may not be
listed.
"""
_EACH_FOR_ITSELF = {"", "apps", "batch", "discovery.k8s.io"}
"""API groups whose objects can be missing without consequences for verdicts. Policies that can't be read make verdicts unknown.
"""
_WORST_FIRST = (
    KindStatus.EXPIRED,
    KindStatus.UNREACHABLE,
    KindStatus.BROKEN,
    KindStatus.STALE,
    KindStatus.FORBIDDEN,
    KindStatus.LOADING,
    KindStatus.NOT_INSTALLED,
    KindStatus.SYNCED,
)


def may_be_sandbox(server: str) -> bool:
    """Whether a server may be a sandbox: TLS at a literal loopback address. Host names don't count, whatever they resolve to."""
    return server.startswith("https://") and is_loopback(server)


class LiveSource:
    """One API server as a source.

    ``api`` is set after ``open`` or ``run`` read the configuration; ``wait`` is the pause after a failure.
    """

    def __init__(self, settings: Settings, wait: Pause = pause) -> None:
        self._settings = settings
        if settings.cni:
            named(settings.cni)  # refused at once if there is no such profile
        self._cni_config: dict[str, Mapping[str, str]] = {}
        self._cni_unread = dict.fromkeys(config_maps_to_read(), _NOT_YET)
        self._cni_namespaces = config_map_namespaces(())
        self._cni_moved = asyncio.Event()
        self._pod_cidrs = pod_cidrs(settings.pod_cidrs)
        self._wait = wait
        self._reflectors: list[Reflector] = []
        self._dirty = asyncio.Event()
        self._mesh = MeshConfig()
        self._mesh_problem: Problem | None = None
        self._mesh_namespace = "istio-system"
        self._label = SourceLabel(context=settings.context, changeable=True)
        self._copies: dict[str, tuple[int, dict[Uid, Any]]] = {}
        self._own_probes: dict[Uid, Pod] = {}
        self._versions: dict[str, int] = defaultdict(int)
        self.api: Api | None = None

    @property
    def label(self) -> SourceLabel:
        """The context, user and cluster for the header."""
        return self._label

    async def open(self) -> Api:
        """Read the configuration and connect; raises ConfigError."""
        if self.api is None:
            connection = await in_thread(partial(connect, self._settings))
            self.api = Api(connection, self._settings.timeouts)
            self._label = _label(connection)
        return self.api

    async def close(self) -> None:
        """Close all connections."""
        if self.api is not None:
            await self.api.close()
            self.api = None

    def retry_now(self) -> None:
        """Cut all waits for a retry short."""
        for reflector in self._reflectors:
            reflector.retry_now()

    async def run(self, publish: Publish) -> None:
        """Publish the first Snapshot as soon as something is known, then at most four per second, until cancelled."""
        api = await self.open()
        self._reflectors = [self._reflector(kind, api) for kind in KINDS.values()]
        try:
            async with asyncio.TaskGroup() as tasks:
                for reflector in list(self._reflectors):
                    tasks.create_task(self._reflect(reflector, tasks), name=f"watch {reflector.kind.plural}")
                tasks.create_task(self._follow_mesh_config(api), name="mesh config")
                tasks.create_task(self._find_out_sandbox(api), name="sandbox?")
                await self._publish_changes(publish)
        finally:
            await self.close()

    async def snapshot(self) -> Snapshot:
        """One Snapshot of everything, for commands. Raises ClusterError if the cluster refuses everything."""
        api = await self.open()
        self._reflectors = [self._reflector(kind, api) for kind in KINDS.values()]
        try:
            async with asyncio.timeout(max(_SETTLE_S, 2 * self._settings.timeouts.request_s)):
                await asyncio.gather(
                    self._read_mesh_config(api),
                    self._read_cni_config(api),
                    self._find_out_sandbox(api),
                    *(r.list_once() for r in self._reflectors),
                )
                await asyncio.gather(*(self._narrow(r) for r in list(self._reflectors)))
        except TimeoutError as error:
            server = api.connection.server
            raise ConnectionLostError(f"{server} doesn't answer in time", "--request-timeout waits longer") from error
        made = self._assemble()
        if self._cni_moved.is_set():
            await self._read_cni_config(api)
            made = self._assemble()
        return made

    def progress(self) -> tuple[int, int]:
        """How many objects have been read, and how many are left according to the server."""
        return sum(len(r.objects) for r in self._reflectors), sum(r.remaining for r in self._reflectors)

    def _reflector(self, kind: Kind, api: Api, namespace: str = "") -> Reflector:
        return Reflector(kind, api, self._settings.timeouts, self._marker(kind.field), namespace, self._wait)

    async def _reflect(self, reflector: Reflector, tasks: asyncio.TaskGroup) -> None:
        """Watch a kind in the whole cluster or, if that is forbidden, in the configured namespaces."""
        if await self._is_forbidden(reflector):
            for other in self._narrowed(reflector):
                tasks.create_task(other.run(), name=f"watch {other.kind.plural}")
        await reflector.run()

    async def _is_forbidden(self, reflector: Reflector) -> bool:
        if not (self._can_narrow(reflector.kind) and self.api):
            return False
        try:
            await self.api.get(reflector.kind.path, {"limit": "1"})
        except ForbiddenError:
            return True
        except MeshtuiError:
            return False  # the reflector gets the same error, and reports it
        return False

    async def _narrow(self, reflector: Reflector) -> None:
        if reflector.state.status is KindStatus.FORBIDDEN and self._can_narrow(reflector.kind):
            others = self._narrowed(reflector)
            await asyncio.gather(*(r.list_once() for r in (reflector, *others)))

    def _can_narrow(self, kind: Kind) -> bool:
        return bool(self._scopes) and (kind.namespaced or kind.name == "Namespace")

    def _narrowed(self, reflector: Reflector) -> list[Reflector]:
        """Restrict a reflector to the first of the configured namespaces, and return new reflectors for the others.

        Namespace objects are read by one reflector, by name.
        """
        scopes = self._scopes
        if reflector.kind.name == "Namespace":
            reflector.names = scopes
            return []
        if reflector.kind.name in _MESH_WIDE:
            scopes = tuple(dict.fromkeys((*scopes, self._mesh.root_namespace)))
        reflector.namespace = scopes[0]
        others = [self._reflector(reflector.kind, reflector.api, namespace) for namespace in scopes[1:]]
        self._reflectors += others
        return others

    @property
    def _scopes(self) -> tuple[str, ...]:
        """The namespaces to read if the whole cluster may not be read: that of ``-n`` and those of the settings."""
        connection = self.api.connection if self.api else None
        named = connection.namespace if connection and not self._settings.all_namespaces else ""
        return tuple(dict.fromkeys(name for name in (named, *self._settings.namespaces) if name))

    def _marker(self, field: str) -> Any:
        def mark() -> None:
            self._versions[field] += 1
            self._dirty.set()

        return mark

    async def _publish_changes(self, publish: Publish) -> None:
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            began = asyncio.get_running_loop().time()
            publish(self._assemble())
            took_s = asyncio.get_running_loop().time() - began
            await asyncio.sleep(max(PUBLISH_INTERVAL_S - took_s, PUBLISH_INTERVAL_S / 4))

    def _assemble(self) -> Snapshot:
        """A Snapshot of the current state. The mapping of a kind that didn't change is the same object as before."""
        fields: dict[str, Any] = {}
        for field in dict.fromkeys(kind.field for kind in KINDS.values()):
            version, copied = self._copies.get(field, (-1, {}))
            if version != self._versions[field]:
                copied = {}
                for reflector in self._reflectors:
                    if reflector.kind.field == field:
                        copied.update(reflector.objects)
                self._copies[field] = (self._versions[field], copied)
                self._set_own_apart(field, copied)
            fields[field] = copied
        found = (p for r in self._reflectors for p in r.problems.values())
        problems: tuple[Problem, ...] = (*found, *([self._mesh_problem] if self._mesh_problem else ()))
        kinds: dict[str, KindState] = {}
        for reflector in self._reflectors:
            known = kinds.get(reflector.kind.name)
            kinds[reflector.kind.name] = _together(reflector.kind, known, reflector.state) if known else reflector.state
        seen = max((r.seen_at for r in self._reflectors if r.seen_at), default=None)
        made = Snapshot(
            **fields,
            own_probes=self._own_probes,
            mesh=self._mesh,
            kinds=kinds,
            problems=problems,
            live=True,
            taken_at=seen,
            cni_config=dict(self._cni_config),
            pod_cidrs=self._pod_cidrs,
            ztunnels_in=self._settings.mesh.ztunnel_namespaces,
        )
        return replace(made, cni=self._cni(made))

    def _cni(self, snapshot: Snapshot) -> Cni:
        """The CNI of the settings, else the one that is recognised. The sandbox reads policies literally."""
        if self.label.sandbox and not self._settings.cni:
            return REFERENCE_CNI
        namespaces = config_map_namespaces(snapshot.controllers.values())
        if namespaces != self._cni_namespaces:
            self._cni_namespaces = namespaces
            self._cni_unread = dict.fromkeys(config_maps_to_read(), _NOT_YET) | self._cni_unread
            self._cni_moved.set()
        return of_snapshot(snapshot, self._settings.cni, self._cni_unread)

    def _set_own_apart(self, field: str, objects: dict[Uid, Any]) -> None:
        """Move the pods and Jobs of meshtui's own probes out of pods and controllers."""
        if field == "pods":
            self._own_probes = own_pods(objects)
        for uid in self._own_probes if field == "pods" else own_jobs(objects) if field == "controllers" else ():
            del objects[uid]

    async def _follow_mesh_config(self, api: Api) -> None:
        while True:
            await asyncio.gather(self._read_mesh_config(api), self._read_cni_config(api))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_MESH_REFRESH_S if self._mesh.found else _MESH_REFRESH_S / 6):
                    await self._cni_moved.wait()

    async def _read_cni_config(self, api: Api) -> None:
        """Read the ConfigMaps in which CNIs have settings. If they can't be read, the previous ones stay."""
        before = (dict(self._cni_config), dict(self._cni_unread))
        self._cni_moved.clear()
        for name in config_maps_to_read():
            try:
                found = await self._cni_config_map(api, name)
            except MeshtuiError as error:
                self._cni_unread[name] = str(error)
                continue
            self._cni_unread.pop(name, None)
            if found is None:
                self._cni_config.pop(name, None)
            else:
                self._cni_config[name] = found
        if before != (self._cni_config, self._cni_unread):
            self._dirty.set()

    async def _cni_config_map(self, api: Api, name: str) -> Mapping[str, str] | None:
        """The data of a ConfigMap in the first namespace that has it; None if none has."""
        for namespace in self._cni_namespaces:
            try:
                found = decode_with(_CONFIG_MAP, await api.get(f"/api/v1/namespaces/{segment(namespace)}/configmaps/{name}"))
            except NotFoundError:
                continue
            return found.data or {}
        return None

    async def _read_mesh_config(self, api: Api) -> None:
        """Read the ConfigMaps ``istio`` and ``istio-REVISION`` of the control plane: in istio-system, else where istiod runs.

        If they can't be read, that is a Problem, and the previous configuration stays.
        """
        problem = None
        try:
            await self._look_for_mesh_config(api)
        except Exception as error:  # noqa: BLE001  (a ConfigMap is anybody's text, and one that can't be read ends nothing)
            problem = Problem(
                "ConfigMap istio", "data.mesh", redact(" ".join(f"{type(error).__name__}: {error}".split()))[:MESSAGE_CHARS]
            )
        if problem != self._mesh_problem:
            self._mesh_problem = problem
            self._dirty.set()

    async def _look_for_mesh_config(self, api: Api) -> None:
        for namespace in dict.fromkeys((self._mesh_namespace, "istio-system")):
            if await self._read_mesh_config_in(api, namespace):
                return
        for namespace in await _control_planes(api):
            if await self._read_mesh_config_in(api, namespace):
                return

    async def _read_mesh_config_in(self, api: Api, namespace: str) -> bool:
        """Read the ConfigMap in one namespace. Returns whether it exists."""
        try:
            raw = await api.get(f"/api/v1/namespaces/{segment(namespace)}/configmaps", {"limit": "500"})
            items = decode_with(_CONFIG_MAPS, raw).items or []
        except MeshtuiError as error:
            if not self._mesh.found and self._mesh.unread != str(error):
                self._mesh = replace(self._mesh, unread=str(error))
                self._dirty.set()
            return False
        found = sorted(filter(is_mesh_config, items), key=lambda each: each.metadata.name)
        if not found:
            return False
        fresh = together([written_in(each) for each in found])
        self._mesh_namespace = namespace
        if fresh != self._mesh:
            self._mesh = fresh
            self._dirty.set()
        return True

    async def _find_out_sandbox(self, api: Api) -> None:
        """Whether this is meshtui's own sandbox: it has the label, at a literal loopback address, without a proxy (all three)."""
        if api.connection.proxy or not may_be_sandbox(api.connection.server):
            return
        try:
            namespace = decode_with(_LABELLED, await api.get("/api/v1/namespaces/kube-system"))
        except MeshtuiError:
            return
        if (namespace.metadata.labels or {}).get(SANDBOX_LABEL) == "true":
            self._label = _label(api.connection, sandbox=True)
            self._dirty.set()

    async def manifest(self, ref: ObjectRef) -> str:
        """One object as YAML, without managedFields. Raises ClusterError."""
        api = await self.open()
        kind = KINDS.get(ref.kind)
        if kind is None:
            raise NotFoundError(f"{ref.kind} is a kind that meshtui doesn't read")
        obj = await api.get_object(f"{kind.path_in(kind.versions[0], segment(ref.namespace))}/{segment(ref.name)}")
        metadata = obj.get("metadata")
        if not isinstance(metadata, dict):
            raise NonsenseError("this isn't an answer of an API server: an object without metadata")
        metadata.pop("managedFields", None)
        return yaml_text(obj)

    async def pod_logs(self, namespace: str, pod: str, *, tail: int, follow: bool = False) -> AsyncIterator[str]:
        """Lines of a pod's log. Raises ClusterError."""
        api = await self.open()
        params = {"tailLines": str(tail)} | ({"follow": "true"} if follow else {})
        path = f"/api/v1/namespaces/{segment(namespace)}/pods/{segment(pod)}/log"
        async with api.stream(path, params, read_timeout_s=86400 if follow else None) as response:
            async for line in response.aiter_lines():
                yield line


async def _control_planes(api: Api) -> list[str]:
    """The namespaces in which istiod runs."""
    try:
        pods = await read_list(api, KINDS["Pod"], {"labelSelector": "app=istiod"})
    except MeshtuiError:
        return []  # the error is reported where pods are read
    return sorted({pod.namespace for pod in pods})


def _together(kind: Kind, one: KindState, other: KindState) -> KindState:
    """The combined state of a kind that is read namespace by namespace; ``scope`` is the namespaces."""
    forbidden = [state for state in (one, other) if state.status is KindStatus.FORBIDDEN]
    if kind.group in _EACH_FOR_ITSELF and len(forbidden) == 1:
        return other if one is forbidden[0] else one
    worst = min(one, other, key=lambda state: _WORST_FIRST.index(state.status))
    scope = ", ".join(state.scope for state in (one, other) if state.scope)
    return replace(worst, scope=scope, missing=one.missing or other.missing)


class _ConfigMaps(msgspec.Struct):
    items: list[ConfigMap] | None = None


class _Labels(msgspec.Struct):
    labels: dict[str, str] | None = None


class _Labelled(msgspec.Struct):
    metadata: _Labels


_CONFIG_MAPS, _LABELLED = msgspec.json.Decoder(_ConfigMaps), msgspec.json.Decoder(_Labelled)
_CONFIG_MAP = msgspec.json.Decoder(ConfigMap)


def _label(connection: Connection, *, sandbox: bool = False) -> SourceLabel:
    return SourceLabel(
        connection.context, connection.cluster, connection.user, connection.server, sandbox=sandbox, changeable=True
    )
