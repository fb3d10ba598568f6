"""The reason why a source ended, as an error that can be shown."""

from __future__ import annotations

from meshtui.model.errors import MeshtuiError, SourceEndedError
from meshtui.model.redact import redact

_SAID = 300


def why_ended(error: BaseException) -> MeshtuiError:
    """The error, or the first error of a group; an unexpected one is wrapped with its type, without secrets."""
    while isinstance(error, BaseExceptionGroup):
        known = [e for e in error.exceptions if isinstance(e, MeshtuiError | BaseExceptionGroup)]
        error = (known or error.exceptions)[0]
    if isinstance(error, MeshtuiError):
        return error
    said = redact(" ".join(str(error).split()))[:_SAID]
    return SourceEndedError(f"an error in meshtui: {type(error).__name__}{': ' if said else ''}{said}")
