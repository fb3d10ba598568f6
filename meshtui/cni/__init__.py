"""The profiles of CNIs: one data file each, with the source of every reading, and which CNI a cluster has.

A CNI's ConfigMap shows that it is there, and its settings change readings (``settings`` of the profile).
"""

from __future__ import annotations

import ipaddress
import re
import tomllib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from meshtui.model.cni import REFERENCE_CNI, UNKNOWN_CNI, Cni, HostPods
from meshtui.model.errors import ConfigError
from meshtui.model.policy import ForeignPolicy
from meshtui.model.snapshot import Snapshot
from meshtui.model.workload import Controller

_BOOLEANS = {"1": "true", "t": "true", "0": "false", "f": "false"}
_SYSTEM = "kube-system"
_OF_PORTS = ("end_ports", "sctp", "named_ingress", "named_egress")
_READINGS = {"enforces", "blocks_match_pods", "blocks_match_nodes", "host_pods", "rejects", *_OF_PORTS}


@dataclass(frozen=True, slots=True)
class Setting:
    """What a key of a CNI's ConfigMap changes, if it has a value; with ``several``, among others that spaces separate.

    Upper and lower case are the same, and true and false have the other forms that Go reads (strconv.ParseBool). ``readings`` are
    fields of ``Cni``; None: not known.
    """

    key: str
    value: str
    readings: tuple[tuple[str, bool | None], ...]
    source: str
    several: bool = False

    def holds(self, data: Mapping[str, str]) -> bool:
        """Whether a ConfigMap has it."""
        found = data.get(self.key, "").strip().lower()
        return self.value in ({*found.split()} if self.several else {_BOOLEANS.get(found, found)})


@dataclass(frozen=True, slots=True)
class Profile:
    """A CNI, how it is recognised, and for each reading where it is written.

    ``images`` are expressions for the images of its DaemonSets, ``config_maps`` the names of its ConfigMaps, ``groups`` the API
    groups of its policies. It yields to the CNIs in ``yields_to`` when both are recognised, because these enforce policies in its
    place. ``enforces_once_enabled``: it enforces policies only if that is switched on, which its image doesn't show.
    ``of_policies`` are the keys of its ConfigMap that the evaluation of its own policies reads.
    """

    cni: Cni
    images: tuple[re.Pattern[str], ...] = ()
    config_maps: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    yields_to: frozenset[str] = frozenset()
    enforces_once_enabled: bool = False
    settings: tuple[Setting, ...] = ()
    of_policies: frozenset[str] = frozenset()
    sources: tuple[tuple[str, str], ...] = ()


@cache
def profiles() -> Mapping[str, Profile]:
    """All profiles by name, sorted; the first is that of the literal reading."""
    found = {REFERENCE_CNI.name: Profile(REFERENCE_CNI)}
    for file in sorted(files(__name__).iterdir(), key=lambda file: file.name):
        if file.name.endswith(".toml"):
            profile = _profile(tomllib.loads(file.read_text("utf-8")))
            found[profile.cni.name] = profile
    return found


def _profile(data: dict[str, Any]) -> Profile:
    readings, detect = data["readings"], data.get("detect", {})
    cni = Cni(
        data["name"],
        data["title"],
        readings["enforces"],
        readings.get("blocks_match_pods"),
        readings.get("blocks_match_nodes"),
        HostPods(readings.get("host_pods", HostPods.UNKNOWN)),
        *(readings.get(name) for name in _OF_PORTS),
    )
    return Profile(
        replace(cni, rejects=readings.get("rejects")),
        tuple(re.compile(text) for text in detect.get("images", ())),
        frozenset(detect.get("config_maps", ())),
        frozenset(detect.get("groups", ())),
        frozenset(detect.get("yields_to", ())),
        detect.get("enforces_once_enabled", False),
        tuple(map(_setting, data.get("settings", ()))),
        frozenset(data.get("policies", {}).get("settings", ())),
        tuple((name, text) for name, text in data["sources"].items() if name in _READINGS),
    )


def _setting(data: Mapping[str, Any]) -> Setting:
    readings = tuple((name, None if value == "unknown" else value) for name, value in data["readings"].items())
    return Setting(data["key"], data["value"], readings, data["source"], data.get("several", False))


def named(name: str) -> Cni:
    """The CNI with a name. Raises ConfigError if there is no profile of it."""
    profile = profiles().get(name)
    if profile is None:
        raise ConfigError(f"cni: {name!r} has no profile", f"one of {', '.join(profiles())}, or empty to detect it")
    return replace(profile.cni, why="setting")


