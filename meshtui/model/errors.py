"""The one tree of errors: each says what happened and what the person can do about it."""

from __future__ import annotations


class MeshtuiError(Exception):
    """Something that stops a command. ``hint`` is the way out; ``exit_code`` is the command line's (contracts)."""

    exit_code = 2

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        """Message and way out, in one line."""
        return f"{self.message} ({self.hint})" if self.hint else self.message


class UsageError(MeshtuiError):
    """The words of a command are off."""


class NotReadableError(UsageError):
    """An object that was named can't be found, because objects of its kind may not be listed: it may well be there."""

    exit_code = 3


class ManifestError(MeshtuiError):
    """A manifest can't be read: which file, which line, why."""


class ConfigError(MeshtuiError):
    """Settings or kubeconfig can't be used."""


class ClusterError(MeshtuiError):
    """The cluster can't be reached, or says no."""

    exit_code = 3


class ForbiddenError(ClusterError):
    """The cluster says no to one verb on one kind."""

    def __init__(self, verb: str, resource: str, message: str) -> None:
        super().__init__(message, f"ask for the verb {verb} on {resource}")
        self.verb = verb
        self.resource = resource


class SessionExpiredError(ClusterError):
    """The credentials are no longer accepted (401)."""


class NotFoundError(ClusterError):
    """An object that was named is not there."""

    exit_code = 2


class ReadOnlyError(MeshtuiError):
    """A write was asked for in read-only mode, or without a confirmation."""


class SourceEndedError(ClusterError):
    """What reads the cluster ended, and nobody foresaw why."""
