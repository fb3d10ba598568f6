"""The line of each value in a TOML file, which the standard library's parser doesn't provide. Pure."""

from __future__ import annotations

import re
from contextlib import suppress

Path = tuple[str | int, ...]
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SPACE = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'',
    re.DOTALL,
)
_PLAIN = re.compile(r"[^,\]}\n#]+")
_ESCAPED = re.compile(r'\\(["\\])')


def lines_of(text: str) -> dict[Path, int]:
    """The line of each key, by path. The text must be valid TOML; for constructs that aren't supported, lines are missing."""
    reader = _Reader(text)
    with suppress(IndexError, RecursionError):
        reader.document()
    return reader.lines


def line_at(lines: dict[Path, int], path: Path) -> int:
    """The line of a path, or of the nearest enclosing path."""
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 1)


class _Reader:
    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0
        self._counts: dict[Path, int] = {}
        self._counted = (0, 1)
        self.lines: dict[Path, int] = {}

    def document(self) -> None:
        table: Path = ()
        self._space()
        while self._at < len(self._text):
            if self._text.startswith("[", self._at):
                table = self._header()
            else:
                self._pair(table)
            self._space()

    def _header(self) -> Path:
        many = self._text.startswith("[[", self._at)
        line = self._line()
        self._at += 2 if many else 1
        path: Path = ()
        words = self._key()
        for number, word in enumerate(words):
            path = (*path, word)
            self.lines.setdefault(path, line)
            if many and number == len(words) - 1:
                self._counts[path] = self._counts.get(path, 0) + 1
            if path in self._counts:
                path = (*path, self._counts[path] - 1)
                self.lines.setdefault(path, line)
        self._at = self._text.index("]", self._at) + (2 if many else 1)
        return path

    def _pair(self, table: Path) -> None:
        line, path = self._line(), table
        for word in self._key():
            path = (*path, word)
            self.lines.setdefault(path, line)
        self._space()
        self._expect("=")
        self._value(path)

    def _key(self) -> list[str]:
        words = []
        while True:
            self._space()
            if self._text[self._at] in "\"'":
                words.append(_ESCAPED.sub(r"\1", self._string()[1:-1]))
            else:
                words.append(self._take(_BARE))
            self._space()
            if self._text[self._at] != ".":
                return words
            self._at += 1

    def _value(self, path: Path) -> None:
        self._space()
        match self._text[self._at]:
            case "[":
                self._at += 1
                number = 0
                while self._more("]"):
                    self.lines[*path, number] = self._line()
                    self._value((*path, number))
                    number += 1
            case "{":
                self._at += 1
                while self._more("}"):
                    self._pair(path)
            case '"' | "'":
                self._string()
            case _:
                self._take(_PLAIN)

    def _more(self, end: str) -> bool:
        """Whether there is another item; skips a comma, and the end mark."""
        self._space()
        if self._text[self._at] == ",":
            self._at += 1
            self._space()
        if self._text[self._at] != end:
            return True
        self._at += 1
        return False

    def _string(self) -> str:
        return self._take(_STRING)

    def _space(self) -> None:
        found = _SPACE.match(self._text, self._at)
        self._at = found.end() if found else self._at

    def _take(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self._text, self._at)
        if found is None:
            raise IndexError(self._at)
        self._at = found.end()
        return found[0]

    def _expect(self, mark: str) -> None:
        if self._text[self._at] != mark:
            raise IndexError(self._at)
        self._at += 1

    def _line(self) -> int:
        before, line = self._counted
        line += self._text.count("\n", before, self._at)
        self._counted = (self._at, line)
        return line
