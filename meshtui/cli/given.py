"""From the shared flags to settings, which are read as late as possible."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from meshtui.cli.durations import timeout_of

if TYPE_CHECKING:
    from meshtui.settings import Settings


def settings_from(flags: Mapping[str, Any], *, probe_image: str | None = None) -> Settings:
    """Settings with the shared flags that were given (flags.merged). Raises UsageError, ConfigError."""
    given = {name: value for name, value in flags.items() if name not in {"request_timeout", "output"} and value}
    changes: dict[str, Mapping[str, Any]] = {}
    if flags.get("request_timeout"):
        changes["timeouts"] = {"request_s": timeout_of(flags["request_timeout"])}
    if probe_image:
        changes["probe"] = {"image": probe_image}
    if changes or not _only_flags():
        return _read(given, changes)
    return cast("Settings", _Deferred(given))


def _read(flags: Mapping[str, Any], changes: Mapping[str, Mapping[str, Any]]) -> Settings:
    from meshtui.settings import load_settings

    settings = load_settings(flags)
    groups = {group: getattr(settings, group).model_copy(update=values) for group, values in changes.items()}
    return settings.model_copy(update=groups) if groups else settings


def _only_flags() -> bool:
    """Whether nothing but flags can have set anything: no variable of ours, and no configuration file."""
    if any(name.upper().startswith("MESHTUI_") and name != "MESHTUI_CONFIG" for name in os.environ):
        return False
    named = os.environ.get("MESHTUI_CONFIG")
    if named:
        return Path(named).exists() and not Path(named).is_file()  # one that isn't there is an error, and to be told
    from platformdirs import user_config_path

    return not (user_config_path("meshtui") / "config.toml").is_file()


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
