"""Authentication by client certificate or bearer token, and impersonation."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from meshtui.sandbox.apiserver.errors import ApiError

MASTERS = "system:masters"
AUTHENTICATED = "system:authenticated"


@dataclass(frozen=True, slots=True)
class User:
    """An authenticated caller."""

    name: str
    groups: tuple[str, ...] = ()
    extra: dict[str, list[str]] = field(default_factory=dict)

    @property
    def is_admin(self) -> bool:
        """Members of system:masters may do everything."""
        return MASTERS in self.groups


class ClientCertificateProtocol(H11Protocol):
    """uvicorn's HTTP protocol that hands the verified client certificate's subject to the application."""

    def connection_made(self, transport: Any) -> None:
        """Read the certificate once per connection."""
        super().connection_made(transport)
        self.app = _with_subject(self.app, transport)


class ClientCertificateWebSocket(WebSocketsSansIOProtocol):
    """The same for upgraded connections."""

    def connection_made(self, transport: Any) -> None:
        """Read the certificate once per connection."""
        super().connection_made(transport)
        self.app = _with_subject(self.app, transport)


def _with_subject(inner: Any, transport: Any) -> Any:
    tls: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
    subject = _subject(tls.getpeercert() if tls else None)

    async def with_subject(scope: Any, receive: Any, send: Any) -> None:
        scope.setdefault("extensions", {})["meshtui.client"] = subject
        await inner(scope, receive, send)

    return with_subject


def _subject(certificate: Any) -> User | None:
    """The user of a certificate: CN is the name, every O a group."""
    if not certificate:
        return None
    pairs = [pair for part in certificate.get("subject", ()) for pair in part]
    name = next((value for key, value in pairs if key == "commonName"), "")
    return User(name, tuple(value for key, value in pairs if key == "organizationName")) if name else None


class Authenticator:
    """Authenticates requests. ``tokens`` maps bearer tokens to users, and may be changed while the server runs."""

    def __init__(self, tokens: dict[str, User]) -> None:
        self.tokens = tokens

    def identify(self, request: Request) -> User:
        """The user of a request. Raises ``ApiError``: 401 without credentials, 403 if impersonation isn't allowed."""
        user = self._real(request)
        wanted = request.headers.get("impersonate-user")
        if not wanted:
            return user
        if not user.is_admin:
            raise ApiError(
                403,
                f'users "{wanted}" is forbidden: User "{user.name}" cannot impersonate resource "users" in API group "" '
                "at the cluster scope",
            )
        groups = tuple(request.headers.getlist("impersonate-group"))
        return User(wanted, _with_authenticated(_groups_of(wanted) + groups))

    def _real(self, request: Request) -> User:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            user = self.tokens.get(token.strip())
        else:
            user = request.scope.get("extensions", {}).get("meshtui.client")
        if user is None:
            raise ApiError(401, "Unauthorized")
        return User(user.name, _with_authenticated(user.groups), user.extra)


def _groups_of(name: str) -> tuple[str, ...]:
    """The groups of a ServiceAccount, from its name."""
    parts = name.split(":")
    if len(parts) == 4 and name.startswith("system:serviceaccount:"):
        return ("system:serviceaccounts", f"system:serviceaccounts:{parts[2]}")
    return ()


def _with_authenticated(groups: tuple[str, ...]) -> tuple[str, ...]:
    return groups if AUTHENTICATED in groups else (*groups, AUTHENTICATED)
