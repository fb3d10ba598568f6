"""Secrets out of everything that is shown or written: passwords, tokens, credentials in addresses."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

REDACTED = "[redacted]"

_NAMES = re.compile(r"(?i)\A(.*[_-])?(password|secret|token|authorization|cookie|assertion|credential)s?\Z")
_JWT = re.compile(r"\beyJ[\w-]+\.[\w-]*(\.[\w-]*)?")
_BEARER = re.compile(r"(?i)\b(bearer|basic) +[\w.~+/=-]{8,}")
_USERINFO = re.compile(r"//[^/@\s]*@")
_SHOWN_ITEMS = 5
_SHOWN_TEXT = 2000


def redact(value: Any, secrets: Collection[str] = ()) -> Any:
    """A copy of JSON-like data without secrets: by the name of a field, by value, and by the look of a token."""
    if isinstance(value, dict):
        return {str(key): _field(str(key), item, secrets) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [redact(item, secrets) for item in value]
    return redact_text(value, secrets) if isinstance(value, str) else value


def _field(name: str, value: Any, secrets: Collection[str]) -> Any:
    return REDACTED if _NAMES.match(name) and isinstance(value, str) and value else redact(value, secrets)


def redact_text(text: str, secrets: Collection[str] = ()) -> str:
    """A text without secrets."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, REDACTED)
    text = _BEARER.sub(lambda found: f"{found[1]} {REDACTED}", text)
    return _JWT.sub(REDACTED, _USERINFO.sub("//", text))


def shortened(value: Any) -> Any:
    """A long list or text cut to what a person looks at, saying that it was cut."""
    if isinstance(value, list) and len(value) > _SHOWN_ITEMS:
        return [*value[:_SHOWN_ITEMS], f"… {len(value) - _SHOWN_ITEMS} more"]
    if isinstance(value, str) and len(value) > _SHOWN_TEXT:
        return f"{value[:_SHOWN_TEXT]}… {len(value) - _SHOWN_TEXT} characters more"
    return value
