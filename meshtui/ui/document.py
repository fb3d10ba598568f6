"""The content of a pane as data: sections of lines of words with a tone. Screens draw it, and tests read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.content import Content

from meshtui.model.ids import ObjectRef
from meshtui.ui.text import clean

if TYPE_CHECKING:  # the first frame has no links, and doesn't wait for the model
    from meshtui.ui.links import Link

OK, BAD, WARN, DIM, STRONG, PLAIN = "ok", "bad", "warn", "dim", "strong", ""

STYLES = {
    OK: "$text-success",
    BAD: "$bad-style $text-error",
    WARN: "$warn-style $text-warning",
    DIM: "$foreground-muted",
    STRONG: "bold $text-primary",
    PLAIN: "",
}
"""Variables of the theme only; the stylesheets define colours."""


@dataclass(frozen=True, slots=True)
class Word:
    """Text with a tone. A tone only emphasizes: a word or glyph always has the same information."""

    text: str
    tone: str = PLAIN
    link: Link | None = None
    """What it leads to, if it is a name."""


Line = tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a link is in a document: its line (0 is the title), its first character in it, and the one after its last."""

    line: int
    start: int
    end: int
    link: Link


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and its lines."""

    title: str
    lines: tuple[Line, ...] = ()


@dataclass(frozen=True, slots=True)
class Document:
    """A title and its sections."""

    title: str
    sections: tuple[Section, ...] = ()

    def lines(self) -> list[Content]:
        """The document as Textual content, line by line. All text is cleaned, and none is interpreted as markup."""
        return self.laid_out()[0]

    def laid_out(self) -> tuple[list[Content], list[Spot]]:
        """The document line by line, and where its links are, in reading order."""
        parts: list[Content] = [Content.styled(clean(self.title), "bold $text-accent")]
        spots: list[Spot] = []
        for section in self.sections:
            parts.append(Content(""))
            if section.title:
                parts.append(Content.styled(clean(section.title), "bold"))
            for line in section.lines:
                indent = "  " if section.title else ""
                at, styled = len(indent), []
                for word in line:
                    text = clean(word.text)
                    if word.link is not None and text.strip():
                        lead = len(text) - len(text.lstrip())
                        spots.append(Spot(len(parts), at + lead, at + len(text.rstrip()), word.link))
                    at += len(text)
                    styled.append(Content.styled(text, STYLES[word.tone]))
                parts.append(Content(indent).append(Content("").join(styled)))
        return parts, spots

    def content(self) -> Content:
        """The document as one Textual content."""
        return Content("\n").join(self.lines())

    def plain(self) -> str:
        """The document as plain text."""
        return self.content().plain


def line(*parts: str | tuple[str, str] | Word | ObjectRef) -> Line:
    """A line of plain strings, (text, tone) pairs, words, and objects, which are links."""
    return tuple(_word(part) for part in parts)


def _word(part: str | tuple[str, str] | Word | ObjectRef) -> Word:
    if isinstance(part, str):
        return Word(part)
    if isinstance(part, ObjectRef):
        return Word(str(part), link=part)
    return part if isinstance(part, Word) else Word(*part)


def section(title: str, *lines: Line) -> Section:
    """A section."""
    return Section(title, lines)


def facts(*pairs: tuple[str, str | tuple[str, str]]) -> tuple[Line, ...]:
    """Lines with a name and a value each, with the values aligned."""
    width = max((len(name) for name, _ in pairs), default=0)
    return tuple(line((f"{name.ljust(width)}  ", DIM), value) for name, value in pairs)
