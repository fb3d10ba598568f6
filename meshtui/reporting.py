"""Reports of unexpected errors: one line for the user, and a report file without secrets.

The file contains the error with its traceback, the arguments of the command line and the versions of the software. The
environment, the kubeconfig and answers of the cluster aren't included; the rest is redacted.
"""

from __future__ import annotations

import os
import platform
import re
import sys
import tempfile
import traceback
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from meshtui import __version__
from meshtui.model.redact import HIDDEN, redact

_MOST = 100_000
"""The maximum number of characters of a traceback: an infinite recursion must not fill a disk."""
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{40,}={0,2}")
"""Keys, certificates and tokens as in kubeconfigs and Secrets."""
_CERTIFICATE = re.compile(r"-----BEGIN [A-Z ]+-----.*?(?:-----END [A-Z ]+-----|\Z)", re.DOTALL)
_SECRET_FLAG = re.compile(r"(--?[\w-]*(?:token|password|secret|key)[\w-]*[= ])\S+", re.IGNORECASE)


def report_unexpected(error: BaseException, argv: Sequence[str]) -> str:
    """Write the report of an error. Returns one line with the error and the report's path. Errors of its own aren't raised."""
    what = " ".join(without_secrets(f"{type(error).__name__}: {error}").split())[:300]
    try:
        file = _written(_report(error, argv))
    except OSError as problem:
        return f"this is a fault in meshtui: {what} (no report could be written: {problem.strerror or problem}; tell {where()})"
    return f"this is a fault in meshtui: {what} (send {file} to {where()}: it holds no secrets, but read it first)"


def where() -> str:
    """The address for reports, from the package's metadata."""
    from importlib.metadata import PackageNotFoundError, metadata

    try:
        urls = metadata("kubectl-meshtui").get_all("Project-URL") or []
    except PackageNotFoundError:
        urls = []
    named: dict[str, str] = dict(url.split(", ", 1) for url in urls)
    return named.get("Issues", "whoever maintains meshtui for you")


def without_secrets(text: str) -> str:
    """The text without tokens, passwords, certificates and private keys."""
    text = _CERTIFICATE.sub(HIDDEN, text)
    text = _SECRET_FLAG.sub(rf"\1{HIDDEN}", redact(text))
    return _BASE64.sub(_if_random, text)


def _if_random(found: re.Match[str]) -> str:
    """Hide a long word if it has digits, lower-case and upper-case letters, as secrets do; paths and names rarely have all."""
    word = found[0]
    mixed = any(c.isdigit() for c in word) and any(c.islower() for c in word) and any(c.isupper() for c in word)
    return HIDDEN if mixed else word


def _report(error: BaseException, argv: Sequence[str]) -> str:
    lines = "".join(traceback.format_exception(error))
    if len(lines) > _MOST:
        lines = f"{lines[: _MOST // 2]}\n…\n{lines[-_MOST // 2 :]}"
    words = " ".join(repr(word) if not word.isprintable() or " " in word else word for word in argv)
    head = [
        f"meshtui {__version__}, Python {platform.python_version()}, {platform.platform()}",
        f"at {datetime.now(UTC).isoformat(timespec='seconds')}",
        f"command: meshtui {words}",
    ]
    return without_secrets("\n".join([*head, "", lines]))


def _folder() -> Path:
    """The folder for reports, accessible only to the user. Raises OSError."""
    from platformdirs import user_state_path

    folder = user_state_path("meshtui") / "reports"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _written(text: str) -> Path:
    """Write a new file with mode 0600; in the temporary folder if the user's own isn't writable. Raises OSError."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    for place in (_folder, lambda: Path(tempfile.gettempdir())):
        try:
            handle, name = tempfile.mkstemp(prefix=f"report-{stamp}-", suffix=".txt", dir=place())
        except OSError:
            if place is not _folder:
                raise
            continue
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
        return Path(name)
    raise OSError(f"no folder to write into on {sys.platform}")
