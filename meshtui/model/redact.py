"""Removes secrets from text that is logged or shown, such as messages of servers and plugins, and URLs."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

HIDDEN = "[redacted]"
_JWT = re.compile(r"\beyJ[\w-]{5,}\.[\w-]*(?:\.[\w-]*)?")
"""A JSON Web Token: base64url of a header that begins with {" (RFC 7519, section 3)."""
_SCHEME = re.compile(r"\b(bearer|basic|negotiate)\s+[\w.~+/=-]{8,}", re.IGNORECASE)
"""Credentials of an Authorization header (RFC 7235)."""
_NAMED = re.compile(
    r"""((?:access|id|refresh|session|bearer)?[_-]?token|password|passwd|client[_-]?secret|secret[_-]?access[_-]?key|api[_-]?key)"""
    r"""(["']?\s*[=:]\s*["']?)([^\s"',;&}]{4,})""",
    re.IGNORECASE,
)
_USER_OF_URL = re.compile(r"(?<=//)[^/\s@]+@")
_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)
_SECRET_FIELDS = re.compile(
    r"(?i)\A(.*[_-])?(password|passwd|secret|token|authorization|cookie|assertion|credential|private[_-]?key|api[_-]?key)s?\Z"
)
"""Names of fields of JSON whose values aren't shown."""


def is_secret(name: str) -> bool:
    """Whether a field or variable of this name holds a secret."""
    return _SECRET_FIELDS.match(name) is not None


def redact(text: str, secrets: Collection[str] = ()) -> str:
    """The same text without tokens, passwords, private keys, the credentials of URLs, and the given ``secrets``."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, HIDDEN)
    text = _PRIVATE_KEY.sub(HIDDEN, text)
    text = _JWT.sub(HIDDEN, text)
    text = _SCHEME.sub(rf"\1 {HIDDEN}", text)
    text = _NAMED.sub(rf"\1\2{HIDDEN}", text)
    return _USER_OF_URL.sub(f"{HIDDEN}@", text)


def redact_data(value: Any, secrets: Collection[str] = ()) -> Any:
    """A copy of JSON-like data in which every text is redacted, and whole the values of fields whose names say secret."""
    if isinstance(value, dict):
        return {str(key): _field(str(key), item, secrets) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [redact_data(item, secrets) for item in value]
    return redact(value, secrets) if isinstance(value, str) else value


def _field(name: str, value: Any, secrets: Collection[str]) -> Any:
    return HIDDEN if is_secret(name) and isinstance(value, str) and value else redact_data(value, secrets)
