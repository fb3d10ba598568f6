"""The words by which a command names one flow, and the flow that they stand for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import click

from meshtui.cli.command import choice, value
from meshtui.cli.complete import destinations, sources

if TYPE_CHECKING:
    from meshtui.model.flow import Flow

FLOW_PARAMS = (
    click.Argument(["source"], metavar="FROM", help="NS/POD, NS/KIND/NAME, an address, or external", shell_complete=sources),
    click.Argument(["destination"], metavar="TO:PORT", help="the same, or NS/svc/NAME:PORT", shell_complete=destinations),
    choice("--protocol", ["TCP", "UDP", "SCTP"], "TCP", "TCP, UDP or SCTP"),
    value("--method", "METHOD", "the HTTP method of the request"),
    value("--path", "PATH", "the HTTP path of the request"),
)


class FlowWords(Protocol):
    """What a command got for ``FLOW_PARAMS``."""

    @property
    def source(self) -> str:
        """From whom."""

    @property
    def destination(self) -> str:
        """To whom, and on which port."""

    @property
    def protocol(self) -> str:
        """TCP, UDP or SCTP."""

    @property
    def method(self) -> str | None:
        """The HTTP method, if one was given."""

    @property
    def path(self) -> str | None:
        """The HTTP path, if one was given."""


def flow_of(words: FlowWords) -> Flow:
    """The flow that the words name; a method or a path makes it a request. Raises UsageError."""
    from meshtui.engine.path.references import parse_flow
    from meshtui.model.flow import HttpRequest

    asked = words.method or words.path
    http = HttpRequest((words.method or "GET").upper(), words.path or "/") if asked else None
    return parse_flow(words.source, words.destination, protocol=words.protocol, http=http)
