"""Calico's selectors: a parser, and their evaluation for one set of labels or for all classes of pods at once.

Grammar: projectcalico/calico libcalico-go/lib/selector. ``&&`` binds more than ``||``. Negative operators (``!=``, ``not in``)
also hold where the label is missing, the others don't.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from functools import lru_cache
from typing import Final

from meshtui.engine.policy.tiers import Bits

NAMESPACE, ACCOUNT, ORCHESTRATOR = (f"projectcalico.org/{name}" for name in ("namespace", "serviceaccount", "orchestrator"))
"""Labels that Calico adds to pods; the first one also to NetworkSets."""
OF_NAMESPACE, OF_ACCOUNT = "pcns.", "pcsa."
"""Prefixes of the labels that pods have from their namespace and from their ServiceAccount."""
NAME = "projectcalico.org/name"
"""With such a prefix: the name of the namespace or ServiceAccount."""


class SelectorError(ValueError):
    """A text is no selector."""


class Missing(Enum):
    """A label whose value isn't known, or whether there is one."""

    NOT_KNOWN = "not known"


NOT_KNOWN: Final = Missing.NOT_KNOWN
Value = str | None | Missing
Lookup = Callable[[str], Value]
"""The value of a label; None if there is none."""
ByValue = Callable[[str], tuple[Mapping[str, Bits], Bits]]
"""The classes with a label by its value, and those of which it isn't known."""


class Operator(Enum):
    """How a label is compared. ALL compares nothing."""

    ALL = "all()"
    GLOBAL = "global()"
    """What has no namespace; only the namespaceSelector of a rule's side has it."""
    HAS = "has"
    IN = "in"
    CONTAINS = "contains"
    STARTS = "starts with"
    ENDS = "ends with"


@dataclass(frozen=True, slots=True)
class Term:
    """A comparison of one label: with ANY of the values."""

    operator: Operator
    key: str = ""
    values: tuple[str, ...] = ()

    def holds(self, value: str) -> bool:
        """Whether it holds for a value of the label."""
        match self.operator:
            case Operator.IN:
                return value in self.values
            case Operator.CONTAINS:
                return self.values[0] in value
            case Operator.STARTS:
                return value.startswith(self.values[0])
            case Operator.ENDS:
                return value.endswith(self.values[0])
            case _:
                return True

    def match(self, lookup: Lookup) -> bool | None:
        """Whether it holds for some labels; None if that isn't known."""
        if self.operator is Operator.ALL:
            return True
        value = lookup(self.key)
        if isinstance(value, Missing):
            return None
        return value is not None and self.holds(value)

    def classes(self, everybody: Bits, by_value: ByValue) -> tuple[Bits, Bits]:
        """The classes for which it holds, and those of which it isn't known."""
        if self.operator is Operator.ALL:
            return everybody, 0
        values, unknown = by_value(self.key)
        found = 0
        if self.operator is Operator.IN:
            for value in self.values:
                found |= values.get(value, 0)
        else:
            for value, bits in values.items():
                if self.holds(value):
                    found |= bits
        return found & ~unknown, unknown

    def terms(self) -> Iterator[Term]:
        """All comparisons in it."""
        yield self

    def prefixed(self, prefix: str, every: Selector | None = None) -> Selector:
        """The same about labels with a prefix; ``every`` takes the place of ``all()``, and its opposite that of ``global()``.

        Raises SelectorError for ``global()`` without ``every``.
        """
        if self.operator is Operator.ALL:
            return every or self
        if self.operator is Operator.GLOBAL:
            if every is None:
                raise SelectorError("global() is only for the namespaces of a rule")
            return Not(every)
        return replace(self, key=prefix + self.key)


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite of a selector."""

    of: Selector

    def match(self, lookup: Lookup) -> bool | None:
        """Whether it holds for some labels; None if that isn't known."""
        found = self.of.match(lookup)
        return None if found is None else not found

    def classes(self, everybody: Bits, by_value: ByValue) -> tuple[Bits, Bits]:
        """The classes for which it holds, and those of which it isn't known."""
        found, unknown = self.of.classes(everybody, by_value)
        return everybody & ~found & ~unknown, unknown

    def terms(self) -> Iterator[Term]:
        """All comparisons in it."""
        yield from self.of.terms()

    def prefixed(self, prefix: str, every: Selector | None = None) -> Selector:
        """The same about labels with a prefix (``Term.prefixed``)."""
        return Not(self.of.prefixed(prefix, every))


@dataclass(frozen=True, slots=True)
class Several:
    """Selectors of which ALL must hold, or ANY of them if not ``every``."""

    every: bool
    parts: tuple[Selector, ...]

    def match(self, lookup: Lookup) -> bool | None:
        """Whether it holds for some labels; None if that isn't known."""
        found = {part.match(lookup) for part in self.parts}
        if (not self.every) in found:
            return not self.every
        return None if None in found else self.every

    def classes(self, everybody: Bits, by_value: ByValue) -> tuple[Bits, Bits]:
        """The classes for which it holds, and those of which it isn't known."""
        holds, may = (everybody, everybody) if self.every else (0, 0)
        for part in self.parts:
            found, unknown = part.classes(everybody, by_value)
            if self.every:
                holds, may = holds & found, may & (found | unknown)
            else:
                holds, may = holds | found, may | found | unknown
        return holds, may & ~holds

    def terms(self) -> Iterator[Term]:
        """All comparisons in it."""
        for part in self.parts:
            yield from part.terms()

    def prefixed(self, prefix: str, every: Selector | None = None) -> Selector:
        """The same about labels with a prefix (``Term.prefixed``)."""
        return Several(self.every, tuple(part.prefixed(prefix, every) for part in self.parts))


