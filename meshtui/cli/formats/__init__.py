"""The forms of answers, one a file: each module has a ``FORMAT``. ``-o`` means the same in every command.

They are found by looking into this folder. What a form needs (a YAML writer, a CSV writer) it imports when it is asked for.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from meshtui.cli.answer import Answer


@dataclass(frozen=True, slots=True)
class Format:
    """One form: the word after ``-o``, what it is, and how an answer gets it.

    ``data`` says that it is for programs: then nothing of it is made visible for a terminal. ``render`` is None for a form
    that commands write themselves (``Answer.own``).
    """

    name: str
    summary: str
    data: bool = True
    render: Callable[[Answer], str] | None = None


@cache
def formats() -> dict[str, Format]:
    """All forms by name, sorted."""
    modules = [importlib.import_module(f"{__name__}.{info.name}") for info in pkgutil.iter_modules(__path__)]
    return {module.FORMAT.name: module.FORMAT for module in modules}


def rendered(answer: Answer, output: str) -> str:
    """An answer in one form."""
    if output in answer.own:
        return answer.own[output]()
    render = formats()[output].render
    if render is None:
        raise KeyError(f"the command has no {output!r} of its own")
    return render(answer)


def write(answer: Answer, output: str) -> None:
    """Write an answer to standard output."""
    stream_for(output).write(rendered(answer, output))


def stream_for(output: str) -> TextIO:
    """Standard output for a form; tables get it bare: they clean their cells themselves, and have a style of their own."""
    import sys

    from meshtui.cli.guarded import bare

    return bare(sys.stdout) if output in {"table", "wide"} else sys.stdout
