"""The Authorization header of a kubeconfig: computed before each request, and again when the server refuses it."""

from __future__ import annotations

import contextlib
import logging
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from meshtui.model.errors import ConfigError, SessionExpiredError
from meshtui.model.redact import redact
from meshtui.sources.kubernetes.pem import as_path, stamp

_LEAST_BETWEEN_RELOADS_S = 1.0


class Authorization:
    """Computes the Authorization header. One thread at a time, so that a plugin doesn't run for each request."""

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
        """Note that the server refused the credentials. The kubeconfig is then read again, and its plugin run again."""
        self._stale = True

    def renewed(self) -> ssl.SSLContext | bool | None:
        """New client certificates since the last call, or None."""
        fresh, self._renewed = self._renewed, None
        return fresh

    def __call__(self) -> str:
        """The header, or empty (with a client certificate). Raises SessionExpiredError with the plugin's message."""
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
        """Raise ConfigError for a credential that a header can't contain."""
        with self._lock, client_errors():
            self._current()

    def _look_at_certificates(self) -> None:
        """Read the certificates again if their files changed. If that fails during a change, the next call tries again."""
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
    """The value, if an HTTP header can contain it (RFC 9110, section 5.5; UTF-8, as client-go sends it). Raises ConfigError."""
    if any(ord(character) < 0x20 or ord(character) == 0x7F for character in value):
        raise ConfigError(f"{what} has a newline or another control character in it: no header can carry that")
    return value


def header_bytes(value: str) -> bytes:
    """A header's value as bytes in UTF-8. Bytes of the command line that aren't UTF-8 are kept."""
    return value.encode("utf-8", "surrogateescape")


def _stamp(configuration: Any) -> tuple[tuple[str, int, int], ...]:
    """Changes when a certificate or a key does."""
    return tuple(map(stamp, (configuration.ssl_ca_cert, configuration.cert_file, configuration.key_file)))


@contextlib.contextmanager
def client_errors() -> Iterator[list[str]]:
    """Collects errors that the kubernetes client logs: it doesn't raise when a plugin fails, and would print on the screen."""
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
    """The TLS context: how the server is verified, and the client certificate. Raises ConfigError."""
    if not str(configuration.host).startswith("https"):
        return False
    try:
        context = verifying(configuration, str(configuration.tls_server_name or ""))
        if configuration.cert_file:
            with as_path(configuration.cert_file) as chain, as_path(configuration.key_file or configuration.cert_file) as key:
                context.load_cert_chain(chain, key, password=_no_password)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise ConfigError(f"certificates of the kubeconfig: {error}") from error
    return context


def _no_password() -> str:
    """The password callback for an encrypted key, which refuses: OpenSSL would ask on the terminal."""
    raise ValueError("the client key is encrypted, and there is nobody to ask for its password")


class _Named(ssl.SSLContext):
    """Verifies a fixed server name (``tls-server-name``), whatever host is connected to, also behind every kind of proxy."""

    name = ""

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """Called by asyncio and anyio at the start of a TLS connection."""
        return super().wrap_bio(incoming, outgoing, server_side, self.name or server_hostname, session)


def verifying(configuration: Any, name: str = "") -> ssl.SSLContext:
    """A TLS context that verifies as the kubeconfig says, without a client certificate; ``name`` replaces the server's name."""
    context = _Named(ssl.PROTOCOL_TLS_CLIENT)
    context.name = name
    if configuration.ssl_ca_cert:
        with as_path(configuration.ssl_ca_cert) as path:
            context.load_verify_locations(path)
    else:
        context.load_default_certs()
    if not configuration.verify_ssl:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
