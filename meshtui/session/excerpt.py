"""The part of a cluster on which one verdict depends, as manifests that give the same verdict elsewhere."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from meshtui.cni import settings_of
from meshtui.engine import Engine
from meshtui.engine.path.references import parse_flow
from meshtui.engine.path.routes import covers
from meshtui.kinds.kind import Role
from meshtui.kinds.registry import fields_of, objects_in
from meshtui.model.cni import Cni
from meshtui.model.errors import MeshtuiError, UsageError
from meshtui.model.flow import EndpointKind, Flow, HttpRequest
from meshtui.model.ids import ObjectRef
from meshtui.model.selectors import LabelSelector
from meshtui.model.snapshot import MeshConfig, Snapshot
from meshtui.model.verdict import Verdict
from meshtui.model.workload import MeshMode, Pod
from meshtui.sources.manifests import read_documents
from meshtui.sources.slim import Pseudonyms, slim

_TOKEN = re.compile(r"[\w-]{8,}\.[\w-]{2,}\.[\w-]*", re.ASCII)
_WORD = re.compile(r"[\w+/=~-]+", re.ASCII)
_COOKIE = re.compile(r"=(?!x\.x\.x)[^;]*")
Fetch = Callable[[ObjectRef], Awaitable[Mapping[str, Any]]]
"""A function that reads one object as plain data. Raises MeshtuiError."""


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Reduced manifests, the flow by the names in them, and whether they give the verdict of the whole cluster.

    ``verdict`` is the verdict on the excerpt; None when an end isn't in it. ``missing`` names objects that couldn't be read
    again, with the reason.
    """

    objects: tuple[Mapping[str, Any], ...]
    source: str
    destination: str
    verdict: Verdict | None
    same: bool
    missing: tuple[str, ...] = ()
    http: HttpRequest | None = None
    """The request, without secrets."""
    cni: str = ""
    """The name of the CNI whose readings the verdict follows; empty if it isn't known."""


async def excerpt(engine: Engine, flow: Flow, fetch: Fetch, *, rename: bool) -> Excerpt:
    """The excerpt for a verdict; with ``rename``, names and label values are replaced by pseudonyms. Raises UsageError."""
    whole = engine.judge(flow)
    config = _mesh_config(engine.snapshot)
    objects: list[Mapping[str, Any]] = []
    missing: list[str] = []
    for ref in _refs(engine, flow):
        try:
            objects.append(slim(await fetch(ref)))
        except MeshtuiError as error:
            missing.append(f"{ref}: {error}")
    source, destination = str(flow.source), f"{flow.destination}{f':{flow.port}' if flow.port is not None else ''}"
    http = _without_secrets(flow.http)
    if rename:
        pseudonyms = Pseudonyms(
            objects, keep=tuple(filter(None, (engine.snapshot.mesh.root_namespace, engine.snapshot.mesh.home)))
        )
        config, objects = [pseudonyms.of(obj) for obj in config], [pseudonyms.of(obj) for obj in objects]
        source, destination = pseudonyms.text(source), pseudonyms.text(destination)
        http = _renamed(http, pseudonyms)
    objects = [*config, *settings_of(engine.snapshot), *objects]
    there = _verdict(objects, source, destination, replace(flow, http=http), engine.snapshot.cni)
    same = there is not None and _gist(there) == _gist(whole)
    return Excerpt(tuple(objects), source, destination, there, same, tuple(missing), http, engine.snapshot.cni.name)


def _without_secrets(http: HttpRequest | None) -> HttpRequest | None:
    """A request of the same form, with other tokens and passwords: policies read no more of them than their form."""
    if http is None:
        return None
    headers = tuple((name, _of_the_form(name.lower(), value)) for name, value in http.headers)
    return replace(http, headers=headers, path=_TOKEN.sub("x.x.x", http.path))


def _of_the_form(name: str, value: str) -> str:
    if name in {"authorization", "proxy-authorization"}:
        scheme, blank, rest = value.partition(" ")
        return f"{scheme}{blank}{_WORD.sub('x', rest)}" if blank else _WORD.sub("x", value)
    return _COOKIE.sub("=x", _TOKEN.sub("x.x.x", value)) if name == "cookie" else _TOKEN.sub("x.x.x", value)


def _renamed(http: HttpRequest | None, pseudonyms: Pseudonyms) -> HttpRequest | None:
    if http is None:
        return None
    headers = tuple((name, pseudonyms.text(value)) for name, value in http.headers)
    return replace(http, host=pseudonyms.text(http.host), headers=headers)


def _verdict(objects: Iterable[Mapping[str, Any]], source: str, destination: str, flow: Flow, cni: Cni) -> Verdict | None:
    """The verdict on the excerpt as ``-f`` and ``--cni`` would read it; None when an end isn't in it."""
    try:
        return Engine(replace(read_documents(objects, "excerpt"), cni=cni)).judge(
            parse_flow(source, destination, protocol=flow.protocol, http=flow.http)
        )
    except UsageError:
        return None


