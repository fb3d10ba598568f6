"""What happens with an error that nobody expected: one line for the person, and a report file without secrets.

The file holds the error with its traceback, the words of the command line and the versions of what ran. The environment, the
kubeconfig and what the cluster answered are left out; what is left is redacted.
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
from meshtui.sources.redact import HIDDEN, redact

_MOST = 100_000
"""Characters of a traceback that are kept: an error of endless depth must not fill a disk."""
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{40,}={0,2}")
"""Keys, certificates and tokens as kubeconfigs and Secrets hold them."""
_CERTIFICATE = re.compile(r"-----BEGIN [A-Z ]+-----.*?(?:-----END [A-Z ]+-----|\Z)", re.DOTALL)
_SECRET_FLAG = re.compile(r"(--?[\w-]*(?:token|password|secret|key)[\w-]*[= ])\S+", re.IGNORECASE)


def report_unexpected(error: BaseException, argv: Sequence[str]) -> str:
    """Write the report of an error; one line that says what it was and where the report is. It never raises for itself."""
    what = " ".join(without_secrets(f"{type(error).__name__}: {error}").split())[:300]
    try:
        file = _written(_report(error, argv))
    except OSError as problem:
        return f"this is a fault in meshtui: {what} (no report could be written: {problem.strerror or problem}; tell {where()})"
    return f"this is a fault in meshtui: {what} (send {file} to {where()}: it holds no secrets, but read it first)"


def where() -> str:
    """Where reports go: what the package's own metadata says."""
    from importlib.metadata import PackageNotFoundError, metadata

    try:
        urls = metadata("kubectl-meshtui").get_all("Project-URL") or []
    except PackageNotFoundError:
        urls = []
    named: dict[str, str] = dict(url.split(", ", 1) for url in urls)
    return named.get("Issues", "whoever maintains meshtui for you")


def without_secrets(text: str) -> str:
    """The same text without tokens, passwords, certificates and private keys."""
    text = _CERTIFICATE.sub(HIDDEN, text)
    text = _SECRET_FLAG.sub(rf"\1{HIDDEN}", redact(text))
    return _BASE64.sub(_if_random, text)


def _if_random(found: re.Match[str]) -> str:
    """A long word is taken for a secret where it has digits, small and big letters: a path or a name hasn't all of them."""
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
    """The folder for reports, the user's alone. Raises OSError."""
    from platformdirs import user_state_path

    folder = user_state_path("meshtui") / "reports"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _written(text: str) -> Path:
    """A new file with mode 0600; in the temporary folder where the user's own can't be written. Raises OSError."""
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
