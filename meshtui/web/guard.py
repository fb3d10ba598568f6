"""Who may ask: whoever has the address with its token, from a page of this server, under the address that it printed.

Every request passes ``Guard.refusal`` first. The token is in the printed address; the first page exchanges it for a cookie that
scripts can't read and other sites can't send. The Host header has to be the printed address, so that a name that somebody points
at 127.0.0.1 (DNS rebinding) leads to nothing; a WebSocket's Origin has to be it too, since browsers let every page open one.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

ADDRESS = "127.0.0.1"
"""The only address that is bound."""


@dataclass(frozen=True, slots=True)
class Guard:
    """The rules for one server. The cookie's name has the port, since browsers share cookies between ports."""

    port: int
    token: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)

    @property
    def host(self) -> str:
        """The only Host header that is answered."""
        return f"{ADDRESS}:{self.port}"

    @property
    def origin(self) -> str:
        """The only origin whose pages may open the WebSocket."""
        return f"http://{self.host}"

    @property
    def url(self) -> str:
        """The address to open. Whoever knows it may do what the program in it may do."""
        return f"{self.origin}/?token={self.token}"

    @property
    def cookie(self) -> str:
        """The name of the cookie."""
        return f"meshtui-{self.port}"

    def knows(self, token: str) -> bool:
        """Whether a token is the right one; how long this takes doesn't say how much of it is right."""
        return hmac.compare_digest(token.encode("utf-8", "surrogateescape"), self.token.encode())

    def refusal(self, hosts: Sequence[str], tokens: Sequence[str], cookie: str, origins: Sequence[str] | None) -> str:
        """Why a request is refused; empty if it isn't.

        ``hosts`` and ``origins`` are all values of these headers, ``tokens`` those of the query. ``origins`` is None for a
        request that needs none; one that comes from another origin is refused all the same.
        """
        if list(hosts) != [self.host]:
            return f"the Host header has to be {self.host}"
        if origins is not None and list(origins) != [self.origin]:
            return f"the Origin header has to be {self.origin}"
        if not (len(tokens) == 1 and self.knows(tokens[0])) and not self.knows(cookie):
            return "open the address that meshtui serve printed, with its token"
        return ""
