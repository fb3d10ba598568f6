"""Settings: command-line flags over environment over ``~/.config/meshtui/config.toml`` over defaults."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from platformdirs import user_config_path
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from meshtui.model.errors import ConfigError

PROBE_IMAGE = "docker.io/curlimages/curl:8.21.0@sha256:7c12af72ceb38b7432ab85e1a265cff6ae58e06f95539d539b654f2cfa64bb13"


_PREFIX = "MESHTUI_"


class _Group(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Timeouts(_Group):
    """Every wait on the network, in seconds."""

    connect_s: float = Field(5.0, gt=0)
    request_s: float = Field(30.0, gt=0)
    watch_s: float = Field(300.0, gt=0)
    """How long one watch lasts before it is opened anew."""
    checkout_s: float = Field(15.0, gt=0)


class Probe(_Group):
    """How probes run (docs/guide/probing.md)."""

    image: str = PROBE_IMAGE
    run_as_user: int = Field(65532, ge=1)
    deadline_s: int = Field(60, ge=5, le=600)
    max_pods: int = Field(10, ge=1, le=100)
    max_flows: int = Field(500, ge=1, le=10_000)
    attempt_timeout_s: int = Field(4, ge=1, le=30)
    pull_policy: Literal["IfNotPresent", "Always", "Never"] = "IfNotPresent"


class Checkout(_Group):
    """Where a checkout happens, and as whom; the bookstore's by default. ``gateway`` empty means: ask the cluster."""

    gateway: str = ""
    host: str = "api.service.net"
    gateway_namespace: str = "infra"
    gateway_name: str = "gateway"
    token_path: str = "/realms/bookstore/protocol/openid-connect/token"
    client_id: str = "bookstore-ui"
    username: str = "reader"
    password: str = "reader"
    token: str = ""
    """A ready token, instead of asking for one."""
    book: str = "00000000-0000-0000-0000-000000000001"
    quantity: int = Field(1, ge=1, le=100)
    cart_path: str = "/ecom/cart"
    checkout_path: str = "/ecom/checkout"
    stock_path: str = "/inven/stock/{book}"
    client: str = "ecom/deploy/ecom-service"
    """The workload that makes the reserve call."""
    server: str = "inventory/svc/inventory-service:8000"
    """The Service that takes it."""
    reserve_path: str = "/inven/stock/reserve"
    client_account: str = "ecom/ecom-service"
    """The ServiceAccount, NAMESPACE/NAME, as which the client has to run."""
    server_account: str = "inventory/inventory-service"
    """The ServiceAccount, NAMESPACE/NAME, as which the server has to run."""
    expectations: str = "bookstore"
    """The expectations file that acceptance verifies; ``bookstore`` is the shipped one."""


class Denials(_Group):
    """What the proxies' logs say was denied (docs/guide/denials.md)."""

    follow: bool = False
    """Follow the logs from the start, not only once the denials have been looked at."""


class Settings(_Group):
    """All settings. Environment variables are ``MESHTUI_…``, with ``__`` between group and name."""

    kubeconfig: str = ""
    context: str = ""
    namespace: str = ""
    namespaces: tuple[str, ...] = ()
    """Namespaces to read, one by one, where the whole cluster may not be listed."""
    all_namespaces: bool = False
    impersonate: str = ""
    impersonate_groups: tuple[str, ...] = ()
    filenames: tuple[str, ...] = ()
    read_only: bool = False
    write: bool = False
    """Whether fixes may be applied; the sandbox always lets them. ``read_only`` wins."""
    read_only_contexts: tuple[str, ...] = ()
    """Contexts (glob patterns) in which nothing is ever changed."""
    timeouts: Timeouts = Timeouts()
    probe: Probe = Probe()
    checkout: Checkout = Checkout()
    denials: Denials = Denials()


def config_file() -> Path:
    """Where the configuration file is: ``$MESHTUI_CONFIG``, else the user's configuration folder."""
    return Path(os.environ.get("MESHTUI_CONFIG") or user_config_path("meshtui") / "config.toml")


def _from_outside(flags: Mapping[str, Any]) -> dict[str, Any]:
    """Flags over environment over the configuration file, as plain data.

    pydantic-settings costs a tenth of the program's start, so it is asked only where there is something to read.
    """
    from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

    class Outside(Settings, BaseSettings):
        """Settings that look for themselves outside."""

        model_config = SettingsConfigDict(env_prefix=_PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True)

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


def load_settings(flags: Mapping[str, Any] | None = None) -> Settings:
    """Read settings; ``flags`` are those that were given on the command line.

    Raises ConfigError that names the setting and what is wrong with it.
    """
    given = flags or {}
    try:
        outside = config_file().is_file() or any(name.startswith(_PREFIX) for name in os.environ)
        return Settings.model_validate(_from_outside(given)) if outside else Settings(**given)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"setting {name or '?'}: {first['msg']}", f"see {config_file()} and MESHTUI_* variables") from error
    except (ValueError, OSError) as error:  # a file that is no TOML, or can't be read
        raise ConfigError(f"{config_file()}: {error}") from error
