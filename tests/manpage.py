"""The man page, made from the commands themselves; the package installs it as share/man/man1/meshtui.1."""

from __future__ import annotations

import click

from meshtui import __version__
from meshtui.cli import flags
from meshtui.cli.command import COMMON_EXITS, Command
from meshtui.cli.formats import formats
from meshtui.cli.registry import commands

_WHAT = (
    "shows who can talk to whom in an Istio ambient mesh, which policy decides it, and whether reality agrees. "
    "Without a command it opens the terminal program on the current context."
)
_EVERYWHERE = {70: "a fault in meshtui itself; it says where its report is", 130: "interrupted"}


def page() -> str:
    """The page as roff (man(7))."""
    parts = [
        f'.TH MESHTUI 1 "" "meshtui {__version__}" "User Commands"\n',
        _section("NAME", r"meshtui \- who can talk to whom in an Istio ambient mesh" + "\n"),
        _section("SYNOPSIS", ".B meshtui\n[\\fIFLAGS\\fR] [\\fICOMMAND\\fR [\\fIWORDS\\fR]]\n"),
        _section("DESCRIPTION", f".B meshtui\n{_roff(_WHAT)}\n"),
        _section("FLAGS", "Each stands before or after the command.\n" + "".join(map(_flag, flags.SHARED))),
        _section("COMMANDS", "".join(map(_command, commands()))),
        _section("FORMS OF ANSWERS", "".join(_item(form.name, form.summary) for form in formats().values())),
        _section(
            "EXIT CODES", "".join(_item(str(code), words) for code, words in sorted({**COMMON_EXITS, **_EVERYWHERE}.items()))
        ),
        _section("FILES", _item("~/.config/meshtui/config.toml", "settings ($MESHTUI_CONFIG names another file)")),
        _section("SEE ALSO", ".BR kubectl (1)\n"),
    ]
    return "".join(parts)


def _section(title: str, body: str) -> str:
    return f".SH {title}\n{body}"


def _roff(text: str) -> str:
    """Text that roff takes as it is."""
    plain = text.replace("\\", "\\e").replace("-", "\\-")
    return "\n".join(f"\\&{line}" if line.startswith((".", "'")) else line for line in plain.split("\n"))


def _item(head: str, words: str) -> str:
    return f".TP\n\\fB{_roff(head)}\\fR\n{_roff(words)}\n"


def _flag(flag: flags.Flag) -> str:
    value = f" {flag.metavar}" if flag.metavar else ""
    return _item(", ".join(flag.words) + value, flag.help)


def _command(command: Command) -> str:
    group = click.Context(click.Group("meshtui"), info_name="meshtui")
    ctx = click.Context(command, info_name=command.name, parent=group)
    words = " ".join(piece for param in command.own if isinstance(param, click.Argument) for piece in param.get_usage_pieces(ctx))
    head = f".SS meshtui {_roff(str(command.name))} {_roff(words)}".rstrip() + "\n"
    body = f"{_roff((command.help or '').strip())}\n"
    for param in command.own:
        record = param.get_help_record(ctx)
        if record:
            body += _item(*record)
    if command.outputs:
        body += _item("-o, --output FORMAT", f"{', '.join(command.outputs)}; default: {command.outputs[0]}")
    for code, why in sorted(command.exits.items()):
        body += _item(f"exit code {code}", why)
    if command.more:
        body += f".PP\n.nf\n{_roff(command.more.strip(chr(10)))}\n.fi\n"
    return head + body
