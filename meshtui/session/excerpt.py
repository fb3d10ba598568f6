"""The part of a cluster that one verdict rests on, as manifests that somebody else can judge."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from meshtui.engine import Engine
from meshtui.engine.path.references import parse_flow
from meshtui.model.errors import MeshtuiError, UsageError
from meshtui.model.flow import EndpointKind, Flow
from meshtui.model.ids import ObjectRef
from meshtui.model.snapshot import Snapshot
from meshtui.model.verdict import Verdict
from meshtui.model.workload import MeshMode, Pod
from meshtui.sources.manifests import read_documents
from meshtui.sources.slim import Pseudonyms, slim

Fetch = Callable[[ObjectRef], Awaitable[Mapping[str, Any]]]
"""One object as plain data. Raises MeshtuiError."""


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Slim manifests, the flow in their words, and whether they give the verdict that the whole cluster gives.

    ``verdict`` is the one on the excerpt, in its words; None where an end isn't in it. ``missing`` names objects that
    couldn't be read again, with the reason.
    """

    objects: tuple[Mapping[str, Any], ...]
    source: str
    destination: str
    verdict: Verdict | None
    same: bool
    missing: tuple[str, ...] = ()


async def excerpt(engine: Engine, flow: Flow, fetch: Fetch, *, rename: bool) -> Excerpt:
    """What a verdict rests on; with ``rename``, names and label values are replaced by others. Raises UsageError."""
    whole = engine.judge(flow)
    objects, missing = [_mesh_config(engine.snapshot)], []
    for ref in _refs(engine, flow):
        try:
            objects.append(slim(await fetch(ref)))
        except MeshtuiError as error:
            missing.append(f"{ref}: {error}")
    source, destination = str(flow.source), f"{flow.destination}{f':{flow.port}' if flow.port is not None else ''}"
    if rename:
        pseudonyms = Pseudonyms(objects[1:], keep=(engine.snapshot.mesh.root_namespace,))
        objects = [pseudonyms.of(obj) for obj in objects]
        source, destination = pseudonyms.text(source), pseudonyms.text(destination)
    there = _verdict(objects, source, destination, flow)
    same = there is not None and _gist(there) == _gist(whole)
    return Excerpt(tuple(objects), source, destination, there, same, tuple(missing))


def _verdict(objects: Iterable[Mapping[str, Any]], source: str, destination: str, flow: Flow) -> Verdict | None:
    """The verdict on the excerpt as ``-f`` reads it; None where an end isn't in it."""
    try:
        return Engine(read_documents(objects, "excerpt")).judge(
            parse_flow(source, destination, protocol=flow.protocol, http=flow.http)
        )
    except UsageError:
        return None


def _gist(verdict: Verdict) -> tuple[object, ...]:
    """What has to be the same, whatever the names: decision, outcome, layer, and the deciding kind and rule."""
    by = verdict.decided_by
    return verdict.decision, verdict.outcome, verdict.layer, (by.ref.kind, by.rule) if by else None


def _mesh_config(snapshot: Snapshot) -> Mapping[str, Any]:
    """The ConfigMap ``istio`` with nothing but what verdicts read of it."""
    mesh = snapshot.mesh
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "istio", "namespace": mesh.root_namespace},
        "data": {"mesh": f"trustDomain: {mesh.trust_domain}\nrootNamespace: {mesh.root_namespace}\n"},
    }


def _refs(engine: Engine, flow: Flow) -> list[ObjectRef]:
    """The objects that may have a say in a flow: those of its ends' namespaces, of the mesh, and what holds everywhere."""
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
    refs = [ref for pod in pods for ref in _pod_and_owners(snapshot, pod)]
    nodes = {pod.node for pod in pods}
    refs += [node.meta.ref for node in snapshot.nodes.values() if node.meta.name in nodes]
    written = (space for space in snapshot.namespaces.values() if snapshot.live or space.meta.origin)
    refs += [space.meta.ref for space in written if space.name in spaces]
    namespaced = (
        snapshot.services,
        snapshot.endpoint_slices,
        snapshot.network_policies,
        snapshot.authorization_policies,
        snapshot.peer_authentications,
        snapshot.request_authentications,
        snapshot.gateways,
        snapshot.http_routes,
    )
    refs += [obj.meta.ref for kind in namespaced for obj in kind.values() if obj.meta.namespace in spaces]
    everywhere = (snapshot.admin_policies, snapshot.gateway_classes, snapshot.foreign)
    refs += [obj.meta.ref for kind in everywhere for obj in kind.values()]
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
