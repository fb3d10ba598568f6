"""Loads settings from flags, ``MESHTUI_…`` variables and the configuration file, in this order of precedence."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from platformdirs import user_config_path
from pydantic import BaseModel, ValidationError

from meshtui.model.errors import ConfigError
from meshtui.settings.model import Settings

PREFIX = "MESHTUI_"
CONFIG = "MESHTUI_CONFIG"
"""The variable that names the configuration file."""
RESERVED = frozenset({CONFIG})
"""Variables that are accepted although they aren't settings."""
KEYS = "MESHTUI_KEYS__"
"""Prefix of variables that give an action another key: ``MESHTUI_KEYS__MAIN__PROBE``. ``ui.actions`` checks the action."""
FOR_TESTS = "MESHTUI_E2E_"
"""Prefix of variables for the end-to-end tests."""


def config_file() -> Path:
    """The path of the configuration file: ``$MESHTUI_CONFIG``, else ``config.toml`` in the user's configuration folder."""
    return Path(os.environ.get(CONFIG) or user_config_path("meshtui") / "config.toml")


def variables(model: type[BaseModel] = Settings, prefix: str = PREFIX) -> Mapping[str, tuple[str, ...]]:
    """Every environment variable for a setting, with the setting's path: ``MESHTUI_PROBE__IMAGE``: ``(probe, image)``."""
    found: dict[str, tuple[str, ...]] = {}
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            below = variables(field.annotation, f"{prefix}{name.upper()}__")
            found.update({variable: (name, *path) for variable, path in below.items()})
        else:
            found[f"{prefix}{name.upper()}"] = (name,)
    return found


def _to_stderr(text: str) -> None:
    sys.stderr.write(f"meshtui: warning: {text}\n")


def load_settings(flags: Mapping[str, Any] | None = None, warn: Callable[[str], None] = _to_stderr) -> Settings:
    """Load settings; ``flags`` are the values that were given on the command line.

    ``warn`` is called with one line for each variable that isn't a setting. Raises ConfigError that names the invalid setting
    and where it was set.
    """
    given = flags or {}
    named = os.environ.get(CONFIG)
    if named and not Path(named).exists():
        raise ConfigError(f"${CONFIG} names {named}, which isn't there", f"unset {CONFIG}, or correct it")
    try:
        ours = [name for name in os.environ if name.upper().startswith(PREFIX) and name.upper() != CONFIG]
        outside = config_file().is_file() or bool(ours)
        settings = Settings.model_validate(_from_outside(given)) if outside else Settings(**given)
    except ValidationError as error:
        raise _wrong(error, given) from error
    except (ValueError, OSError) as error:  # the file isn't TOML, or can't be read
        raise ConfigError(f"{config_file()}: {error}") from error
    for text in _unknown(ours):
        warn(text)
    return settings


def _from_outside(flags: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as plain data, with flags over environment over the configuration file.

    Importing pydantic-settings takes a tenth of the program's startup time, so this is called only if there is a file or a
    variable.
    """
    from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

    class Outside(Settings, BaseSettings):
        """Settings that are read from the environment and the file."""

        model_config = SettingsConfigDict(
            env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True, enable_decoding=False
        )

        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  (the signature is pydantic's)
            file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003  (the signature is pydantic's)
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            """Flags, then environment, then the configuration file."""
            return (init_settings, env_settings, TomlConfigSettingsSource(settings_cls, config_file()))

    return Outside(**flags).model_dump()


def _wrong(error: ValidationError, flags: Mapping[str, Any]) -> ConfigError:
    """A ConfigError about the first invalid setting, which names the flag, variable or file that set it."""
    first = error.errors()[0]
    path = tuple(str(part) for part in first["loc"])
    name = ".".join(path) or "?"
    problem = first["msg"].removeprefix("Value error, ")
    if path and path[0] in flags:
        return ConfigError(f"setting {name}: {problem}", "it was given on the command line")
    set_by = {variable.upper() for variable in os.environ}
    for variable, setting in variables().items():
        if variable in set_by and path[: len(setting)] == setting:
            return ConfigError(f"${variable} (setting {name}): {problem}", f"correct or unset {variable}")
    wanted = f"{PREFIX}{'__'.join(path).upper()}"
    if wanted in set_by:
        return ConfigError(f"${wanted}: there is no setting {name}", _suggestion(wanted) or f"unset {wanted}")
    return ConfigError(f"{config_file()}: setting {name}: {problem}", "docs/guide/settings.md has all settings")


def _unknown(names: Iterable[str]) -> list[str]:
    """The warnings about variables with meshtui's prefix that aren't settings."""
    known = variables()
    others = (n for n in names if n.upper() not in RESERVED and not n.upper().startswith((FOR_TESTS, KEYS)))
    found = sorted(name for name in others if name.upper() not in known)
    return [f"${name} sets nothing: there is no such setting{_suggestion(name, '; ')}" for name in found]


def _suggestion(name: str, before: str = "") -> str:
    close = get_close_matches(name.upper(), variables(), n=1)
    return f"{before}did you mean {close[0]}?" if close else ""
