"""How to reach an API server and as whom: kubeconfig and in-cluster configuration, read by the kubernetes client."""

from __future__ import annotations

import contextlib
import logging
import os
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from meshtui.model.errors import ConfigError, SessionExpiredError
from meshtui.sources.redact import redact

if TYPE_CHECKING:
    from meshtui.settings import Settings


@dataclass(frozen=True, slots=True)
class Connection:
    """One API server.

    ``authorization`` gives the current Authorization header (an exec plugin may run again; it raises SessionExpiredError
    when that fails); ``refused`` takes note that the server didn't accept it: the configuration is read anew then.
    """

    server: str
    tls: ssl.SSLContext | bool
    authorization: Callable[[], str]
    context: str = ""
    cluster: str = ""
    user: str = ""
    namespace: str = ""
    server_name: str = ""
    proxy: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    refused: Callable[[], None] = lambda: None
    renewed: Callable[[], ssl.SSLContext | bool | None] = lambda: None
    """New certificates since it was last asked, or None: what is on disk is rotated while the program runs."""


_LEAST_BETWEEN_RELOADS_S = 1.0


class _Authorization:
    """The Authorization header of a configuration. One thread at a time: a plugin must not run for each request."""

    def __init__(self, configuration: Any, reload: Callable[[], None], said: str) -> None:
        self._configuration = configuration
        self._reload = reload
        self._lock = threading.Lock()
        self._said = said
        self._stale = bool(said)
        self._reloaded_at = -_LEAST_BETWEEN_RELOADS_S
        self._certificates = _stamp(configuration)
        self._renewed: ssl.SSLContext | bool | None = None

    def refused(self) -> None:
        """The server didn't accept it: whoever logs in again changes the kubeconfig, or what the plugin answers."""
        self._stale = True

    def renewed(self) -> ssl.SSLContext | bool | None:
        """New certificates since it was last asked, or None."""
        fresh, self._renewed = self._renewed, None
        return fresh

    def __call__(self) -> str:
        """The header, or empty (a client certificate). Raises SessionExpiredError in the plugin's words."""
        with self._lock, _client_errors() as errors:
            if self._stale and time.monotonic() - self._reloaded_at >= _LEAST_BETWEEN_RELOADS_S:
                self._stale, self._said = False, ""
                try:
                    self._reload()
                except Exception as error:  # noqa: BLE001  (the client raises whatever its readers raise)
                    errors.append(f"{type(error).__name__}: {error}")
                self._reloaded_at = time.monotonic()
            header = self._current()
            self._said = "; ".join(errors) or self._said
            if self._said:
                self._stale = True
                raise SessionExpiredError(redact(" ".join(self._said.split())), "log in again")
            self._look_at_certificates()
            return header

    def _look_at_certificates(self) -> None:
        """Read the certificates again when their files are others than before (in the middle of a change: next time)."""
        stamp = _stamp(self._configuration)
        if stamp == self._certificates:
            return
        try:
            self._renewed = _tls(self._configuration)
        except ConfigError:
            return
        self._certificates = stamp

    def _current(self) -> str:
        configuration = self._configuration
        token = configuration.get_api_key_with_prefix("BearerToken", "authorization")
        if token:
            return token if " " in token else f"Bearer {token}"
        if configuration.username and configuration.password:
            return str(configuration.get_basic_auth_token())
        return ""


def _stamp(configuration: Any) -> tuple[tuple[str, int, int], ...]:
    """Which certificate files there are, and when they were last written."""
    found = []
    for path in (configuration.ssl_ca_cert, configuration.cert_file, configuration.key_file):
        try:
            state = Path(path).stat() if path else None
        except OSError:
            state = None
        found.append((path or "", state.st_mtime_ns if state else 0, state.st_ino if state else 0))
    return tuple(found)


@contextlib.contextmanager
def _client_errors() -> Iterator[list[str]]:
    """What the kubernetes client logs as an error: it doesn't raise when a plugin fails, and would print it on the screen."""
    thread, lines = threading.get_ident(), list[str]()

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.thread == thread and record.levelno >= logging.ERROR:
                lines.append(record.getMessage())

    root, collector = logging.getLogger(), Collector()
    root.addHandler(collector)
    try:
        yield lines
    finally:
        root.removeHandler(collector)


