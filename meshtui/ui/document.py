"""The content of a pane as data: sections of lines of words with a tone. Screens draw it, and tests read it."""

from __future__ import annotations

from dataclasses import dataclass

from textual.content import Content

from meshtui.ui.text import clean

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


Line = tuple[Word, ...]


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
        parts: list[Content] = [Content.styled(clean(self.title), "bold $text-accent")]
        for section in self.sections:
            parts.append(Content(""))
            if section.title:
                parts.append(Content.styled(clean(section.title), "bold"))
            for line in section.lines:
                styled = [Content.styled(clean(word.text), STYLES[word.tone]) for word in line]
                parts.append(Content("  " if section.title else "").append(Content("").join(styled)))
        return parts

    def content(self) -> Content:
        """The document as one Textual content."""
        return Content("\n").join(self.lines())

    def plain(self) -> str:
        """The document as plain text."""
        return self.content().plain


def line(*parts: str | tuple[str, str]) -> Line:
    """A line of plain strings and (text, tone) pairs."""
    return tuple(Word(part) if isinstance(part, str) else Word(*part) for part in parts)


def section(title: str, *lines: Line) -> Section:
    """A section."""
    return Section(title, lines)


def facts(*pairs: tuple[str, str | tuple[str, str]]) -> tuple[Line, ...]:
    """Lines with a name and a value each, with the values aligned."""
    width = max((len(name) for name, _ in pairs), default=0)
    return tuple(line((f"{name.ljust(width)}  ", DIM), value) for name, value in pairs)
