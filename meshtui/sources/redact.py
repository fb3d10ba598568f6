"""Takes secrets out of text that is logged or shown: whatever a server, a plugin or a URL says of itself."""

from __future__ import annotations

import re

HIDDEN = "[redacted]"
_JWT = re.compile(r"\beyJ[\w-]{5,}\.[\w-]{5,}(?:\.[\w-]*)?")
"""A JSON Web Token: base64url of a header that begins with {" (RFC 7519, section 3)."""
_SCHEME = re.compile(r"\b(bearer|basic|negotiate)\s+[\w.~+/=-]{8,}", re.IGNORECASE)
"""Credentials of an Authorization header (RFC 7235)."""
_NAMED = re.compile(
    r"""((?:access|id|refresh|session|bearer)?[_-]?token|password|passwd|client[_-]?secret|secret[_-]?access[_-]?key|api[_-]?key)"""
    r"""(["']?\s*[=:]\s*["']?)([^\s"',;&}]{4,})""",
    re.IGNORECASE,
)
_USER_OF_URL = re.compile(r"(?<=://)[^/\s@]+@")
_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)


def redact(text: str) -> str:
    """The same text without tokens, passwords, private keys and the credentials of URLs."""
    text = _PRIVATE_KEY.sub(HIDDEN, text)
    text = _JWT.sub(HIDDEN, text)
    text = _SCHEME.sub(rf"\1 {HIDDEN}", text)
    text = _NAMED.sub(rf"\1\2{HIDDEN}", text)
    return _USER_OF_URL.sub(f"{HIDDEN}@", text)
