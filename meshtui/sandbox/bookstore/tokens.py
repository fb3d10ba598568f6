"""Bearer tokens, which the service verifies with the issuer's public keys."""

from __future__ import annotations

import threading
import time
from typing import Any

import httpx
import jwt

from meshtui.sandbox.podnet import PodNetwork

_REFETCH_S = 2.0


class InvalidTokenError(Exception):
    """There is no token, or it is invalid: 401."""


class IssuerUnavailableError(Exception):
    """The issuer's keys can't be fetched: 503."""


class TokenChecker:
    """Verifies RS256 tokens of one issuer and audience. It fetches the keys when a token has an unknown key id."""

    def __init__(self, network: PodNetwork, issuer: str, jwks_url: str, audience: str) -> None:
        self._network = network
        self._issuer = issuer
        self._jwks_url = jwks_url
        self._audience = audience
        self._keys: dict[str, Any] = {}
        self._fetched_at = float("-inf")
        self._lock = threading.Lock()

    def claims(self, authorization: str | None) -> dict[str, Any]:
        """The claims of an Authorization header; raises InvalidTokenError, IssuerUnavailableError."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise InvalidTokenError("no bearer token")
        try:
            kid = jwt.get_unverified_header(token).get("kid", "")
            key = self._key(kid)
            claims: dict[str, Any] = jwt.decode(
                token, key, algorithms=["RS256"], issuer=self._issuer, audience=self._audience, leeway=5
            )
        except jwt.PyJWTError as error:
            raise InvalidTokenError(str(error)) from error
        return claims

    def _key(self, kid: str) -> Any:
        with self._lock:
            # Keys are fetched again for an unknown key id, but not for every forged token.
            if kid not in self._keys and time.monotonic() - self._fetched_at > _REFETCH_S:
                self._keys = self._fetch()
                self._fetched_at = time.monotonic()
            if kid not in self._keys:
                raise InvalidTokenError("signed with an unknown key")
            return self._keys[kid]

    def _fetch(self) -> dict[str, Any]:
        try:
            with self._network.client() as client:
                response = client.get(self._jwks_url).raise_for_status()
            keys = jwt.PyJWKSet.from_dict(response.json())
        except (httpx.HTTPError, ValueError, jwt.PyJWTError) as error:
            raise IssuerUnavailableError(f"{self._jwks_url}: {error or type(error).__name__}") from error
        return {key.key_id: key.key for key in keys.keys if key.key_id}
