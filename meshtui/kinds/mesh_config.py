"""The mesh's configuration, in ConfigMaps of the control plane and in the objects of Istio's installers.

ConfigMaps aren't a kind of their own here: they are read by name. Sources: istio/api mesh/v1alpha1/config.proto (the fields),
istio/istio pilot/pkg/bootstrap/mesh.go (``istio``, and ``istio-REVISION`` for a revision), pkg/config/mesh/mesh.go (a text that
isn't a configuration is an error, not the default).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import yaml
from msgspec import field

from meshtui.kinds import wire
from meshtui.kinds.convert import selector
from meshtui.kinds.wire import ObjectMeta, Wire
from meshtui.model.selectors import LabelSelector
from meshtui.model.snapshot import MeshConfig

_NAME, _KEY = "istio", "mesh"
_NORMALIZATIONS = frozenset({"NONE", "BASE", "MERGE_SLASHES", "DECODE_AND_MERGE_SLASHES"})
_DEFAULTS = MeshConfig()


class ConfigMap(Wire):
    """The object: metadata and data."""

    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    data: dict[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """A configuration, and the object that holds it."""

    by: str
    config: MeshConfig
    namespace: str = ""
    """That of a ConfigMap."""


def is_mesh_config(raw: ConfigMap) -> bool:
    """Whether a ConfigMap holds the configuration of a control plane: by its name and key."""
    name = raw.metadata.name
    return (name == _NAME or name.startswith(f"{_NAME}-")) and _KEY in (raw.data or {})


def written_in(raw: ConfigMap) -> Written:
    """The configuration that a ConfigMap holds, with the ConfigMap's name."""
    namespace = raw.metadata.namespace or "default"
    return Written(f"ConfigMap {namespace}/{raw.metadata.name}", mesh_config(raw), namespace)


def mesh_config(raw: ConfigMap) -> MeshConfig:
    """Convert the key ``mesh`` of a ConfigMap, which is YAML. What can't be read makes the configuration unknown."""
    by = f"ConfigMap {raw.metadata.namespace or 'default'}/{raw.metadata.name}, data.{_KEY}"
    try:
        parsed = yaml.safe_load((raw.data or {}).get(_KEY, ""))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        return MeshConfig(found=True, doubt=f"{by}: {_in_one_line(error)}")
    return from_values(parsed, by, raw.metadata.namespace)


def from_values(config: Any, by: str, namespace: str = "") -> MeshConfig:
    """Convert a configuration as plain data. Where a field that is read isn't what it should be, all of it is unknown."""
    try:
        return _converted({} if config is None else config, namespace)
    except (ValueError, TypeError) as error:
        return MeshConfig(found=True, doubt=f"{by}: {_in_one_line(error)}")


def together(found: Sequence[Written]) -> MeshConfig:
    """The configuration of a mesh with several control planes: where they differ, it isn't known which one counts."""
    if not found:
        return MeshConfig()
    homes = {each.namespace for each in found if each.namespace}
    return replace(_agreed(found), home=homes.pop() if len(homes) == 1 else "")


def _agreed(found: Sequence[Written]) -> MeshConfig:
    first = found[0]
    unread = next((each.config for each in found if each.config.doubt), None)
    if unread is not None:
        return unread
    for other in found[1:]:
        names = [name for name in _FIELDS if getattr(first.config, name) != getattr(other.config, name)]
        if names:
            differ = ", ".join(_FIELDS[name] for name in names)
            return MeshConfig(found=True, doubt=f"{first.by} and {other.by} differ in {differ}")
    return first.config


def _converted(config: Any, namespace: str) -> MeshConfig:
    whole = _mapping(config, "")
    return MeshConfig(
        trust_domain=_text(whole, "trustDomain") or _DEFAULTS.trust_domain,
        root_namespace=_text(whole, "rootNamespace") or namespace or _DEFAULTS.root_namespace,
        found=True,
        trust_domain_aliases=_texts(whole, "trustDomainAliases"),
        path_normalization=_normalization(whole),
        sidecars_send_hbone=_sends_hbone(whole),
        auto_mtls=whole.get("enableAutoMtls") is not False,
        virtual_service_export_to=_texts(whole, "defaultVirtualServiceExportTo") or ("*",),
        registry_only=_registry_only(whole),
        export_to=_texts(whole, "defaultServiceExportTo"),
        entries_hidden=bool(whole.get("serviceEntryVisibility")),
        discovery=_selectors(whole),
    )


_FIELDS = {
    "trust_domain": "trustDomain",
    "root_namespace": "rootNamespace",
    "trust_domain_aliases": "trustDomainAliases",
    "path_normalization": "pathNormalization",
    "sidecars_send_hbone": "ISTIO_META_ENABLE_HBONE",
    "auto_mtls": "enableAutoMtls",
    "virtual_service_export_to": "defaultVirtualServiceExportTo",
    "registry_only": "outboundTrafficPolicy",
    "export_to": "defaultServiceExportTo",
    "entries_hidden": "serviceEntryVisibility",
    "discovery": "discoverySelectors",
}
"""The fields of a configuration as they are written."""


def _mapping(value: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"{name or 'it'} is no mapping")
    return value


def _part(config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = config.get(name)
    return {} if found is None else _mapping(found, name)


def _text(config: Mapping[str, Any], name: str) -> str:
    found = config.get(name)
    if found is not None and not isinstance(found, str):
        raise TypeError(f"{name} is no text")
    return found or ""


def _texts(config: Mapping[str, Any], name: str) -> tuple[str, ...]:
    found = config.get(name)
    if found is not None and not (isinstance(found, list) and all(isinstance(each, str) for each in found)):
        raise TypeError(f"{name} is no list of texts")
    return tuple(found or ())


def _normalization(config: Mapping[str, Any]) -> str:
    """``pathNormalization.normalization``; DEFAULT is BASE."""
    word = _part(config, "pathNormalization").get("normalization")
    if word in {None, "DEFAULT"}:
        return _DEFAULTS.path_normalization
    if word not in _NORMALIZATIONS:
        raise ValueError(f"pathNormalization is {word!r}")
    return str(word)


def _registry_only(config: Mapping[str, Any]) -> bool:
    """``outboundTrafficPolicy.mode``; the default is ALLOW_ANY."""
    return _part(config, "outboundTrafficPolicy").get("mode") in {"REGISTRY_ONLY", 0}


def _sends_hbone(config: Mapping[str, Any]) -> bool:
    """Whether sidecars are configured to use HBONE (as in the ambient profile: defaultConfig.proxyMetadata)."""
    metadata = _part(_part(config, "defaultConfig"), "proxyMetadata")
    return str(metadata.get("ISTIO_META_ENABLE_HBONE")).lower() == "true"


def _selectors(config: Mapping[str, Any]) -> tuple[LabelSelector, ...]:
    raw = config.get("discoverySelectors")
    found = msgspec.convert([] if raw is None else raw, list[wire.LabelSelector])
    return tuple(map(selector, found))


def with_hbone(config: MeshConfig) -> MeshConfig:
    """A configuration with what Istio's profile ambient adds to it (manifests/helm-profiles/ambient.yaml)."""
    return replace(config, sidecars_send_hbone=True)


def _in_one_line(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        return f"line {error.problem_mark.line + 1}: {error.problem}"
    return " ".join(str(error).split())
