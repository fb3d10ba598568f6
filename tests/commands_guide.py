"""The tables of docs/guide/commands.md and docs/contracts.md, and the man page, made from the commands (``make docs``)."""

from __future__ import annotations

import re
from pathlib import Path

from meshtui.cli import flags
from meshtui.cli.command import COMMON_EXITS
from meshtui.cli.formats import formats
from meshtui.cli.registry import commands
from tests.manpage import page

ROOT = Path(__file__).parent.parent
GUIDE = ROOT / "docs" / "guide" / "commands.md"
CONTRACTS = ROOT / "docs" / "contracts.md"
MAN = ROOT / "docs" / "man" / "meshtui.1"
_BLOCK = re.compile(r"(<!-- (\w+): made by `make docs` -->\n).*?(<!-- end -->)", re.DOTALL)
_SPECIFIC = (0, 1, 2, 3, 4)


def _table(titles: list[str], rows: list[list[str]]) -> str:
    lines = [titles, ["---"] * len(titles), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def commands_table() -> str:
    """Every command, and what it does."""
    return _table(["command", "does"], [[f"`meshtui {c.name}`", c.short_help or ""] for c in commands()])


def flags_table() -> str:
    """Every shared flag."""
    names = [
        ", ".join(f"`{word}`" for word in flag.words) + (f" `{flag.metavar}`" if flag.metavar else "") for flag in flags.SHARED
    ]
    return _table(["flag", "says"], [[name, flag.help] for name, flag in zip(names, flags.SHARED, strict=True)])


def forms_table() -> str:
    """Every form of answer."""
    return _table(["`-o`", "is"], [[f"`{form.name}`", form.summary] for form in formats().values()])


def outputs_table() -> str:
    """Which command answers in which forms, the default first."""
    rows = [[f"`{c.name}`", f"**{c.outputs[0]}**, {', '.join(c.outputs[1:])}"] for c in commands() if c.outputs]
    return _table(["command", "answers as (the first is the default)"], rows)


def exits_table() -> str:
    """Which command ends with which code, and when."""
    rows = []
    for command in commands():
        meant = {**COMMON_EXITS, **command.exits}
        rows.append([f"`{command.name}`", *(meant.get(code, "") for code in _SPECIFIC)])
    return _table(["command", *map(str, _SPECIFIC)], rows)


TABLES = {"commands": commands_table, "flags": flags_table, "forms": forms_table, "outputs": outputs_table, "exits": exits_table}


def filled(text: str) -> str:
    """A page with its tables as the code has them."""
    return _BLOCK.sub(lambda found: found[1] + "\n" + TABLES[found[2]]() + "\n" + found[3], text)


if __name__ == "__main__":
    for path in (GUIDE, CONTRACTS):
        path.write_text(filled(path.read_text("utf-8")), "utf-8")
    MAN.write_text(page(), "utf-8")
