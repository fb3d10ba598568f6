"""The output formats, one per file: each module has a ``FORMAT``. ``-o`` means the same in every command.

They are discovered in this folder. A format imports its writer (YAML, CSV) when it is used.
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
    """One format: its name for ``-o``, a description, and its renderer.

    ``data``: it is for programs, so control characters aren't replaced for a terminal. ``render`` is None for formats that
    commands write themselves (``Answer.own``).
    """

    name: str
    summary: str
    data: bool = True
    render: Callable[[Answer], str] | None = None


@cache
def formats() -> dict[str, Format]:
    """All formats by name, sorted."""
    modules = [importlib.import_module(f"{__name__}.{info.name}") for info in pkgutil.iter_modules(__path__)]
    return {module.FORMAT.name: module.FORMAT for module in modules}


def rendered(answer: Answer, output: str) -> str:
    """An answer in one format."""
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
    """Standard output for a format. Tables get it unguarded: they clean their cells themselves, and use colours."""
    import sys

    from meshtui.cli.guarded import bare

    return bare(sys.stdout) if output in {"table", "wide"} else sys.stdout