Selector = Term | Not | Several
ALL: Final = Term(Operator.ALL)


def both(*selectors: Selector | None) -> Selector:
    """A selector that holds where all of some do; those that are None are left out."""
    parts = tuple(each for each in selectors if each is not None)
    return parts[0] if len(parts) == 1 else Several(every=True, parts=parts)


_TOKENS = re.compile(
    r"""[ \t]*(?:
    (?P<string>"[^"]*"|'[^']*')
    |(?P<sign>==|!=|&&|\|\||[!(){},])
    |(?P<has>has\([ \t]*(?P<key>[a-zA-Z0-9_./-]+)[ \t]*\))
    |(?P<call>(?:all|global)\([ \t]*\))
    |(?P<word>[a-zA-Z0-9_./-]+)
    )""",
    re.VERBOSE,
)
_MOST_LEVELS = 100
_Token = tuple[str, str]


def of_pods(text: str) -> Selector:
    """Parse a selector of pods. Raises SelectorError, also for ``global()``, which namespaces alone have."""
    found = parse(text)
    if any(term.operator is Operator.GLOBAL for term in found.terms()):
        raise SelectorError("global() is only for the namespaces of a rule")
    return found


@lru_cache(maxsize=16384)
def parse(text: str) -> Selector:
    """Parse a selector; an empty one selects everything. Raises SelectorError."""
    tokens = list(_tokens(text))
    if not tokens:
        return ALL
    reader = _Reader(tokens)
    found = reader.any_of(0)
    if reader.left:
        raise SelectorError(f"unexpected {reader.left[0][1]!r} in {text!r}")
    return found


def _tokens(text: str) -> Iterator[_Token]:
    place, end = 0, len(text.rstrip(" \t"))
    after_word = False
    while place < end:
        if after_word and (operator := _OPERATORS.match(text, place)):
            yield "operator", " ".join(operator[1].split())
            place, after_word = operator.end(), False
            continue
        found = _TOKENS.match(text, place)
        if found is None or (after_word and found.lastgroup != "sign"):
            raise SelectorError(f"no selector: {text!r}")
        place, after_word = found.end(), found["word"] is not None
        if found["has"]:
            yield "has", found["key"]
        elif found["string"]:
            yield "string", found["string"][1:-1]
        else:
            kind = next(name for name in ("sign", "call", "word") if found[name])
            yield kind, found[kind].replace(" ", "").replace("\t", "") if kind == "call" else found[kind]


_OPERATORS = re.compile(r"[ \t]*(contains|starts[ \t]*with|ends[ \t]*with|not[ \t]*in|in)")
_BY_WORD = {
    "contains": Operator.CONTAINS,
    "starts with": Operator.STARTS,
    "startswith": Operator.STARTS,
    "ends with": Operator.ENDS,
    "endswith": Operator.ENDS,
}


class _Reader:
    """Reads expressions from tokens."""

    def __init__(self, tokens: list[_Token]) -> None:
        self.left = deque(tokens)

    def take(self) -> _Token:
        """The next token, or an empty one at the end."""
        return self.left.popleft() if self.left else ("", "")

    def taken(self, sign: str) -> bool:
        """Whether the next token is a sign; then it is taken."""
        if self.left and self.left[0] == ("sign", sign):
            self.left.popleft()
            return True
        return False

    def any_of(self, level: int) -> Selector:
        """Terms with ``||`` between them."""
        parts = [self.all_of(level)]
        while self.taken("||"):
            parts.append(self.all_of(level))
        return parts[0] if len(parts) == 1 else Several(every=False, parts=tuple(parts))

    def all_of(self, level: int) -> Selector:
        """Terms with ``&&`` between them."""
        parts = [self.operation(level)]
        while self.taken("&&"):
            parts.append(self.operation(level))
        return both(*parts)

    def operation(self, level: int) -> Selector:
        """One comparison, or an expression in parentheses; ``!`` may stand before it."""
        if level > _MOST_LEVELS:
            raise SelectorError(f"more than {_MOST_LEVELS} parentheses in each other")
        negated = False
        while self.taken("!"):
            negated = not negated
        found = self._one(level)
        return Not(found) if negated else found

    def _one(self, level: int) -> Selector:
        kind, text = self.take()
        if kind == "has":
            return Term(Operator.HAS, text)
        if kind == "call":
            return ALL if text == "all()" else Term(Operator.GLOBAL)
        if (kind, text) == ("sign", "("):
            found = self.any_of(level + 1)
            if not self.taken(")"):
                raise SelectorError("a parenthesis isn't closed")
            return found
        if kind == "word":
            return self._compared(text)
        raise SelectorError(f"unexpected {text!r}")

    def _compared(self, key: str) -> Selector:
        kind, operator = self.take()
        if kind == "sign" and operator in {"==", "!="}:
            term = Term(Operator.IN, key, (self._string(),))
            return term if operator == "==" else Not(term)
        if kind != "operator":
            raise SelectorError(f"no operator after {key!r}")
        if operator in _BY_WORD:
            return Term(_BY_WORD[operator], key, (self._string(),))
        term = Term(Operator.IN, key, self._set())
        return term if operator == "in" else Not(term)

    def _string(self) -> str:
        kind, text = self.take()
        if kind != "string":
            raise SelectorError(f"{text!r} is no string")
        return text

    def _set(self) -> tuple[str, ...]:
        if not self.taken("{"):
            raise SelectorError("no set after in")
        values = []
        while self.left and self.left[0][0] == "string":
            values.append(self._string())
            if not self.taken(","):
                break
        if not self.taken("}"):
            raise SelectorError("a set isn't closed")
        return tuple(values)