def _gist(verdict: Verdict) -> tuple[object, ...]:
    """The parts of a verdict that don't depend on names: decision, outcome, layer, and the deciding kind and rule."""
    by = verdict.decided_by
    return verdict.decision, verdict.outcome, verdict.layer, (by.ref.kind, by.rule) if by else None


def _mesh_config(snapshot: Snapshot) -> list[Mapping[str, Any]]:
    """The ConfigMap ``istio`` with only the fields that verdicts depend on; none where nothing is known of a mesh."""
    mesh = snapshot.mesh
    if mesh == MeshConfig():
        return []
    settings: dict[str, Any] = {
        "trustDomain": mesh.trust_domain,
        "rootNamespace": mesh.root_namespace,
        "trustDomainAliases": list(mesh.trust_domain_aliases),
        "pathNormalization": {"normalization": mesh.path_normalization},
        "defaultConfig": {"proxyMetadata": {"ISTIO_META_ENABLE_HBONE": str(mesh.sidecars_send_hbone).lower()}},
        "defaultVirtualServiceExportTo": list(mesh.virtual_service_export_to),
    }
    if not mesh.auto_mtls:
        settings["enableAutoMtls"] = False
    if mesh.registry_only:
        settings["outboundTrafficPolicy"] = {"mode": "REGISTRY_ONLY"}
    if mesh.export_to:
        settings["defaultServiceExportTo"] = list(mesh.export_to)
    if mesh.entries_hidden:
        settings["serviceEntryVisibility"] = {"any": True}
    if mesh.discovery:
        settings["discoverySelectors"] = [_written(selector) for selector in mesh.discovery]
    text = json.dumps("not known" if mesh.doubt else settings)
    metadata = {"name": "istio", "namespace": mesh.home or mesh.root_namespace}
    return [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"mesh": text}}]


def _written(selector: LabelSelector) -> Mapping[str, Any]:
    expressions = [{"key": r.key, "operator": r.operator, "values": list(r.values)} for r in selector.requirements]
    return {"matchLabels": dict(selector.labels), "matchExpressions": expressions}


def _refs(engine: Engine, flow: Flow) -> list[ObjectRef]:
    """The objects that may affect a flow: those of its ends' namespaces and of the mesh, and cluster-wide ones."""
    snapshot, resolved = engine.snapshot, engine.resolver.resolve(flow)
    ends = [
        endpoint.pod
        for endpoint in (*resolved.sources, *(target.endpoint for target in resolved.targets))
        if endpoint.pod is not None
    ]
    proxies = [pod for pod in snapshot.pods.values() if snapshot.mesh_mode(pod) is MeshMode.GATEWAY and not pod.completed]
    pods = {pod.uid: pod for pod in (*ends, *proxies)}.values()
    spaces = {pod.namespace for pod in pods} | {snapshot.mesh.root_namespace}
    if flow.destination.kind is EndpointKind.SERVICE:
        spaces.add(flow.destination.namespace)
    if flow.destination.kind is EndpointKind.HOST:
        spaces |= {
            e.meta.namespace
            for e in snapshot.service_entries.values()
            if any(covers(name, flow.destination.name) for name in e.hosts)
        }
    refs = [ref for pod in pods for ref in _pod_and_owners(snapshot, pod)]
    nodes = {pod.node for pod in pods}
    refs += [node.meta.ref for node in snapshot.nodes.values() if node.meta.name in nodes]
    written = (space for space in snapshot.namespaces.values() if snapshot.live or space.meta.origin)
    refs += [space.meta.ref for space in written if space.name in spaces]
    for field in (*fields_of(Role.POLICY, Role.ROUTING), "endpoint_slices"):
        objects = objects_in(snapshot, (field,))
        # Policies and sets of a CNI may be about any namespace, and any may be the root namespace
        every = field in {"foreign", "network_sets"} or bool(snapshot.mesh.doubt)
        refs += [o.meta.ref for o in objects if every or o.meta.namespace in {*spaces, ""}]
    if any(policy.own is not None for policy in snapshot.foreign.values()):  # they read labels of accounts
        used = {(pod.namespace, pod.service_account) for pod in pods}
        refs += [a.meta.ref for a in snapshot.service_accounts.values() if (a.meta.namespace, a.meta.name) in used]
    return list(dict.fromkeys(refs))


def _pod_and_owners(snapshot: Snapshot, pod: Pod) -> Iterable[ObjectRef]:
    if not pod.derived:
        yield pod.meta.ref
    owner = next((o for o in pod.owners if o.controller), None)
    for _ in range(4):
        if owner is None:
            return
        ref = ObjectRef(owner.kind, pod.namespace, owner.name)
        controller = snapshot.controllers_by_ref.get(ref)
        if controller is None:
            return
        yield ref
        owner = next((o for o in controller.owners if o.controller), None)
