"""What a pane has to say, as data: sections of lines of toned words. Any screen can draw it, and a test can read it."""

from __future__ import annotations

from dataclasses import dataclass

from textual.content import Content

from meshtui.widgets.text import clean

OK, BAD, WARN, DIM, STRONG, PLAIN = "ok", "bad", "warn", "dim", "strong", ""

_STYLES = {
    OK: "$text-success",
    BAD: "bold $text-error",
    WARN: "$text-warning",
    DIM: "dim",
    STRONG: "bold $text-primary",
    PLAIN: "",
}
"""Theme variables only: colours are the stylesheets' business."""


@dataclass(frozen=True, slots=True)
class Word:
    """Some text in one tone. A tone never carries meaning alone: a word or glyph always says it too."""

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

    def content(self) -> Content:
        """The document as Textual content; everything in it is cleaned, nothing is markup."""
        parts: list[Content] = [Content.styled(clean(self.title), "bold $text-accent")]
        for section in self.sections:
            parts.append(Content(""))
            if section.title:
                parts.append(Content.styled(clean(section.title), "bold"))
            for line in section.lines:
                styled = [Content.styled(clean(word.text), _STYLES[word.tone]) for word in line]
                parts.append(Content("  " if section.title else "").append(Content("").join(styled)))
        return Content("\n").join(parts)

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
    """Lines of a name and a value, the values below each other."""
    width = max((len(name) for name, _ in pairs), default=0)
    return tuple(line((f"{name.ljust(width)}  ", DIM), value) for name, value in pairs)
