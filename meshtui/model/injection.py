"""The labels that Istio's sidecar injection adds to pods, for manifests that don't hold the injected pods."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from meshtui.model.ids import Uid
from meshtui.model.snapshot import Snapshot
from meshtui.model.workload import MeshMode, Pod

_NAME, _REVISION = "service.istio.io/canonical-name", "service.istio.io/canonical-revision"
_NAMED_BY = ("app.kubernetes.io/name", "app")
_VERSIONED_BY = ("app.kubernetes.io/version", "version")


def with_injected_labels(snapshot: Snapshot) -> Snapshot:
    """The Snapshot with the labels that injection gives to pods without a proxy's container that will get one.

    Policies can select by them. Source: istio/istio manifests/charts/istio-control/istio-discovery/files/injection-template.yaml,
    pkg/config/labels (canonical service).
    """
    changed: dict[Uid, Pod] = {}
    for uid, pod in snapshot.pods.items():
        if not pod.has_sidecar and snapshot.mesh_mode_of(pod) is MeshMode.SIDECAR:
            labels = {**_added(snapshot, pod), **pod.labels}
            if labels.keys() != pod.labels.keys():
                changed[uid] = replace(pod, meta=replace(pod.meta, labels=labels))
    return replace(snapshot, pods={**snapshot.pods, **changed}) if changed else snapshot


def _added(snapshot: Snapshot, pod: Pod) -> Mapping[str, str]:
    owner = snapshot.owner_of(pod).name
    name = next((pod.labels[key] for key in _NAMED_BY if pod.labels.get(key)), owner)
    version = next((pod.labels[key] for key in _VERSIONED_BY if pod.labels.get(key)), "latest")
    return {_NAME: name, _REVISION: version, "security.istio.io/tlsMode": "istio"}
