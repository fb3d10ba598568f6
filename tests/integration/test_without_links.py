"""A checkout without symbolic links (core.symlinks=false) builds the same wheel, and runs."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from meshtui import __version__

ROOT = Path(__file__).parent.parent.parent
LINKS = ("meshtui/screens", "meshtui/styles")
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")
LOOK = """
import meshtui.app, meshtui.screens.main, meshtui.styles
from pathlib import Path
folder = Path(meshtui.styles.__path__[0])
assert "#status" in (folder / "base.tcss").read_text()
assert sorted(folder.glob("*.tcss")) == [Path(path) for path in meshtui.app.MeshtuiApp.CSS_PATH]
print(meshtui.__file__, meshtui.screens.main.__file__, sep="\\n")
"""


def run(*words: str | Path, cwd: Path, path: str = "") -> str:
    """Run a command; its output. ``path`` is searched for modules before the environment of these tests."""
    env = {"PATH": os.environ["PATH"], "HOME": str(cwd), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": path}
    done = subprocess.run([*map(str, words)], cwd=cwd, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def clone(folder: Path, *words: str) -> Path:
    """A clone of HEAD."""
    subprocess.run(["git", "clone", "--quiet", *words, str(ROOT), str(folder)], check=True, timeout=120)
    return folder


def wheel_of(checkout: Path, folder: Path) -> Path:
    """The wheel that is built from a checkout."""
    run(*PIP, "wheel", "--no-deps", "--no-build-isolation", "-w", folder, checkout, cwd=folder.parent)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout in which the links are text files."""
    checkout = clone(tmp_path_factory.mktemp("plain") / "checkout", "-c", "core.symlinks=false")
    for link in LINKS:
        assert (checkout / link).is_file()
        assert not (checkout / link).is_symlink()
    return checkout


def test_it_builds_the_same_wheel(plain: Path, tmp_path: Path) -> None:
    linked = clone(tmp_path / "linked")
    assert all((linked / link).is_symlink() for link in LINKS)
    wheels = [zipfile.ZipFile(wheel_of(checkout, tmp_path / checkout.parent.name)) for checkout in (plain, linked)]
    without, ordinary = (sorted(wheel.namelist()) for wheel in wheels)
    assert without == ordinary
    assert {"meshtui/screens/main.py", "meshtui/styles/base.tcss"} <= set(without)
    target = tmp_path / "target"
    run(*PIP, "install", "--no-deps", "--no-index", "--target", target, wheels[0].filename or "", cwd=tmp_path)
    meshtui, screen = run(sys.executable, "-c", LOOK, cwd=tmp_path, path=str(target)).split()
    assert Path(meshtui).is_relative_to(target)
    assert Path(screen).is_relative_to(target)
    assert run(target / "bin" / "meshtui", "--version", cwd=tmp_path, path=str(target)) == f"meshtui {__version__}\n"


def test_it_runs_where_it_is(plain: Path) -> None:
    assert "Commands" in run(sys.executable, "-m", "meshtui", "--help", cwd=plain, path=str(plain))


def test_an_editable_install_of_it_finds_its_screens(plain: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    run(*PIP, "install", "--no-deps", "--no-build-isolation", "--target", target, "--editable", plain, cwd=tmp_path)
    (finder,) = target.glob("__editable__*finder.py")
    assert f"'meshtui.screens': '{plain}/screens'" in finder.read_text()
    # Without site (-S) the editable install of these tests isn't followed; their packages are the clone's dependencies.
    here = next(Path(sys.prefix).glob("lib/python*/site-packages"))
    install = f"import site, sys; site.addsitedir({str(target)!r}); sys.path.append({str(here)!r})"
    meshtui, screen = run(sys.executable, "-S", "-c", install + LOOK, cwd=tmp_path).split()
    assert Path(meshtui) == plain / "meshtui" / "__init__.py"
    assert Path(screen) == plain / "screens" / "main.py"