def connect(settings: Settings) -> Connection:
    """Read the configuration as kubectl does: flag, ``$KUBECONFIG`` (a list, merged), ``~/.kube/config``, in-cluster.

    Slow (it imports the kubernetes client, and may run an exec plugin): call it in a thread. Raises ConfigError.
    """
    import httpx  # noqa: F401  (what comes next needs it, and here it is imported beside the event loop)
    from kubernetes import client, config

    from meshtui.sources.exec_plugin import Loader

    configuration = client.Configuration()
    paths = settings.kubeconfig or os.environ.get("KUBECONFIG") or "~/.kube/config"
    files = [str(Path(path).expanduser()) for path in paths.split(os.pathsep) if path]
    if not any(_is_there(path) for path in files):
        if not settings.kubeconfig and os.environ.get("KUBERNETES_SERVICE_HOST"):
            return _in_cluster(config, configuration, settings)
        raise ConfigError(
            f"no kubeconfig: {paths} does not exist",
            "name one with --kubeconfig or $KUBECONFIG, read manifests with -f, or try `meshtui demo`",
        )

    def load() -> None:
        Loader(_merged(config, files), active_context=chosen["name"], config_base_path=None).load_and_set(configuration)

    try:
        contexts, active = _contexts(_merged(config, files))
        chosen = _context(contexts, active, settings.context)
        with _client_errors() as errors:
            load()
    except config.ConfigException as error:
        raise ConfigError(f"kubeconfig {paths}: {' '.join(str(error).split())}") from error
    except ConfigError:
        raise
    except OSError as error:
        raise ConfigError(f"kubeconfig {error.filename or paths}: {error.strerror}") from error
    except Exception as error:  # the client raises whatever its YAML and base64 readers raise
        raise ConfigError(f"kubeconfig {paths}: {type(error).__name__}: {_without_content(error)}") from error
    details = chosen.get("context") or {}
    authorization = _Authorization(configuration, load, "; ".join(errors))
    return _connection(configuration, settings, chosen["name"], details, authorization)


def _merged(config: Any, files: Sequence[str]) -> Any:
    """All files as one configuration; raises OSError for one that may not be read."""
    for path in files:
        if _is_there(path):
            Path(path).open("rb").close()  # the client passes over what it may not look at; kubectl doesn't
    merger = config.kube_config.KubeConfigMerger(os.pathsep.join(files))
    named = (str(content.get("current-context") or "") for content in merger.config_files.values())
    merger.config.value["current-context"] = next((name for name in named if name), "")  # the first file wins, as in kubectl
    return merger.config


def _is_there(path: str) -> bool:
    """Whether there is anything at a path; what can't even be looked at is there, and reading it will say why."""
    try:
        return Path(path).exists()
    except OSError:
        return True


def _without_content(error: Exception) -> str:
    """An error in one line; what a YAML reader quotes from the file may be a secret."""
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    where = f"line {mark.line + 1}, column {mark.column + 1}: {problem}" if mark is not None else str(error)
    return redact(" ".join(where.split()))


def _contexts(loaded: Any) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
    """All contexts, and the current one."""
    contexts = [node.value for node in loaded["contexts"]]
    wanted = loaded.value["current-context"]
    found = next((context for context in contexts if context["name"] == wanted), None)
    if wanted and found is None:
        raise ConfigError(f"the kubeconfig's current context {wanted!r} isn't in it", "choose one with --context")
    return contexts, found


def _context(contexts: list[dict[str, Any]], active: dict[str, Any] | None, wanted: str) -> dict[str, Any]:
    if not wanted:
        if active is None:
            raise ConfigError("the kubeconfig has no current context", "choose one with --context")
        return active
    for context in contexts:
        if context["name"] == wanted:
            return context
    known = ", ".join(sorted(context["name"] for context in contexts)) or "none"
    raise ConfigError(f"no context {wanted!r} in the kubeconfig", f"known contexts: {known}")


def _in_cluster(config: Any, configuration: Any, settings: Settings) -> Connection:
    try:
        config.load_incluster_config(client_configuration=configuration)
    except config.ConfigException as error:
        raise ConfigError(f"in-cluster configuration: {error}") from error
    details = {"cluster": "in-cluster", "user": "serviceaccount"}
    return _connection(configuration, settings, "in-cluster", details, _Authorization(configuration, lambda: None, ""))


def _connection(
    configuration: Any, settings: Settings, context: str, details: dict[str, Any], authorization: _Authorization
) -> Connection:
    headers = [("User-Agent", "meshtui")]
    if settings.impersonate:
        headers.append(("Impersonate-User", settings.impersonate))
        headers += [("Impersonate-Group", group) for group in settings.impersonate_groups]
    elif settings.impersonate_groups:
        raise ConfigError("--as-group needs --as")
    user = str(details.get("user", ""))
    return Connection(
        server=str(configuration.host).rstrip("/"),
        tls=_tls(configuration),
        authorization=authorization,
        context=context,
        cluster=str(details.get("cluster", "")),
        user=f"{settings.impersonate} (as {user})" if settings.impersonate else user,
        namespace=settings.namespace or str(details.get("namespace") or ""),
        server_name=configuration.tls_server_name or "",
        proxy=configuration.proxy or None,
        headers=tuple(headers),
        refused=authorization.refused,
        renewed=authorization.renewed,
    )


def _tls(configuration: Any) -> ssl.SSLContext | bool:
    if not str(configuration.host).startswith("https"):
        return False
    try:
        context = ssl.create_default_context(cafile=configuration.ssl_ca_cert or None)
        if not configuration.verify_ssl:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if configuration.cert_file:
            context.load_cert_chain(configuration.cert_file, configuration.key_file or None)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"certificates of the kubeconfig: {error}") from error
    return context
