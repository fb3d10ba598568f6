"""docs/guide/commands.md and the man page say what the code says."""

import re
import shutil
import subprocess

import click
import pytest

from meshtui.cli import flags
from meshtui.cli.formats import formats
from meshtui.cli.registry import commands, names
from tests.commands_guide import GUIDE, MAN, ROOT, TABLES, filled
from tests.manpage import page


def test_the_tables_are_those_of_the_commands():
    text = GUIDE.read_text("utf-8")
    assert filled(text) == text, "make docs writes them"
    for name, table in TABLES.items():
        assert table() in text, name


def test_the_man_page_is_that_of_the_commands():
    assert MAN.read_text("utf-8") == page(), "make docs writes it"


def test_the_man_page_says_every_word():
    text = MAN.read_text("utf-8").replace("\\-", "-")
    for flag in flags.SHARED:
        assert all(word in text for word in flag.words)
    for command in commands():
        assert f".SS meshtui {command.name}" in text
        for param in command.own:
            if isinstance(param, click.Option):
                assert param.opts[-1] in text
    assert all(f"\\fB{name}\\fR" in text for name in formats())


@pytest.mark.skipif(not shutil.which("groff"), reason="groff IS NOT INSTALLED: the man page isn't formatted")
def test_the_man_page_can_be_formatted():
    done = subprocess.run(
        ["groff", "-man", "-Tutf8", "-ww", "-z", str(MAN)], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stderr == ""


def test_the_readme_knows_every_exit_code_and_names_the_guide():
    text = (ROOT / "README.md").read_text("utf-8")
    assert "docs/guide/commands.md" in text
    for code in ("0", "1", "2", "3", "4", "70", "130"):
        assert re.search(rf"^\| {code} \|", text, re.MULTILINE), code


def test_every_command_that_the_readme_shows_is_one():
    text = (ROOT / "README.md").read_text("utf-8")
    blocks = "".join(re.findall(r"^```\n(.*?)^```", text, re.MULTILINE | re.DOTALL))
    shown = set(re.findall(r"^meshtui\s+([a-z]+)", blocks, re.MULTILINE))
    assert shown <= set(names())
    assert len(shown) > 8
