"""Reviews of a client's own access and identity, and ServiceAccount tokens."""

from __future__ import annotations

import secrets
import time
from datetime import UTC, datetime
from typing import Any

import jwt

from meshtui.sandbox.apiserver.auth import User
from meshtui.sandbox.apiserver.errors import ApiError
from meshtui.sandbox.apiserver.rbac import Access, Authorizer
from meshtui.sandbox.apiserver.store import Store, now
from meshtui.sandbox.ports import Obj

_SIGNING_KEY = secrets.token_hex(32)

REVIEWS = {
    ("authorization.k8s.io", "selfsubjectaccessreviews"): "SelfSubjectAccessReview",
    ("authorization.k8s.io", "selfsubjectrulesreviews"): "SelfSubjectRulesReview",
    ("authentication.k8s.io", "selfsubjectreviews"): "SelfSubjectReview",
}
"""(group, plural) → kind. They are answered, and never stored."""


def access_review(body: Obj, user: User, authorizer: Authorizer) -> Obj:
    """SelfSubjectAccessReview: one access, yes or no."""
    spec: dict[str, Any] = body.get("spec") or {}
    wanted = spec.get("resourceAttributes")
    if wanted is not None:
        resource = wanted.get("resource", "")
        if wanted.get("subresource"):
            resource += f"/{wanted['subresource']}"
        access = Access(
            wanted.get("verb", ""),
            wanted.get("group", ""),
            resource,
            wanted.get("namespace", ""),
            wanted.get("name", ""),
        )
    else:
        other = spec.get("nonResourceAttributes")
        if other is None:
            raise ApiError(422, "spec: exactly one of resourceAttributes or nonResourceAttributes must be specified")
        access = Access(other.get("verb", ""), path=other.get("path", "/"))
    status: dict[str, Any] = {"allowed": authorizer.allows(user, access)}
    if not status["allowed"]:
        status["reason"] = ""
    return body | {"status": status}


def rules_review(body: Obj, user: User, authorizer: Authorizer) -> Obj:
    """SelfSubjectRulesReview: everything that is allowed in a namespace."""
    namespace = (body.get("spec") or {}).get("namespace", "")
    if user.is_admin:
        rules = [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]
    else:
        rules = list(authorizer.rules(user, namespace))
    own = {"verbs": ["create"], "apiGroups": ["authorization.k8s.io"], "resources": ["selfsubjectaccessreviews"]}
    paths = [{"verbs": ["get"], "nonResourceURLs": ["/api", "/api/*", "/apis", "/apis/*", "/healthz", "/version"]}]
    return body | {"status": {"resourceRules": [*rules, own], "nonResourceRules": paths, "incomplete": False}}


def self_review(body: Obj, user: User) -> Obj:
    """SelfSubjectReview: the caller as the server sees them."""
    info = {"username": user.name, "groups": list(user.groups)}
    return body | {"metadata": {"creationTimestamp": now()}, "status": {"userInfo": info}}


def token_request(body: Obj, namespace: str, name: str, store: Store, tokens: dict[str, User]) -> Obj:
    """TokenRequest: a signed token for a ServiceAccount, which the API server accepts."""
    account = store.require("serviceaccounts", namespace, name)
    spec: dict[str, Any] = {"expirationSeconds": 3600} | (body.get("spec") or {})
    issued = int(time.time())
    expires = issued + int(spec["expirationSeconds"])
    subject = f"system:serviceaccount:{namespace}:{name}"
    claims = {
        "iss": "https://kubernetes.default.svc.cluster.local",
        "sub": subject,
        "aud": spec.get("audiences") or ["https://kubernetes.default.svc.cluster.local"],
        "iat": issued,
        "nbf": issued,
        "exp": expires,
        "jti": secrets.token_hex(8),
        "kubernetes.io": {"namespace": namespace, "serviceaccount": {"name": name, "uid": account["metadata"]["uid"]}},
    }
    token = jwt.encode(claims, _SIGNING_KEY, algorithm="HS256")
    tokens[token] = User(subject, ("system:serviceaccounts", f"system:serviceaccounts:{namespace}"))
    expiry = datetime.fromtimestamp(expires, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return body | {
        "kind": "TokenRequest",
        "apiVersion": "authentication.k8s.io/v1",
        "metadata": {"name": name, "namespace": namespace, "creationTimestamp": now()},
        "spec": spec,
        "status": {"token": token, "expirationTimestamp": expiry},
    }
