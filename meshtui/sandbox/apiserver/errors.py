"""The API server's errors, with Kubernetes' messages (metav1.Status)."""

from __future__ import annotations

from typing import Any

from meshtui.sandbox.apiserver.kinds import Kind

_REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    406: "NotAcceptable",
    409: "Conflict",
    410: "Expired",
    415: "UnsupportedMediaType",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
}


class ApiError(Exception):
    """A request that ends in a Status. ``code`` is the HTTP status."""

    def __init__(self, code: int, message: str, *, reason: str | None = None, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason or _REASONS.get(code, "Unknown")
        self.message = message
        self.details = details

    def status(self) -> dict[str, Any]:
        """The metav1.Status object that the client gets."""
        body: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
        }
        if self.details:
            body["details"] = self.details
        body["code"] = self.code
        return body


def _details(kind: Kind, name: str) -> dict[str, Any]:
    details = {"name": name, "group": kind.group, "kind": kind.plural}
    return {key: value for key, value in details.items() if value}


def not_found(kind: Kind, name: str) -> ApiError:
    """No object has this name."""
    return ApiError(404, f'{kind.qualified} "{name}" not found', details=_details(kind, name))


def already_exists(kind: Kind, name: str) -> ApiError:
    """An object of this name exists already."""
    message = f'{kind.qualified} "{name}" already exists'
    return ApiError(409, message, reason="AlreadyExists", details=_details(kind, name))


def conflict(kind: Kind, name: str, why: str = "") -> ApiError:
    """The object has changed since the client read it."""
    why = why or "the object has been modified; please apply your changes to the latest version and try again"
    return ApiError(409, f'Operation cannot be fulfilled on {kind.qualified} "{name}": {why}', details=_details(kind, name))


def invalid(kind: Kind, name: str, *causes: tuple[str, str]) -> ApiError:
    """The object is invalid; ``causes`` are pairs of field and message."""
    text = ", ".join(f"{field}: {message}" for field, message in causes)
    if len(causes) > 1:
        text = f"[{text}]"
    details = _details(kind, name) | {"kind": kind.kind}
    details["causes"] = [{"reason": "FieldValueInvalid", "message": message, "field": field} for field, message in causes]
    where = f"{kind.kind}.{kind.group}" if kind.group else kind.kind
    return ApiError(422, f'{where} "{name}" is invalid: {text}', details=details)


def no_such_page() -> ApiError:
    """Nothing is served at this path."""
    return ApiError(
        404,
        "the server could not find the requested resource",
        details={"causes": [{"reason": "UnexpectedServerResponse", "message": "404 page not found"}]},
    )


def expired(message: str = "too old resource version") -> ApiError:
    """The requested history has expired."""
    return ApiError(410, message)
