"""A fresh PostgreSQL data folder: initdb once a machine, then copies of that template.

PostgreSQL refuses to run as root, so everything here can be done for another user.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

_MANIFEST = "template.json"


@dataclass(frozen=True, slots=True)
class Owner:
    """The ordinary user that PostgreSQL runs as when we are root."""

    uid: int
    gid: int


def ordinary_user() -> Owner | None:
    """Who PostgreSQL must run as: nobody, when we are root; else we ourselves (None)."""
    if os.geteuid() != 0:
        return None
    import pwd

    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        return Owner(65534, 65534)
    return Owner(entry.pw_uid, entry.pw_gid)


def fresh(binaries: Path, target: Path, owner: Owner | None, cache: Path | None) -> None:
    """Make ``target`` an initialised data folder, from the cached template where that is whole, else by initdb."""
    template = cache / "data" if cache else None
    if cache and template and _is_whole(cache):
        try:
            shutil.copytree(template, target, dirs_exist_ok=True)
        except OSError:
            shutil.rmtree(target, ignore_errors=True)
            target.mkdir(mode=0o700)
        else:
            own(target, owner)
            return
    own(target, owner)
    initialise(binaries, target, owner)
    if cache:
        _keep(target, cache)


def initialise(binaries: Path, target: Path, owner: Owner | None) -> None:
    """Run initdb; raises CalledProcessError with its words."""
    command = [
        str(binaries / "initdb"), "--pgdata", str(target), "--username", "postgres", "--auth", "trust", "--encoding", "UTF8",
        "--locale", "C", "--wal-segsize", "1", "--no-data-checksums", "--no-sync", "--no-instructions",
    ]  # fmt: skip
    environment = {"PATH": os.environ.get("PATH", os.defpath), "TZ": "UTC", "LC_ALL": "C"}
    if owner is None:
        subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    else:
        subprocess.run(
            command, check=True, capture_output=True, text=True, env=environment, cwd=target,
            user=owner.uid, group=owner.gid, extra_groups=[],
        )  # fmt: skip


def own(folder: Path, owner: Owner | None) -> None:
    """Hand a folder, with all in it, to the user that PostgreSQL runs as; only that user may look inside."""
    folder.chmod(0o700)
    if owner is None:
        return
    for parent, _, names in os.walk(folder):
        os.chown(parent, owner.uid, owner.gid)
        for name in names:
            os.chown(Path(parent, name), owner.uid, owner.gid, follow_symlinks=False)


def forget(cache: Path) -> None:
    """Throw a template away that made a database that doesn't start."""
    shutil.rmtree(cache, ignore_errors=True)


def _listing(data: Path) -> dict[str, int]:
    return {str(path.relative_to(data)): path.stat().st_size for path in data.rglob("*") if path.is_file()}


def _is_whole(cache: Path) -> bool:
    """Is every file of the template there, with its size? A half-written or damaged one is made anew."""
    try:
        wanted = json.loads((cache / _MANIFEST).read_text("utf-8"))
        return bool(wanted) and wanted == _listing(cache / "data")
    except (OSError, ValueError):
        return False


def _keep(data: Path, cache: Path) -> None:
    """Copy a fresh data folder to the cache; a full disk or a race with another start only costs the template."""
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        building = Path(tempfile.mkdtemp(prefix=f"{cache.name}.", dir=cache.parent))
    except OSError:
        return
    try:
        shutil.copytree(data, building / "data")
        (building / _MANIFEST).write_text(json.dumps(_listing(building / "data")), "utf-8")
        forget(cache)
        building.rename(cache)
    except OSError:
        pass
    finally:
        shutil.rmtree(building, ignore_errors=True)
