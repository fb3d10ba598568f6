"""How a mesh is installed, from what its charts and installers leave in manifests: revisions, and what decides about injection.

Sources: istio/istio manifests/charts/istio-control/istio-discovery (ConfigMap istio-sidecar-injector, the webhooks and their
labels), manifests/charts/istio-cni (ConfigMap istio-cni-config), operator/pkg/apis/types.go (IstioOperator);
istio-ecosystem/sail-operator api/v1 (Istio, IstioRevision).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import yaml

from meshtui.kinds.mesh_config import ConfigMap, Written, from_values, with_hbone
from meshtui.model.membership import Installation

REVISION, TAG = "istio.io/rev", "istio.io/tag"
_INJECTOR, _CNI = "istio-sidecar-injector", "istio-cni-config"
_CAPTURE = "AMBIENT_DNS_CAPTURE"
_WEBHOOK = "sidecar-injector.istio.io"
_OPERATORS = frozenset(
    {("install.istio.io", "IstioOperator"), ("sailoperator.io", "Istio"), ("sailoperator.io", "IstioRevision")}
)
_SELECTORS = "enablementSelectors"
_DEFAULT_SELECTORS = (
    {"podSelector": {"matchLabels": {"istio.io/dataplane-mode": "ambient"}}},
    {
        "podSelector": {"matchExpressions": [{"key": "istio.io/dataplane-mode", "operator": "NotIn", "values": ["none"]}]},
        "namespaceSelector": {"matchLabels": {"istio.io/dataplane-mode": "ambient"}},
    },
)
"""What istio-cni captures by default."""
_PROFILE = "ambient"


def is_installer(group: str, kind: str) -> bool:
    """Whether an operator installs a control plane from objects of a kind."""
    return (group, kind) in _OPERATORS


def of_installer(document: Mapping[str, Any], by: str) -> tuple[Installation, Written | None]:
    """What an IstioOperator, or an Istio of the Sail operator, installs; None if it installs no control plane."""
    spec = _part(document, "spec")
    values, profile = _part(spec, "values"), str(spec.get("profile") or "")
    config, of_values = spec.get("meshConfig"), values.get("meshConfig")
    pilot = _part(_part(spec, "components"), "pilot")
    if profile == "empty" and config is None and of_values is None and not pilot.get("enabled"):
        return Installation(), None
    namespace = spec.get("namespace") or _part(values, "global").get("istioNamespace") or ""
    merged = {**of_values, **config} if isinstance(config, dict) and isinstance(of_values, dict) else config or of_values
    made = from_values(merged, f"{by}, meshConfig", str(namespace))
    made = with_hbone(made) if _PROFILE in profile and not made.doubt else made
    env = {**_part(_part(values, "pilot"), "env"), **_env_of(_part(pilot, "k8s").get("env"))}
    revision = str(spec.get("revision") or values.get("revision") or "default")
    found = replace(_of_values(values, by), revisions=frozenset({revision}), switches=_turned_on(env))
    return found, Written(by, made)


def of_config_map(raw: ConfigMap, by: str) -> Installation:
    """What the ConfigMaps of the injector and of istio-cni say."""
    name, data = raw.metadata.name, raw.data or {}
    if name == _CNI:
        off = data.get(_CAPTURE, "true") != "true"
        found = Installation(no_dns_capture=f"{by}, {_CAPTURE}" if off else "")
        if "AMBIENT_ENABLEMENT_SELECTOR" not in data:
            return found
        return both(found, _of_selectors(_read(data["AMBIENT_ENABLEMENT_SELECTOR"]), f"{by}, AMBIENT_ENABLEMENT_SELECTOR"))
    if name != _INJECTOR and not name.startswith(f"{_INJECTOR}-"):
        return Installation()
    values = _read(data.get("values", "{}"))
    if not isinstance(values, dict):
        return Installation(injector=f"{by}, values")
    return _of_values(values, by)


def of_webhooks(document: Mapping[str, Any]) -> Installation:
    """What a MutatingWebhookConfiguration of the injector says: its revision and tag, and whether it injects by default."""
    hooks = document.get("webhooks")
    names = [str(_mapping(hook).get("name")) for hook in hooks] if isinstance(hooks, list) else []
    own = [name for name in names if name.endswith(_WEBHOOK)]
    if not own:
        return Installation()
    labels = _part(_part(document, "metadata"), "labels")
    revisions = (str(labels[key]) for key in (REVISION, TAG) if labels.get(key))
    return Installation(frozenset(revisions), any(name.startswith("auto.") for name in own))


def both(one: Installation, other: Installation) -> Installation:
    """Two parts of an installation together."""
    return Installation(
        one.revisions | other.revisions,
        one.injects_by_default or other.injects_by_default,
        one.injector or other.injector,
        one.capture or other.capture,
        one.switches | other.switches,
        one.no_dns_capture or other.no_dns_capture,
    )


def _of_values(values: Mapping[str, Any], by: str) -> Installation:
    """What the values of Istio's charts say about injection and capture."""
    webhook, proxy = _part(values, "sidecarInjectorWebhook"), _part(_part(values, "global"), "proxy")
    changed = [name for name in ("neverInjectSelector", "alwaysInjectSelector") if webhook.get(name)]
    changed += ["autoInject"] if proxy.get("autoInject", "enabled") != "enabled" else []
    silent = any(part.get("dnsCapture") is False for part in _ambient_parts(values))
    captured = next((part[_SELECTORS] for part in _ambient_parts(values) if part.get(_SELECTORS)), None)
    return Installation(
        injects_by_default=bool(webhook.get("enableNamespacesByDefault")),
        injector=f"{by}, {', '.join(changed)}" if changed else "",
        capture=_of_selectors(captured, f"{by}, {_SELECTORS}").capture if captured else "",
        no_dns_capture=f"{by}, dnsCapture" if silent else "",
    )


def _ambient_parts(values: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield _part(values, "ambient")
    yield _part(_part(values, "cni"), "ambient")


def _of_selectors(selectors: Any, by: str) -> Installation:
    return Installation() if selectors == list(_DEFAULT_SELECTORS) else Installation(capture=by)


def _turned_on(env: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(name for name, value in env.items() if str(value).lower() in {"1", "t", "true"})


def _env_of(listed: Any) -> dict[str, Any]:
    entries: Sequence[Any] = listed if isinstance(listed, list) else ()
    return {str(entry.get("name")): entry.get("value") for entry in map(_mapping, entries)}


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        pass
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        return None


def _part(whole: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    return _mapping(whole.get(name))


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
