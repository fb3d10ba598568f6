"""The wheel, installed in an empty environment outside the checkout, runs and finds its screens and stylesheets."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from meshtui import __version__
from tests.fakes.terminal import Terminal

ROOT = Path(__file__).parent.parent.parent


def run(*words: str, cwd: Path) -> str:
    """Run a command in a clean environment; its output."""
    env = {"PATH": os.environ["PATH"], "HOME": str(cwd), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(words, cwd=cwd, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of what is in the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    for name in listed:
        target = source / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_symlink():
            target.symlink_to((ROOT / name).readlink())
        elif (ROOT / name).exists():
            target.write_bytes((ROOT / name).read_bytes())
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(folder), str(source)]
    subprocess.run(build, check=True, timeout=120)
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_screens_styles_and_scenarios(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"meshtui/screens/main.py", "meshtui/styles/base.tcss", "meshtui/py.typed"} <= names
    assert any(name.startswith("meshtui/sandbox/scenarios/healthy/") for name in names)
    assert any(name.startswith("meshtui/sandbox/bookstore/migrations/") for name in names)
    assert any(name.endswith(".data/data/share/man/man1/meshtui.1") for name in names)
    assert {"meshtui/journeys/bookstore/checkout.toml", "meshtui/journeys/bookstore/pages/MT401.md"} <= names
    assert {"meshtui/cli/commands/check.py", "meshtui/cli/formats/csv.py"} <= names
    assert not any(name.startswith(("screens/", "styles/", "tests/")) for name in names)


@pytest.fixture
def environment(wheel: Path, tmp_path: Path) -> Path:
    """An empty environment with the wheel. Its dependencies are those of this one; meshtui itself comes from the wheel alone."""
    folder = tmp_path / "venv"
    venv.create(folder, with_pip=True, symlinks=True)
    pip = (str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-deps", "--no-index")
    run(*pip, str(wheel), cwd=tmp_path)
    site = next(folder.glob("lib/python*/site-packages"))
    here = next(Path(sys.prefix).glob("lib/python*/site-packages"))
    # A .pth line adds this environment's packages; the editable install of the checkout isn't followed through it.
    (site / "dependencies.pth").write_text(f"{here}\n")
    return folder


def test_it_runs_where_only_its_wheel_is(environment: Path, tmp_path: Path) -> None:
    meshtui = str(environment / "bin" / "meshtui")
    assert "Commands" in run(meshtui, "--help", cwd=tmp_path)
    assert run(meshtui, "--version", cwd=tmp_path) == f"meshtui {__version__}\n"
    assert (environment / "share" / "man" / "man1" / "meshtui.1").is_file()
    assert "healthy" in run(meshtui, "sandbox", "--list", cwd=tmp_path)
    code = "import meshtui, meshtui.app; print(meshtui.__file__); print(len(meshtui.app.MeshtuiApp.CSS_PATH))"
    place, styles = run(str(environment / "bin" / "python"), "-c", code, cwd=tmp_path).split()
    assert Path(place).is_relative_to(environment)
    assert int(styles) >= 4


@pytest.mark.sandbox
def test_the_demo_opens_from_the_wheel(environment: Path, tmp_path: Path) -> None:
    """In a real terminal (a pseudo-terminal): the demo draws the bookstore's workloads, and q ends it with nothing left."""
    with Terminal([str(environment / "bin" / "meshtui"), "demo"], cwd=tmp_path, home=tmp_path) as terminal:
        terminal.wait_for("ecom-service")
        terminal.send("q")
        assert terminal.wait() == 0
    assert terminal.children_left() == []
