"""The address and credentials of an API server, from kubeconfig or in-cluster configuration, by the kubernetes client."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from meshtui.model.errors import ConfigError
from meshtui.model.redact import redact
from meshtui.sources.kubernetes.authorization import Authorization, checked_header, client_errors, tls_of, verifying
from meshtui.sources.kubernetes.kubeconfig import Files, chosen_context, without_content
from meshtui.sources.kubernetes.proxies import proxy_for

if TYPE_CHECKING:
    from meshtui.settings import Settings


@dataclass(frozen=True, slots=True)
class Connection:
    """One API server.

    ``authorization`` returns the current Authorization header (it may run an exec plugin again, and raises SessionExpiredError
    if that fails); ``refused`` notes that the server refused it, so that the configuration is read again.
    """

    server: str
    tls: ssl.SSLContext | bool
    authorization: Callable[[], str]
    context: str = ""
    cluster: str = ""
    user: str = ""
    namespace: str = ""
    proxy: str | None = None
    """The URL of the proxy, or None. The environment has been considered."""
    proxy_tls: ssl.SSLContext | None = None
    """How a proxy that is itself reached by TLS is verified."""
    headers: tuple[tuple[str, str], ...] = ()
    refused: Callable[[], None] = lambda: None
    renewed: Callable[[], ssl.SSLContext | bool | None] = lambda: None
    """New certificates since the last call, or None: files on disk may be renewed while the program runs."""


def connect(settings: Settings) -> Connection:
    """Read the configuration as kubectl does: flag, ``$KUBECONFIG`` (a list, merged), ``~/.kube/config``, in-cluster.

    Slow (it imports the kubernetes client, and may run an exec plugin): call it in a thread. Raises ConfigError.
    """
    import httpx  # noqa: F401  (what comes next needs it, and here it is imported beside the event loop)
    from kubernetes import client, config

    from meshtui.sources.kubernetes.exec_plugin import Loader

    configuration = client.Configuration()
    paths = settings.kubeconfig or os.environ.get("KUBECONFIG") or "~/.kube/config"
    files = Files(paths.split(os.pathsep))
    if not files.found:
        if not settings.kubeconfig and os.environ.get("KUBERNETES_SERVICE_HOST"):
            return _in_cluster(config, configuration, settings)
        raise ConfigError(
            f"no kubeconfig: {paths} does not exist",
            "name one with --kubeconfig or $KUBECONFIG, read manifests with -f, or try `meshtui demo`",
        )

    def load() -> None:
        Loader(files.merged(), active_context=chosen["name"], config_base_path=None).load_and_set(configuration)

    try:
        merged = files.merged()
        chosen = chosen_context(merged, settings.context)
        cluster = _cluster(merged, chosen)
        _checked_server(str(cluster.get("server") or configuration.host))
        with client_errors() as errors:
            load()
    except config.ConfigException as error:
        raise ConfigError(f"kubeconfig {paths}: {redact(' '.join(str(error).split()))}") from error
    except ConfigError:
        raise
    except OSError as error:
        raise ConfigError(f"kubeconfig {error.filename or paths}: {error.strerror}") from error
    except Exception as error:  # the client raises whatever its YAML and base64 readers raise
        raise ConfigError(f"kubeconfig {paths}: {type(error).__name__}: {without_content(error)}") from error
    details = chosen.get("context") or {}
    authorization = Authorization(configuration, load, "; ".join(errors))
    if not errors:
        authorization.check()
    return _connection(configuration, settings, chosen["name"], details, authorization, str(cluster.get("proxy-url") or ""))


def _cluster(merged: Any, chosen: dict[str, Any]) -> dict[str, Any]:
    """The cluster in the kubeconfig; empty if it isn't there."""
    name = (chosen.get("context") or {}).get("cluster")
    found = merged["clusters"].get_with_name(name, safe=True)
    return dict(found.value.get("cluster") or {}) if found else {}


def _in_cluster(config: Any, configuration: Any, settings: Settings) -> Connection:
    try:
        config.load_incluster_config(client_configuration=configuration)
    except config.ConfigException as error:
        raise ConfigError(f"in-cluster configuration: {error}") from error
    details = {"cluster": "in-cluster", "user": "serviceaccount"}
    return _connection(configuration, settings, "in-cluster", details, Authorization(configuration, lambda: None, ""), "")


def _connection(
    configuration: Any, settings: Settings, context: str, details: dict[str, Any], authorization: Authorization, proxy_url: str
) -> Connection:
    server = _checked_server(str(configuration.host).rstrip("/"))
    proxy = proxy_for(server, proxy_url, os.environ)
    user = str(details.get("user", ""))
    return Connection(
        server=server,
        tls=tls_of(configuration),
        authorization=authorization,
        context=context,
        cluster=str(details.get("cluster", "")),
        user=f"{settings.impersonate} (as {user})" if settings.impersonate else user,
        namespace=settings.namespace or str(details.get("namespace") or ""),
        proxy=proxy,
        proxy_tls=_proxy_tls(configuration, proxy),
        headers=_headers(settings),
        refused=authorization.refused,
        renewed=authorization.renewed,
    )


def _headers(settings: Settings) -> tuple[tuple[str, str], ...]:
    """The headers of every request. Raises ConfigError for names that a header can't contain."""
    headers = [("User-Agent", "meshtui")]
    if settings.impersonate:
        headers.append(("Impersonate-User", checked_header(settings.impersonate, "the user of --as")))
        groups = settings.impersonate_groups
        headers += [("Impersonate-Group", checked_header(group, "a group of --as-group")) for group in groups]
    elif settings.impersonate_groups:
        raise ConfigError("--as-group needs --as")
    return tuple(headers)


def _checked_server(server: str) -> str:
    """The URL of the API server. Raises ConfigError if it is invalid."""
    try:
        parts = urlsplit(server)
        good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0 and server.isprintable()
    except ValueError:
        good = False
    if not good or " " in server:
        raise ConfigError(f"the kubeconfig's server isn't a URL: {redact(repr(server))}", "write https://HOST:PORT")
    return server


def _proxy_tls(configuration: Any, proxy: str | None) -> ssl.SSLContext | None:
    """The TLS context for a proxy: verified as the server is (as in client-go), or by the system's authorities."""
    if not proxy or not proxy.startswith("https:"):
        return None
    try:
        context = verifying(configuration)
        context.load_default_certs()
    except OSError as error:
        raise ConfigError(f"certificates of the kubeconfig: {error}") from error
    return context
