"""What is built is what is there: every package of the tree is in the distribution."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def packages_in(folder, name):
    """The package of a folder and those below it, of folders with an ``__init__.py``."""
    if not (folder / "__init__.py").is_file():
        return
    yield name
    for below in sorted(each for each in folder.iterdir() if each.is_dir() and not each.is_symlink()):
        yield from packages_in(below, f"{name}.{below.name}")


def test_every_package_is_built():
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]
    elsewhere = declared["package-dir"]
    found = {*packages_in(ROOT / "meshtui", "meshtui")}
    for name, folder in elsewhere.items():
        found |= {*packages_in(ROOT / folder, name)}
    assert {*declared["packages"]} == found
    assert declared["packages"] == sorted(declared["packages"])


def test_contributors_read_the_layers_that_are_enforced():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    for name in ("Who may import whom", "From matchers to explanations"):
        layers = next(each["layers"] for each in contracts if each["name"] == name)
        assert f"\n    {' > '.join(layers)}\n" in text, name


def test_every_package_but_the_terminal_program_is_forbidden_to_know_textual():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    forbidden = next(each["source_modules"] for each in contracts if each["id"] == "textual")
    packages = {
        f"meshtui.{path.stem}"
        for path in (ROOT / "meshtui").iterdir()
        if path.suffix == ".py" or (path / "__init__.py").is_file()
    }
    assert packages - set(forbidden) == {f"meshtui.{name}" for name in ("__init__", "__main__", "app", "screens", "styles", "ui")}