def pod_cidrs(texts: Iterable[str]) -> tuple[str, ...]:
    """The networks of pods, as given. Raises ConfigError for text that is no CIDR."""
    found = tuple(texts)
    for text in found:
        try:
            ipaddress.ip_network(text if "/" in text else "", strict=False)
        except ValueError:
            raise ConfigError(f"pod_cidrs: {text!r} is no CIDR", "write 10.244.0.0/16") from None
    return found


def config_maps() -> frozenset[str]:
    """The names of the CNIs' ConfigMaps."""
    return frozenset(name for profile in profiles().values() for name in profile.config_maps)


def config_maps_to_read() -> tuple[str, ...]:
    """The names of those ConfigMaps that have settings."""
    return tuple(sorted({name for profile in profiles().values() if profile.settings for name in profile.config_maps}))


def config_map_namespaces(controllers: Iterable[Controller]) -> tuple[str, ...]:
    """Where ConfigMaps of CNIs count: in ``kube-system``, else where one of their DaemonSets is. Others just have the name."""
    sets = (each for each in controllers if each.meta.kind == "DaemonSet")
    found = {each.meta.namespace for each in sets if any(map(_by_image, each.template.images))}
    return (_SYSTEM, *sorted(found - {_SYSTEM}))


def settings_of(snapshot: Snapshot) -> list[Mapping[str, Any]]:
    """The ConfigMaps of a snapshot's CNI with nothing but the settings that verdicts read."""
    profile = profiles().get(snapshot.cni.name)
    keys = {setting.key for setting in profile.settings} | profile.of_policies if profile else set()
    found: list[Mapping[str, Any]] = []
    for name in sorted(profile.config_maps & snapshot.cni_config.keys()) if profile else ():
        data = {key: value for key, value in snapshot.cni_config[name].items() if key in keys}
        metadata = {"name": name, "namespace": _SYSTEM}
        found.append({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})
    return found


def of_snapshot(snapshot: Snapshot, said: str = "", unread: Mapping[str, str] = MappingProxyType({})) -> Cni:
    """The CNI of a cluster: the one that is ``said``, else the one that is recognised, with the settings of its ConfigMap.

    ``unread`` are the names of ConfigMaps that couldn't be read, each with the reason. Raises ConfigError if there is no profile
    of the one that is said.
    """
    config = snapshot.cni_config
    found = named(said) if said else detect(snapshot.controllers.values(), snapshot.foreign.values(), config)
    profile = profiles().get(found.name)
    if profile is None or not profile.settings:
        return found
    reasons = [unread[name] for name in sorted(profile.config_maps & unread.keys())]
    if reasons and not profile.config_maps & config.keys():
        return replace(found, unread=reasons[0])
    for name in sorted(profile.config_maps & config.keys()):
        for setting in profile.settings:
            if setting.holds(config[name]):
                readings: dict[str, Any] = dict(setting.readings)
                found = replace(found, **readings)
    return found


def detect(controllers: Iterable[Controller], foreign: Iterable[ForeignPolicy], config: Collection[str] = ()) -> Cni:
    """The CNI of a cluster: by the images of its DaemonSets, else by its ConfigMaps, else by the policies of its own kinds.

    ``config`` are the names of ConfigMaps. ``UNKNOWN_CNI`` if none or several CNIs are recognised.
    """
    seen: dict[str, str] = {}
    for controller in controllers:
        if controller.meta.kind == "DaemonSet":
            for image in controller.template.images:
                seen |= {name: f"image {image}" for name in _by_image(image) if name not in seen}
    if not seen:
        seen = {n: f"ConfigMap {each}" for each in sorted(config) for n, p in profiles().items() if each in p.config_maps}
    if not seen:
        for group in {policy.api_version.partition("/")[0] for policy in foreign}:
            seen |= {name: f"policies of {group}" for name, profile in profiles().items() if group in profile.groups}
    left = [name for name in seen if not profiles()[name].yields_to & seen.keys()]
    if len(left) != 1:
        return replace(UNKNOWN_CNI, why=f"several: {', '.join(sorted(left))}") if left else UNKNOWN_CNI
    profile = profiles()[left[0]]
    found = replace(profile.cni, why=seen[left[0]])
    certain = found.enforces and not profile.enforces_once_enabled
    return found if certain else replace(found, enforces=None)  # something else may enforce policies, or nothing does


@cache
def _by_image(image: str) -> tuple[str, ...]:
    return tuple(name for name, profile in profiles().items() if any(each.search(image) for each in profile.images))
