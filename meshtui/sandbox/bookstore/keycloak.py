"""keycloak: a small OpenID Connect issuer for the realm bookstore, with real RS256 keys and its users in a database."""

from __future__ import annotations

import hashlib
import hmac
import os
import time
import uuid
from typing import Any
from urllib.parse import parse_qs

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from psycopg import Connection
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from meshtui.sandbox.bookstore.database import Database, DatabaseUnavailableError
from meshtui.sandbox.bookstore.migrate import changesets
from meshtui.sandbox.bookstore.web import App, Instrumented
from meshtui.sandbox.podnet import PodNetwork, serve

PORT = 8080
REALM = "/realms/bookstore"
_DATABASE_URL = "postgresql://keycloak@keycloak-db.identity:5432/keycloak"
_ISSUER = f"http://api.service.net:30000{REALM}"
_AUDIENCE = "bookstore"
_LIFETIME_S = 300
_CLIENTS = {"bookstore-service": "bookstore-service-secret"}
"""Clients that may request a token of their own, with their secrets, which are public: this is a demo."""


class Realm:
    """The signing key and the tokens that it signs. The key is stored in the database, so that replicas share it."""

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    @property
    def kid(self) -> str:
        """The key's id: a digest of its public half."""
        public = self._key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        return hashlib.sha256(public).hexdigest()[:16]

    def adopt(self, connection: Connection[Any]) -> None:
        """Use the database's key, or store ours if it has none (after a restart it is empty)."""
        pem = self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()
        with connection.transaction():
            connection.execute("lock table realm_keys")
            row = connection.execute("select private_pem from realm_keys order by created_at limit 1").fetchone()
            if row is None:
                connection.execute("insert into realm_keys (kid, private_pem) values (%s, %s)", (self.kid, pem))
                return
        key = serialization.load_pem_private_key(row[0].encode(), password=None)
        if isinstance(key, rsa.RSAPrivateKey):
            self._key = key

    def jwks(self) -> dict[str, Any]:
        """The public key, as clients fetch it."""
        key = jwt.algorithms.RSAAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        return {"keys": [{**key, "kid": self.kid, "use": "sig", "alg": "RS256"}]}

    def token(self, subject: str, username: str, client: str) -> dict[str, Any]:
        """An access token and what comes with it (RFC 6749, 5.1)."""
        now = int(time.time())
        claims = {
            "iss": self.issuer, "sub": subject, "aud": [_AUDIENCE, "account"], "azp": client, "typ": "Bearer",
            "preferred_username": username, "realm_access": {"roles": ["customer"]}, "scope": "openid profile",
            "iat": now, "exp": now + _LIFETIME_S, "jti": str(uuid.uuid4()),
        }  # fmt: skip
        token = jwt.encode(claims, self._key, algorithm="RS256", headers={"kid": self.kid})
        return {"access_token": token, "token_type": "Bearer", "expires_in": _LIFETIME_S, "scope": claims["scope"]}

    def discovery(self) -> dict[str, Any]:
        """The issuer's own description (OpenID Connect Discovery 1.0, 3)."""
        base = f"{self.issuer}/protocol/openid-connect"
        return {
            "issuer": self.issuer,
            "token_endpoint": f"{base}/token",
            "jwks_uri": f"{base}/certs",
            "authorization_endpoint": f"{base}/auth",
            "grant_types_supported": ["password", "client_credentials"],
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }


def _user(database: Database, username: str, password: str) -> str | None:
    """The id of the user with a name and password."""
    with database.transaction() as connection:
        query = "select id, salt, password_hash from users where username = %s"
        row = connection.execute(query, (username,)).fetchone()
    if row is None:
        return None
    given = hashlib.sha256((row[1] + password).encode()).hexdigest()
    return str(row[0]) if hmac.compare_digest(given, row[2]) else None


def _grant(realm: Realm, database: Database, form: dict[str, str]) -> JSONResponse:
    """Answer the token endpoint (RFC 6749, 4.3 and 4.4)."""
    client = form.get("client_id", "")
    if form.get("grant_type") == "password":
        username = form.get("username", "")
        subject = _user(database, username, form.get("password", ""))
        if subject is None:
            words = "Invalid user credentials"
            return JSONResponse({"error": "invalid_grant", "error_description": words}, status_code=401)
        return JSONResponse(realm.token(subject, username, client or "bookstore-web"))
    if form.get("grant_type") == "client_credentials":
        secret = _CLIENTS.get(client)
        if secret is None or not hmac.compare_digest(secret.encode(), form.get("client_secret", "").encode()):
            return JSONResponse({"error": "unauthorized_client"}, status_code=401)
        return JSONResponse(realm.token(client, f"service-account-{client}", client))
    return JSONResponse({"error": "unsupported_grant_type"}, status_code=400)


def create_app(realm: Realm, database: Database) -> App:
    """The issuer on a database."""

    async def token(request: Request) -> JSONResponse:
        body = (await request.body()).decode("utf-8", "replace")
        form = {name: values[-1] for name, values in parse_qs(body).items()}
        try:
            return await run_in_threadpool(_grant, realm, database, form)
        except DatabaseUnavailableError as error:
            return JSONResponse({"error": "temporarily_unavailable", "error_description": str(error)}, status_code=503)

    async def certs(_: Request) -> JSONResponse:
        return JSONResponse(realm.jwks())

    async def discovery(_: Request) -> JSONResponse:
        return JSONResponse(realm.discovery())

    async def health(_: Request) -> JSONResponse:
        ready = database.ready
        return JSONResponse({"status": "UP" if ready else "DOWN"}, status_code=200 if ready else 503)

    openid = f"{REALM}/protocol/openid-connect"
    routes = [
        Route("/health", health),
        Route(f"{REALM}/.well-known/openid-configuration", discovery),
        Route(f"{openid}/certs", certs),
        Route(f"{openid}/token", token, methods=["POST"]),
    ]
    return Instrumented(Starlette(routes=routes), "keycloak")


def main() -> None:
    """Run the container."""
    network = PodNetwork.of_this_process()
    realm = Realm(os.environ.get("OIDC_ISSUER", _ISSUER))
    database = Database(network, os.environ.get("DATABASE_URL", _DATABASE_URL), changesets("keycloak"))
    database.keep(realm.adopt)
    serve(create_app(realm, database), PORT, network)


if __name__ == "__main__":
    main()
