"""The errors of meshtui. Each has a message and, where there is one, a hint for the user."""

from __future__ import annotations


class MeshtuiError(Exception):
    """Stops a command: ``hint`` says how to proceed, ``exit_code`` is the process's (docs/contracts.md, Exit codes)."""

    exit_code = 2

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        """Message and hint in one line."""
        return f"{self.message} ({self.hint})" if self.hint else self.message


class UsageError(MeshtuiError):
    """The arguments of a command are invalid."""


class NotReadableError(UsageError):
    """A named object can't be looked up because objects of its kind may not be listed. It may exist."""

    exit_code = 3


class ManifestError(MeshtuiError):
    """A manifest can't be read; the message has file, line and reason."""


class ConfigError(MeshtuiError):
    """The settings or the kubeconfig can't be used."""


class ClusterError(MeshtuiError):
    """The cluster can't be reached, or refuses a request."""

    exit_code = 3


class ForbiddenError(ClusterError):
    """The cluster refuses one verb on one kind (403)."""

    def __init__(self, verb: str, resource: str, message: str) -> None:
        super().__init__(message, f"ask for the verb {verb} on {resource}")
        self.verb = verb
        self.resource = resource


class SessionExpiredError(ClusterError):
    """The credentials are no longer accepted (401)."""


class NotFoundError(ClusterError):
    """A named object doesn't exist."""

    exit_code = 2


class ReadOnlyError(MeshtuiError):
    """A write in read-only mode, or without a confirmation."""


class SourceEndedError(ClusterError):
    """The task that reads the cluster ended with an unexpected error."""
