"""The theme of the first frame, which is read before the other settings; and which commands take the flag."""

import pytest

from meshtui.cli import tui
from meshtui.cli.main import run
from meshtui.cli.registry import command_named, names

FILES = {
    "a theme": ('theme = "nord"\n', "nord"),
    "none": ("read_only = true\n", ""),
    "another type": ("theme = 7\n", ""),
    "no TOML": ("theme = ", ""),
}


@pytest.mark.parametrize(("text", "expected"), FILES.values(), ids=FILES)
def test_the_theme_of_the_file(monkeypatch, tmp_path, text, expected):
    file = tmp_path / "config.toml"
    file.write_text(text)
    monkeypatch.setenv("MESHTUI_CONFIG", str(file))
    assert tui._theme_set() == expected
    monkeypatch.setenv("MESHTUI_THEME", "gruvbox")
    assert tui._theme_set() == "gruvbox"


def test_a_file_that_is_not_there_sets_none(monkeypatch, tmp_path):
    monkeypatch.setenv("MESHTUI_CONFIG", str(tmp_path / "none.toml"))
    assert tui._theme_set() == ""


def test_only_commands_that_open_the_program_take_the_flag(capsys):
    taking = {name for name in names() if "theme" not in command_named(name).refused}
    assert taking == {"demo", "serve"}
    assert run(["check", "--theme", "nord"]) == 2
    assert "--theme isn't a flag of check" in capsys.readouterr().err
    assert run(["help", "check"]) == 0
    assert "--theme" not in capsys.readouterr().out
    assert run(["help", "demo"]) == 0
    assert "--theme" in capsys.readouterr().out
