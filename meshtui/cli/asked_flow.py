"""Parameters with which a command names one flow, and the flow that they describe."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol

import click

from meshtui.cli.command import choice, value
from meshtui.cli.complete import destinations, sources

if TYPE_CHECKING:
    from meshtui.model.flow import Flow, HttpRequest

_HEADER_NAME = re.compile(r"[\w!#$%&'*+.^`|~-]+", re.ASCII)
"""A token (RFC 9110, 5.6.2)."""

REQUEST_PARAMS = (
    value("--method", "METHOD", "the HTTP method of the request (default: GET)"),
    value("--path", "PATH", "the HTTP path of the request, with its query (default: /)"),
    value("--host", "HOST", "the Host header of the request"),
    value("--header", "NAME:VALUE", "a header of the request; may be repeated", multiple=True),
)
"""Parameters that describe a request. Without any of them, a flow has none."""

FLOW_OPTIONS = (choice("--protocol", ["TCP", "UDP", "SCTP"], "TCP", "TCP, UDP or SCTP"), *REQUEST_PARAMS)
"""The options of a flow, beside its ends."""

FLOW_PARAMS = (
    click.Argument(["source"], metavar="FROM", help="NS/POD, NS/KIND/NAME, an address, or external", shell_complete=sources),
    click.Argument(
        ["destination"],
        metavar="TO:PORT",
        help="the same, NS/svc/NAME:PORT, or a host as api.example.com:443",
        shell_complete=destinations,
    ),
    *FLOW_OPTIONS,
)


class RequestWords(Protocol):
    """The values of ``REQUEST_PARAMS``."""

    @property
    def method(self) -> str | None:
        """The HTTP method, if one was given."""

    @property
    def path(self) -> str | None:
        """The HTTP path, if one was given."""

    @property
    def host(self) -> str | None:
        """The Host header, if one was given."""

    @property
    def header(self) -> tuple[str, ...]:
        """The other headers, each as NAME:VALUE."""


class FlowWords(RequestWords, Protocol):
    """The values of ``FLOW_PARAMS``."""

    @property
    def source(self) -> str:
        """The reference of the source."""

    @property
    def destination(self) -> str | None:
        """The reference of the destination, with its port, if one was given."""

    @property
    def protocol(self) -> str:
        """TCP, UDP or SCTP."""


def flow_of(words: FlowWords) -> Flow:
    """The flow that the parameters describe. Raises UsageError."""
    from meshtui.engine.path.references import parse_flow
    from meshtui.model.errors import UsageError

    if words.destination is None:
        raise UsageError("missing TO:PORT", "a flow has two ends: FROM TO:PORT")
    return parse_flow(words.source, words.destination, protocol=words.protocol, http=request_of(words))


def request_of(words: RequestWords) -> HttpRequest | None:
    """The request that the parameters describe; None without any of them. ``--header Host:`` is the host.

    Raises UsageError for a header that isn't NAME:VALUE.
    """
    from meshtui.model.flow import HttpRequest

    if not (words.method or words.path or words.host or words.header):
        return None
    headers = [_header(text) for text in words.header]
    host = words.host or next((value for name, value in headers if name.lower() == "host"), "")
    others = tuple((name, value) for name, value in headers if name.lower() != "host")
    return HttpRequest((words.method or "GET").upper(), words.path or "/", host, others)


def request_words(http: HttpRequest | None) -> list[str]:
    """The words on a command line that describe a request; none for None."""
    if http is None:
        return []
    words = ["--method", http.method, "--path", http.path, *(["--host", http.host] if http.host else [])]
    return [*words, *(word for name, value in http.headers for word in ("--header", f"{name}: {value}"))]


def _header(text: str) -> tuple[str, str]:
    from meshtui.model.errors import UsageError

    name, colon, content = text.partition(":")
    if not colon or not _HEADER_NAME.fullmatch(name):
        raise UsageError(f"--header {text!r} is not NAME:VALUE", "write it as --header 'x-tenant: blue'")
    return name, content.strip()
