"""The profiles of CNIs: one data file each, with the source of every reading, and which CNI a cluster has."""

from __future__ import annotations

import ipaddress
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any

from meshtui.model.cni import REFERENCE_CNI, UNKNOWN_CNI, Cni, HostPods
from meshtui.model.errors import ConfigError
from meshtui.model.policy import ForeignPolicy
from meshtui.model.workload import Controller

_READINGS = {"enforces", "blocks_match_pods", "blocks_match_nodes", "host_pods"}


@dataclass(frozen=True, slots=True)
class Profile:
    """A CNI, how it is recognised, and for each reading where it is written.

    ``images`` are expressions for the images of its DaemonSets, ``groups`` the API groups of its policies. It yields to the CNIs
    in ``yields_to`` when both are recognised, because these enforce policies in its place.
    """

    cni: Cni
    images: tuple[re.Pattern[str], ...] = ()
    groups: frozenset[str] = frozenset()
    yields_to: frozenset[str] = frozenset()
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
    )
    return Profile(
        cni,
        tuple(re.compile(text) for text in detect.get("images", ())),
        frozenset(detect.get("groups", ())),
        frozenset(detect.get("yields_to", ())),
        tuple((name, text) for name, text in data["sources"].items() if name in _READINGS),
    )


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


def detect(controllers: Iterable[Controller], foreign: Iterable[ForeignPolicy]) -> Cni:
    """The CNI of a cluster, recognised by the images of its DaemonSets, else by the policies of its own kinds.

    ``UNKNOWN_CNI`` if none or several are recognised.
    """
    seen: dict[str, str] = {}
    for controller in controllers:
        if controller.meta.kind == "DaemonSet":
            for image in controller.template.images:
                seen |= {name: f"image {image}" for name in _by_image(image) if name not in seen}
    if not seen:
        for group in {policy.api_version.partition("/")[0] for policy in foreign}:
            seen |= {name: f"policies of {group}" for name, profile in profiles().items() if group in profile.groups}
    left = [name for name in seen if not profiles()[name].yields_to & seen.keys()]
    if len(left) != 1:
        return replace(UNKNOWN_CNI, why=f"several: {', '.join(sorted(left))}") if left else UNKNOWN_CNI
    found = replace(profiles()[left[0]].cni, why=seen[left[0]])
    return found if found.enforces else replace(found, enforces=None)  # something else may enforce policies


@cache
def _by_image(image: str) -> tuple[str, ...]:
    return tuple(name for name, profile in profiles().items() if any(each.search(image) for each in profile.images))
