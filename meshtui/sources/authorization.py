"""The Authorization header of a configuration: asked for before each request, renewed when it is refused."""

from __future__ import annotations

import contextlib
import logging
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from meshtui.model.errors import ConfigError, SessionExpiredError
from meshtui.sources.redact import redact

_LEAST_BETWEEN_RELOADS_S = 1.0


class Authorization:
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
        with self._lock, client_errors() as errors:
            if self._stale and time.monotonic() - self._reloaded_at >= _LEAST_BETWEEN_RELOADS_S:
                self._stale, self._said = False, ""
                self._tried(self._reload, errors)
                self._reloaded_at = time.monotonic()
            header = self._tried(self._current, errors) or ""
            self._said = "; ".join(errors) or self._said
            if self._said:
                self._stale = True
                raise SessionExpiredError(redact(" ".join(self._said.split())), "log in again")
            self._look_at_certificates()
            return header

    @staticmethod
    def _tried(function: Callable[[], str | None], errors: list[str]) -> str | None:
        try:
            return function()
        except Exception as error:  # noqa: BLE001  (the client raises whatever its readers raise)
            errors.append(str(error) if isinstance(error, ConfigError) else f"{type(error).__name__}: {error}")
            return None

    def check(self) -> None:
        """Raise ConfigError for a credential that no header can carry."""
        with self._lock, client_errors():
            self._current()

    def _look_at_certificates(self) -> None:
        """Read the certificates again when their files are others than before (in the middle of a change: next time)."""
        stamp = _stamp(self._configuration)
        if stamp == self._certificates:
            return
        try:
            self._renewed = tls_of(self._configuration)
        except ConfigError:
            return
        self._certificates = stamp

    def _current(self) -> str:
        header = (self._configuration.get_api_key_with_prefix("BearerToken", "authorization") or "").strip()
        return checked_header(header if " " in header or not header else f"Bearer {header}", "the token")


def checked_header(value: str, what: str) -> str:
    """The value, if an HTTP header can carry it (RFC 9110, section 5.5; UTF-8, as client-go sends it). Raises ConfigError."""
    if any(ord(character) < 0x20 or ord(character) == 0x7F for character in value):
        raise ConfigError(f"{what} has a newline or another control character in it: no header can carry that")
    return value


def header_bytes(value: str) -> bytes:
    """A header's value as it is sent: UTF-8; bytes of the command line that are none are sent as they are."""
    return value.encode("utf-8", "surrogateescape")


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
def client_errors() -> Iterator[list[str]]:
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


def tls_of(configuration: Any) -> ssl.SSLContext | bool:
    """How a server is verified, and the client certificate. Raises ConfigError."""
    if not str(configuration.host).startswith("https"):
        return False
    try:
        context = verifying(configuration, str(configuration.tls_server_name or ""))
        if configuration.cert_file:
            context.load_cert_chain(configuration.cert_file, configuration.key_file or None, password=_no_password)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise ConfigError(f"certificates of the kubeconfig: {error}") from error
    return context


def _no_password() -> str:
    """Asked for when a key is encrypted: OpenSSL would ask on the terminal."""
    raise ValueError("the client key is encrypted, and there is nobody to ask for its password")


class _Named(ssl.SSLContext):
    """Verifies one name, whatever the connection is called: ``tls-server-name`` holds behind every kind of proxy too."""

    name = ""

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """Called by asyncio and anyio when a connection begins with TLS."""
        return super().wrap_bio(incoming, outgoing, server_side, self.name or server_hostname, session)


def verifying(configuration: Any, name: str = "") -> ssl.SSLContext:
    """A context that verifies as the kubeconfig says, without a client certificate; ``name`` instead of the server's own."""
    context = _Named(ssl.PROTOCOL_TLS_CLIENT)
    context.name = name
    if configuration.ssl_ca_cert:
        context.load_verify_locations(configuration.ssl_ca_cert)
    else:
        context.load_default_certs()
    if not configuration.verify_ssl:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
