"""A first expectations file from the current predictions: ``meshtui verify --init``."""

from __future__ import annotations

import json
from collections.abc import Iterator

from meshtui.cli.expectations import API_VERSION
from meshtui.engine import Engine
from meshtui.engine.expect.expectations import flow_in_words
from meshtui.engine.explain.wording import in_words
from meshtui.engine.path.references import parse_flow
from meshtui.engine.path.relations import flows_from, service_endpoint
from meshtui.engine.path.routes import entries, sample
from meshtui.model.errors import UsageError
from meshtui.model.flow import Flow
from meshtui.model.snapshot import Snapshot
from meshtui.model.verdict import Decision, Verdict
from meshtui.model.workload import MeshMode, Workload

_HEAD = f"""# What is expected of who reaches whom: `meshtui verify FILE` compares it with what the policies say, and with --probe
# with what really happens. Written from the predictions of this moment: read it, and take out what should not be so.
apiVersion: {API_VERSION}
flows:
"""


def first_file(engine: Engine, namespace: str = "") -> str:
    """The text of the file: all workloads with each Service, by destination, and requests for the routes of Gateways.

    ``namespace`` limits it to destinations there; without it, destinations in the cluster's own namespaces are left out. Mixed
    and unknown verdicts become comments. Raises UsageError if there is no entry.
    """
    blocks = [*_inside(engine, namespace), *_outside(engine, namespace)]
    if not any(not line.lstrip().startswith("#") for block in blocks for line in block):
        raise UsageError(
            "there is nothing to write: no workload and Service with a definite prediction", "is it the right namespace?"
        )
    return _HEAD + "\n".join("\n".join(block) for block in blocks) + "\n"


def _is_system(snapshot: Snapshot, namespace: str) -> bool:
    return namespace.startswith("kube-") or namespace == snapshot.mesh.root_namespace


def _wanted(snapshot: Snapshot, flow: Flow, namespace: str) -> bool:
    there = flow.destination.namespace
    return there == namespace if namespace else not _is_system(snapshot, there)


def _sources(snapshot: Snapshot) -> Iterator[Workload]:
    """The workloads that can be probed: running, not of the cluster's own namespaces, no gateways."""
    for ref, workload in snapshot.workloads.items():
        running = [pod for pod in workload.pods if not pod.completed]
        proxies = any(snapshot.mesh_mode(pod) is MeshMode.GATEWAY or pod.host_network for pod in running)
        if running and not proxies and not _is_system(snapshot, ref.namespace):
            yield workload


def _inside(engine: Engine, namespace: str) -> Iterator[list[str]]:
    groups: dict[str, list[tuple[Flow, Verdict]]] = {}
    for workload in _sources(engine.snapshot):
        for flow in flows_from(engine.snapshot, workload):
            if _wanted(engine.snapshot, flow, namespace):
                groups.setdefault(flow_in_words(flow), []).append((flow, engine.summarize(flow)))
    for destination, judged in sorted(groups.items()):
        for decision in (Decision.ALLOW, Decision.DENY):
            sources = [str(flow.source) for flow, verdict in judged if verdict.decision is decision]
            if sources:
                yield _block("", sources, destination, decision.value)
        yield from _unsure(judged)


def _outside(engine: Engine, namespace: str) -> Iterator[list[str]]:
    """One request for each match of each route of each Gateway, and each of its Services."""
    seen: set[Flow] = set()
    services = {(s.meta.namespace, s.meta.name): s for s in engine.snapshot.services.values()}
    for gateway in sorted((g for g in engine.snapshot.gateways.values() if not g.is_waypoint), key=lambda g: str(g.meta.ref)):
        for entry in entries(engine.snapshot, gateway):
            http = sample(entry)
            for backend in entry.rule.backends:
                service = services.get((backend.namespace, backend.name))
                if http is None or service is None:
                    continue
                flow = parse_flow("external", f"{service_endpoint(service)}:{backend.port}", http=http)
                if flow in seen or not _wanted(engine.snapshot, flow, namespace):
                    continue
                seen.add(flow)
                verdict = engine.summarize(flow)
                if verdict.decision not in {Decision.ALLOW, Decision.DENY}:
                    yield from _unsure([(flow, verdict)])
                    continue
                outcome = verdict.outcome if verdict.outcome.startswith("http_") else verdict.decision.value
                name = f"from outside, {http.method} {http.path}"
                request: dict[str, object] = {"method": http.method, "path": http.path, "host": http.host}
                request["headers"] = dict(http.headers)
                given = {key: value for key, value in request.items() if value}
                yield _block(name, ["external"], f"{flow.destination}:{flow.port}", outcome, given)


def _unsure(judged: list[tuple[Flow, Verdict]]) -> Iterator[list[str]]:
    for flow, verdict in judged:
        if verdict.decision in {Decision.MIXED, Decision.UNKNOWN}:
            why = "".join(c if c.isprintable() else " " for c in in_words(verdict.reason))
            yield [f"  # {verdict.decision.value}: {flow.source} → {flow_in_words(flow)}: {why}"]


def _block(name: str, sources: list[str], destination: str, expect: str, http: dict[str, object] | None = None) -> list[str]:
    """One entry. JSON strings are valid YAML."""
    start = [f"from: {sources[0]}"] if len(sources) == 1 else ["from:", *(f"  - {source}" for source in sources)]
    lines = [f"name: {json.dumps(name, ensure_ascii=False)}"] if name else []
    lines += [*start, f"to: {destination}"]
    lines += [f"http: {json.dumps(http, ensure_ascii=False)}"] if http else []
    lines.append(f"expect: {expect}")
    return [f"  - {lines[0]}", *(f"    {line}" for line in lines[1:])]
