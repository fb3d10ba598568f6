r"""Regular expressions as Envoy matches them: RE2's, against the whole text, in time proportional to both lengths.

Only what is in common use is read: characters, ``.``, sets, groups, ``|``, ``* + ?``, ``{n,m}``, ``\d \w \s``, and anchors at
the ends. An expression with anything else is not known, rather than matched in a way in which RE2 wouldn't.

Source: google/re2 syntax.txt. The method is that of Thompson: all places that an expression may have reached are kept together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

LONGEST = 500
"""The number of steps of the longest expression that is read."""
_DIGITS, _WORDS, _SPACES = "0123456789", "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz", "\t\n\f\r "
_SETS = {"d": frozenset(_DIGITS), "w": frozenset(_WORDS), "s": frozenset(_SPACES)}
_SIGNS = frozenset("\\.^$*+?()[]{}|")
_PUNCTUATION = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~ ")


class _NotReadError(ValueError):
    """An expression with something that isn't read."""


@dataclass(frozen=True, slots=True)
class _Set:
    """One character of a set, or (``negated``) one that isn't in it."""

    characters: frozenset[str]
    negated: bool = False

    def has(self, character: str) -> bool:
        return (character in self.characters) is not self.negated


@dataclass(frozen=True, slots=True)
class _Split:
    """Go on at either place, relative to this step."""

    one: int
    other: int


_Program = list[_Set | _Split]
_ANY = _Set(frozenset("\n"), negated=True)


@lru_cache(maxsize=1024)
def matcher(pattern: str) -> Callable[[str], bool] | None:
    """A function that says whether an expression matches a whole text; None for an expression that isn't read."""
    try:
        program = _Parser(pattern).parse()
    except _NotReadError:
        return None

    def matches(text: str) -> bool:
        reached = set(_closure(program, (0,)))
        for character in text:
            steps = [(place, program[place]) for place in reached if place < len(program)]
            reached = set(
                _closure(program, [place + 1 for place, step in steps if isinstance(step, _Set) and step.has(character)])
            )
            if not reached:
                return False
        return len(program) in reached

    return matches


def literal(text: str) -> str:
    """An expression that matches this text alone."""
    return "".join(f"\\{character}" if character in _SIGNS else character for character in text)


def _closure(program: _Program, places: Iterable[int]) -> Iterator[int]:
    """The places that are reached from some without a character."""
    waiting, seen = list(places), set[int]()
    while waiting:
        place = waiting.pop()
        if place in seen:
            continue
        seen.add(place)
        step = program[place] if place < len(program) else None
        if isinstance(step, _Split):
            waiting += (place + step.one, place + step.other)
        else:
            yield place


class _Parser:
    """Turns an expression into steps."""

    def __init__(self, pattern: str) -> None:
        self._text = pattern
        self._at = 0

    def parse(self) -> _Program:
        """The steps. Raises _NotReadError."""
        if not self._text.isascii() or len(self._text) > LONGEST:
            raise _NotReadError
        if self._text.startswith("^") and "|" not in self._text:
            self._at = 1
        before = self._text.removesuffix("$")
        escaped = (len(before) - len(before.rstrip("\\"))) % 2  # RE2: a backslash before punctuation makes it literal, ``\\`` too
        if not escaped and "|" not in self._text:
            self._text = before
        program = self._either()
        if self._at < len(self._text):
            raise _NotReadError
        return program

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _next(self) -> str:
        if self._at >= len(self._text):
            raise _NotReadError
        self._at += 1
        return self._text[self._at - 1]

    def _either(self) -> _Program:
        program = self._sequence()
        while self._peek() == "|":
            self._at += 1
            other = self._sequence()
            program = [_Split(1, len(program) + 2), *program, _Split(len(other) + 1, len(other) + 1), *other]
            self._check(program)
        return program

    def _sequence(self) -> _Program:
        program: _Program = []
        while self._peek() and self._peek() not in "|)":
            program += self._repeated(self._one())
            self._check(program)
        return program

    def _one(self) -> _Program:
        character = self._next()
        if character == "(":
            if self._peek() == "?":
                if self._text[self._at : self._at + 2] != "?:":
                    raise _NotReadError
                self._at += 2
            program = self._either()
            if self._next() != ")":
                raise _NotReadError
            return program
        if character == "[":
            return [self._set()]
        if character == ".":
            return [_ANY]
        if character == "\\":
            return [_Set(self._escaped())]
        if character in "^$*+?{}":  # braces alone are read differently by different libraries
            raise _NotReadError
        return [_Set(frozenset(character))]

    def _escaped(self) -> frozenset[str]:
        character = self._next()
        if character in _SETS:
            return _SETS[character]
        if character not in _PUNCTUATION:
            raise _NotReadError
        return frozenset(character)

    def _set(self) -> _Set:
        negated = self._peek() == "^"
        self._at += negated
        found: set[str] = set()
        if self._peek() in {"]", "["}:
            raise _NotReadError
        while (character := self._next()) != "]":
            if character == "[":
                raise _NotReadError
            several = self._escaped() if character == "\\" else frozenset(character)
            if self._peek() == "-" and self._text[self._at + 1 : self._at + 2] != "]":
                self._at += 1
                last = self._next()
                if len(several) != 1 or last in "[\\" or last < min(several):
                    raise _NotReadError
                several = frozenset(map(chr, range(ord(min(several)), ord(last) + 1)))
            found |= several
        return _Set(frozenset(found), negated=negated)

    def _repeated(self, program: _Program) -> _Program:
        """An item with the ``*``, ``+``, ``?`` or ``{n,m}`` after it."""
        sign = self._peek()
        if not sign or sign not in "*+?{":
            return program
        self._at += 1
        size = len(program)
        if sign == "*":
            program = [_Split(1, size + 2), *program, _Split(-size - 1, 1)]
        elif sign == "+":
            program = [*program, _Split(-size, 1)]
        elif sign == "?":
            program = [_Split(1, size + 1), *program]
        else:
            program = self._counted(program)
        if self._peek() == "?":  # as little as possible: the same for a whole text
            self._at += 1
        if self._peek() in {"*", "+", "?", "{"}:
            raise _NotReadError
        self._check(program)
        return program

    def _counted(self, program: _Program) -> _Program:
        end = self._text.find("}", self._at)
        least, comma, most = self._text[self._at : max(end, 0)].partition(",")
        if end < 0 or not least.isdigit() or not (most.isdigit() or not most) or len(least) > 3 or len(most) > 3:
            raise _NotReadError
        self._at = end + 1
        low, high = int(least), int(most or least)
        if high < low or len(program) * max(low, high) > LONGEST:
            raise _NotReadError
        found = program * low
        size = len(program)
        if comma and not most:
            return [*found, _Split(1, size + 2), *program, _Split(-size - 1, 1)]
        for left in range(high - low, 0, -1):
            found += [_Split(1, left * (size + 1)), *program]
        return found

    @staticmethod
    def _check(program: _Program) -> None:
        if len(program) > LONGEST:
            raise _NotReadError
