"""Snapshots from snippets of YAML, read as ``-f`` reads them, and verdicts on them in one line."""

import json
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from meshtui.engine import Engine
from meshtui.engine.path.references import parse_flow
from meshtui.model.cni import REFERENCE_CNI
from meshtui.model.verdict import Decision
from meshtui.sources.manifests import load_manifests


@dataclass(frozen=True)
class Row:
    """One row of a table: what is written, which flow is asked, what must come out, and where the rule is written.

    ``flow`` is ``FROM > TO:PORT`` or, with a protocol, ``FROM > TO:PORT/UDP``. ``by`` is ``Kind ns/name rule``.
    """

    name: str
    source: str
    yaml: str
    flow: str
    expect: str
    by: str | None = None


def snapshot_of(*texts, live=False, **changes):
    """The snapshot of some YAML snippets (or objects); NetworkPolicies are read literally unless ``cni`` says otherwise."""
    with tempfile.TemporaryDirectory() as folder:
        for number, text in enumerate(texts):
            body = text if isinstance(text, str) else "\n---\n".join(map(json.dumps, text))
            Path(folder, f"{number:03}.yaml").write_text(body)
        return replace(load_manifests([folder]), live=live, **{"cni": REFERENCE_CNI, **changes})


def judge(snapshot, flow):
    """The verdict on ``FROM > TO:PORT[/PROTOCOL]``."""
    source, _, destination = (part.strip() for part in flow.partition(" > "))
    protocol = "TCP"
    for known in ("UDP", "SCTP"):
        if destination.endswith(f"/{known}"):
            protocol, destination = known, destination.removesuffix(f"/{known}")
    return Engine(snapshot).judge(parse_flow(source, destination, protocol=protocol))


def in_words(verdict):
    """``decision`` or, for a denial, ``deny layer``."""
    return f"deny {verdict.layer.value}" if verdict.decision is Decision.DENY else verdict.decision.value


def decider(verdict):
    """``Kind ns/name rule`` of what decides, or None."""
    by = verdict.decided_by
    return None if by is None else f"{by.ref} {by.rule}" if by.rule else str(by.ref)


def namespace(name, **labels):
    """A namespace, as an object; ``_`` in a label's name stands for nothing special."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def ambient(name):
    """A namespace that is labelled for ambient."""
    metadata = {"name": name, "labels": {"istio.io/dataplane-mode": "ambient"}}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


def pod(key, ip="", ports=(), labels=None, account="default", node="", **more):
    """A running pod ``namespace/name``; ``ports`` are numbers, or (name, number[, protocol])."""
    space, _, name = key.partition("/")
    written = [(("", p) if isinstance(p, int) else p) for p in ports]
    container = {
        "name": "main",
        "image": "demo:1",
        "ports": [
            {"containerPort": p[1], "protocol": p[2] if len(p) > 2 else "TCP"} | ({"name": p[0]} if p[0] else {}) for p in written
        ],
    }
    spec = {"serviceAccountName": account, "containers": [container], "nodeName": node} | more.get("spec", {})
    status = {"phase": "Running", "podIPs": [{"ip": one} for one in ip.split()]} | more.get("status", {})
    metadata = {"name": name, "namespace": space, "labels": {"app": name} if labels is None else labels}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata | more.get("metadata", {}), "spec": spec, "status": status}


def policy(key, spec, kind="NetworkPolicy", annotations=None, created=None):
    """A policy ``namespace/name`` whose spec is YAML text or an object."""
    space, _, name = key.partition("/")
    version = "networking.k8s.io/v1" if kind == "NetworkPolicy" else "security.istio.io/v1"
    body = yaml.safe_load(spec) if isinstance(spec, str) else spec
    metadata = {"name": name, "namespace": space}
    metadata |= {"annotations": annotations} if annotations else {}
    metadata |= {"creationTimestamp": created} if created else {}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": body}
