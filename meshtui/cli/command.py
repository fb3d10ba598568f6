"""What a command of the command line is, and the flags that all of them share."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from meshtui.settings import Settings


@dataclass(frozen=True, slots=True)
class Command:
    """One command: ``run`` gets the parsed words and the settings, and returns the exit code."""

    name: str
    help: str
    arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace, Settings], int]
    needs_cluster: bool = True


def add_cluster_flags(parser: argparse.ArgumentParser) -> None:
    """Where the cluster comes from: the same flags as kubectl's."""
    group = parser.add_argument_group("where the cluster comes from")
    group.add_argument("--kubeconfig", metavar="PATH", help="default: $KUBECONFIG, ~/.kube/config, in-cluster")
    group.add_argument("--context", metavar="NAME", help="a context of the kubeconfig")
    group.add_argument("-n", "--namespace", metavar="NS", help="show this namespace")
    group.add_argument("-A", "--all-namespaces", action="store_true", help="show all namespaces")
    group.add_argument("--as", dest="impersonate", metavar="USER", help="impersonate a user")
    group.add_argument("--as-group", dest="impersonate_groups", metavar="GROUP", action="append", help="impersonate a group")
    group.add_argument("--request-timeout", metavar="SECONDS", type=float, help="how long one request may take")
    group.add_argument("-f", "--filename", dest="filenames", metavar="PATH", action="append", help="read manifests instead")
    group.add_argument("--read-only", action="store_true", help="never change anything in the cluster")
    group.add_argument(
        "--write", action="store_true", help="fixes may be applied, each after a confirmation (the sandbox has it)"
    )


def settings_from(args: argparse.Namespace) -> Settings:
    """Settings with the flags that were given."""
    flags: dict[str, Any] = {}
    for name in ("kubeconfig", "context", "namespace", "impersonate"):
        if getattr(args, name, None):
            flags[name] = getattr(args, name)
    for name in ("impersonate_groups", "filenames"):
        if getattr(args, name, None):
            flags[name] = tuple(getattr(args, name))
    for name in ("all_namespaces", "read_only", "write"):
        if getattr(args, name, False):
            flags[name] = True
    changes: dict[str, Mapping[str, Any]] = {}
    if getattr(args, "request_timeout", None):
        changes["timeouts"] = {"request_s": args.request_timeout}
    if getattr(args, "probe_image", None):
        changes["probe"] = {"image": args.probe_image}
    if changes or not _only_flags():
        return _read(flags, changes)
    return cast("Settings", _Deferred(flags))


def _read(flags: Mapping[str, Any], changes: Mapping[str, Mapping[str, Any]]) -> Settings:
    from meshtui.settings import load_settings

    settings = load_settings(flags)
    groups = {group: getattr(settings, group).model_copy(update=values) for group, values in changes.items()}
    return settings.model_copy(update=groups) if groups else settings


def _only_flags() -> bool:
    """Whether nothing but flags can have set anything: no variable of ours, and no configuration file."""
    if any(name.upper().startswith("MESHTUI_") and name != "MESHTUI_CONFIG" for name in os.environ):
        return False
    from platformdirs import user_config_path

    return not Path(os.environ.get("MESHTUI_CONFIG") or user_config_path("meshtui") / "config.toml").is_file()


OFFLINE_DEFAULTS: Mapping[str, Any] = {
    "filenames": (),
    "namespace": "",
    "all_namespaces": False,
    "context": "",
    "read_only": False,
    "read_only_contexts": (),
}
"""All that is asked for by a command on manifests, and before the first paint. A test keeps them equal to those of Settings."""


class _Deferred:
    """Settings that are read when something else is asked for than flags and what manifests need.

    Reading them takes a quarter of a second, most of it the import of pydantic: more than judging a thousand pods.
    """

    def __init__(self, flags: Mapping[str, Any]) -> None:
        self._flags = flags
        self._known = {**OFFLINE_DEFAULTS, **flags}
        self._settings: Settings | None = None

    def __getattr__(self, name: str) -> Any:
        if name in self._known:
            return self._known[name]
        if self._settings is None:
            self._settings = _read(self._flags, {})
        return getattr(self._settings, name)
