"""Creates settings from the shared flags. Other settings are read as late as possible."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from meshtui.cli.durations import timeout_of

if TYPE_CHECKING:
    from meshtui.settings import Settings


def settings_from(
    flags: Mapping[str, Any], *, probe_image: str | None = None, warn: Callable[[str], None] | None = None
) -> Settings:
    """Settings with the shared flags that were given (flags.merged). Raises UsageError, ConfigError.

    ``warn`` is told of variables that set nothing; without it, standard error is.
    """
    given = {name: value for name, value in flags.items() if name not in {"request_timeout", "output"} and value}
    changes: dict[str, Mapping[str, Any]] = {}
    if flags.get("request_timeout"):
        changes["timeouts"] = {"request_s": timeout_of(flags["request_timeout"])}
    if probe_image:
        changes["probe"] = {"image": probe_image}
    if changes or not _only_flags():
        return _read(given, changes, warn)
    return cast("Settings", _Deferred(given))


def _read(
    flags: Mapping[str, Any], changes: Mapping[str, Mapping[str, Any]], warn: Callable[[str], None] | None = None
) -> Settings:
    from meshtui.settings import load_settings

    settings = load_settings(flags) if warn is None else load_settings(flags, warn)
    groups = {group: getattr(settings, group).model_copy(update=values) for group, values in changes.items()}
    return settings.model_copy(update=groups) if groups else settings


def _only_flags() -> bool:
    """Whether only flags set anything: there is no variable with our prefix, and no configuration file."""
    if any(name.upper().startswith("MESHTUI_") and name != "MESHTUI_CONFIG" for name in os.environ):
        return False
    named = os.environ.get("MESHTUI_CONFIG")
    if named:
        return Path(named).exists() and not Path(named).is_file()  # a missing file is an error, which has to be reported
    from platformdirs import user_config_path

    return not (user_config_path("meshtui") / "config.toml").is_file()


OFFLINE_DEFAULTS: Mapping[str, Any] = {
    "filenames": (),
    "render": False,
    "skip_unreadable": False,
    "verbose": False,
    "cni": "",
    "pod_cidrs": (),
    "namespace": "",
    "all_namespaces": False,
    "context": "",
    "read_only": False,
    "read_only_contexts": (),
    "theme": "",
}
"""The settings that commands on manifests use, and those used before the first paint. A test compares them with Settings."""


class _Deferred:
    """Settings that are loaded when an attribute is read that flags and manifests don't need.

    Loading takes a quarter of a second, mostly for the import of pydantic: longer than evaluating a thousand pods.
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
