"""Loads a journey from TOML. Every error is reported with file, line and field."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path as File
from typing import Any, get_args

import msgspec

from meshtui.engine.path.references import parse_flow
from meshtui.journeys import model
from meshtui.journeys.lines import Path, line_at, lines_of
from meshtui.journeys.model import SAFE_METHODS, Journey, Means, Request, Step, Variable
from meshtui.journeys.variables import names_in
from meshtui.model.errors import ConfigError, UsageError

_MOST_BYTES = 1 << 20
_AT_LINE = re.compile(r" \(at line (\d+), column \d+\)$")
_WHERE = re.compile(r" - at `\$(.*)`$", re.DOTALL)
_WORD = re.compile(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]")
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`$", re.DOTALL)
_VARIABLE = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_ACCOUNT = re.compile(r"[a-z0-9.-]+/[a-z0-9.-]+")
_OUTCOME = re.compile(
    r"http_\d{3}|timeout|refused|closed|dns|tls|answer|variable|no_call|identity|plaintext|change|unknown|otherwise"
)


@dataclass(frozen=True, slots=True)
class Problem:
    """One error in a file."""

    file: str
    line: int
    field: str
    says: str
    hint: str = ""

    def __str__(self) -> str:
        """The error in one line."""
        return f"{self.file}:{self.line}: {f'{self.field}: ' if self.field else ''}{self.says}"

    @property
    def error(self) -> ConfigError:
        """The exception for this error."""
        return ConfigError(str(self), self.hint)


def load(file: File) -> Journey:
    """The journey in a file. Raises ConfigError."""
    return read(str(file), content(file))


def content(file: File) -> bytes:
    """The content of a file. Raises ConfigError."""
    try:
        with file.open("rb") as opened:
            found = opened.read(_MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{file}: {getattr(error, 'strerror', None) or error}") from error
    if len(found) > _MOST_BYTES:
        raise ConfigError(f"{file}: is longer than {_MOST_BYTES} bytes: that isn't a journey")
    return found


def read(file: str, text: bytes) -> Journey:
    """Parse a journey. Raises ConfigError for the first error."""
    found = parsed(file, text)
    if isinstance(found, Journey):
        return found
    raise found[0].error


def parsed(file: str, text: bytes) -> Journey | list[Problem]:
    """Parse a journey. Returns all errors, sorted by line, if there are any."""
    try:
        words = text.decode("utf-8")
        data = tomllib.loads(words)
    except UnicodeDecodeError as error:
        return [Problem(file, text.count(b"\n", 0, error.start) + 1, "", "is not UTF-8")]
    except tomllib.TOMLDecodeError as error:
        found = _AT_LINE.search(str(error))
        line = int(found[1]) if found else words.count("\n") + 1
        return [Problem(file, line, "", f"not TOML: {_AT_LINE.sub('', str(error))}")]
    except (ValueError, RecursionError) as error:  # For example a number of thousands of digits, or deeply nested tables
        return [Problem(file, 1, "", f"not TOML that can be read: {str(error) or type(error).__name__}")]
    lines = lines_of(words)

    def problem(path: Path, says: str, hint: str = "") -> Problem:
        return Problem(file, line_at(lines, path), field_name(path), says, hint)

    try:
        journey = msgspec.convert(data, Journey)
    except msgspec.ValidationError as error:
        return [problem(*_invalid(data, str(error)))]
    except RecursionError:
        return [problem((), "is nested too deeply")]
    problems = [problem(*found) for found in _Check(journey).problems()]
    return sorted(problems, key=lambda each: each.line) or journey


def field_name(path: Path) -> str:
    """Format a path with indexes that begin at 1: ``step[1].expect.status``."""
    text = ""
    for word in path:
        text += f"[{word + 1}]" if isinstance(word, int) else f".{word}" if text else word
    return text


# ---- errors of msgspec


def _invalid(data: Mapping[str, Any], message: str) -> tuple[Path, str, str]:
    """The path of an error, its description, and a hint."""
    found = _WHERE.search(message)
    path = _path_of(data, found[1] if found else "", message)
    says = _WHERE.sub("", message)
    unknown = _UNKNOWN.match(says)
    if unknown is None:
        return path, says[:1].lower() + says[1:], ""
    known = _fields_at(path)
    close = get_close_matches(unknown[1], known, n=1)
    meant = f": did you mean {close[0]!r}?" if close else ""
    return (*path, unknown[1]), f"there is no such field{meant}", f"there are {', '.join(known)}" if known else ""


def _path_of(data: Any, text: str, message: str) -> Path:
    """The path in msgspec's message; ``[...]`` (a value of a mapping) is replaced by the first key with the same error."""
    path: list[str | int] = []
    for name, index in _WORD.findall(text):
        if index == "...":
            inner = _at(data, tuple(path))
            key = _guilty(data, tuple(path), inner if isinstance(inner, dict) else {}, message)
            if key is None:
                break
            path.append(key)
        else:
            path.append(int(index) if index else name)
    return tuple(path)


def _at(data: Any, path: Path) -> Any:
    for word in path:
        try:
            data = data[word]
        except (LookupError, TypeError):
            return None
    return data


def _guilty(data: Any, path: Path, mapping: Mapping[str, Any], message: str) -> str | None:
    for key, value in mapping.items():
        try:
            msgspec.convert(_with(data, path, {key: value}), Journey)
        except msgspec.ValidationError as error:
            if str(error) == message:
                return key
    return None


def _with(data: Any, path: Path, value: Any) -> Any:
    """A copy of the data with another value at a path."""
    if not path:
        return value
    first, rest = path[0], path[1:]
    if isinstance(data, list) and isinstance(first, int):
        return [_with(item, rest, value) if number == first else item for number, item in enumerate(data)]
    return {key: _with(item, rest, value) if key == first else item for key, item in data.items()}


def _fields_at(path: Path) -> list[str]:
    """The fields that are allowed in the part at a path."""
    here: type[model.Part] | None = Journey
    for word in path:
        if isinstance(word, int) or here is None:
            continue
        kind = next((each.type for each in msgspec.structs.fields(here) if each.encode_name == word), None)
        here = _part_in(kind) if kind is not None else here
    return sorted(each.encode_name for each in msgspec.structs.fields(here)) if here is not None else []


def _part_in(kind: Any) -> type[model.Part] | None:
    if isinstance(kind, type) and issubclass(kind, model.Part):
        return kind
    return next((part for each in get_args(kind) if (part := _part_in(each)) is not None), None)


# ---- checks beyond the schema

Found = tuple[Path, str, str]


class _Check:
    """Checks that the parts of a journey are consistent."""

    def __init__(self, journey: Journey) -> None:
        self._journey = journey
        self._names: dict[str, Path] = {}
        self._declared = set(journey.variables)
        taken = (name for step in journey.step for name in step.take)
        self._all = self._declared | set(taken)

    def problems(self) -> Iterator[Found]:
        journey = self._journey
        yield from self._variables()
        yield from self._gateway()
        yield from self._headers(("headers",), journey.headers, self._all)
        for number, gauge in enumerate(journey.gauge):
            path: Path = ("gauge", number)
            yield from self._name((*path, "name"), f"{gauge.name}_before", f"{gauge.name}_after")
            yield from self._request((*path, "request"), gauge.request, self._declared)
            if isinstance(gauge.change, str):
                yield from self._template((*path, "change"), gauge.change, self._all)
            yield from _means((*path, "means"), gauge.means)
        known, asked = set(self._declared), set[str]()
        for number, step in enumerate(journey.step):
            yield from self._step(("step", number), step, known, asked)
            known |= set(step.take)
            asked |= {step.name} if step.request is not None else set()
        if journey.changes is False:
            unsafe = next((r.method for r in journey.requests if r.method not in SAFE_METHODS), "")
            if unsafe:
                yield ("changes",), f"it sends {unsafe}, which may change something", "leave the field out, or say true"

    def _variables(self) -> Iterator[Found]:
        known: set[str] = set()
        for name, value in self._journey.variables.items():
            path: Path = ("variables", name)
            if not _VARIABLE.fullmatch(name):
                yield path, f"{name!r} isn't a name for a variable", "letters, digits and _; a letter first"
            text = value.value if isinstance(value, Variable) else value
            if isinstance(value, Variable) and value.value is None and not value.env:
                yield path, "has neither a value nor an env", ""
            if isinstance(text, str):
                yield from self._template(path, text, known)
            known.add(name)

    def _gateway(self) -> Iterator[Found]:
        gateway = self._journey.gateway
        if not gateway.url and not (gateway.namespace and gateway.name):
            yield ("gateway",), "nobody knows where requests go", "name the Gateway's namespace and name, or a url"
        for word in ("namespace", "name", "url", "host"):
            yield from self._template(("gateway", word), getattr(gateway, word), self._declared)

    def _step(self, path: Path, step: Step, known: set[str], asked: set[str]) -> Iterator[Found]:
        yield from self._name((*path, "name"), step.name)
        if (step.request is None) == (not step.answer_of):
            yield path, "a step has a request, or looks at the answer_of an earlier one", ""
        if step.answer_of and step.answer_of not in asked:
            yield (*path, "answer_of"), f"no step {step.answer_of!r} before this one sends a request", ""
        if step.prepare is not None:
            yield from self._request((*path, "prepare"), step.prepare, known)
            if step.request is None:
                yield (*path, "prepare"), "there is no request to prepare", ""
        if step.request is not None:
            yield from self._request((*path, "request"), step.request, known)
        if step.unless and step.unless not in known:
            yield from self._unknown((*path, "unless"), step.unless, known)
        yield from self._expect((*path, "expect"), step, known)
        for name in step.take:
            if not _VARIABLE.fullmatch(name):
                yield (*path, "take", name), f"{name!r} isn't a name for a variable", "letters, digits and _; a letter first"
        for number, call in enumerate(step.call):
            yield from self._call((*path, "call", number), call)
        yield from _means((*path, "means"), step.means)

    def _expect(self, path: Path, step: Step, known: set[str]) -> Iterator[Found]:
        status = step.expect.status
        for each in status if isinstance(status, list) else [] if status is None else [status]:
            if not 100 <= each <= 599:
                yield (*path, "status"), f"{each} isn't an HTTP status", ""
        for pointer, value in step.expect.json.items():
            if pointer and not pointer.startswith("/"):
                yield (*path, "json", pointer), f"{pointer!r} isn't a JSON pointer", "it begins with /"
            yield from self._data((*path, "json", pointer), value, known)

    def _call(self, path: Path, call: model.Call) -> Iterator[Found]:
        yield from self._name((*path, "name"), call.name)
        for word, text in (("from_identity", call.from_identity), ("to_identity", call.to_identity)):
            yield from self._template((*path, word), text, self._declared)
            if text and "{" not in text and not _ACCOUNT.fullmatch(text):
                yield (*path, word), f"{text!r} isn't NAMESPACE/SERVICEACCOUNT", ""
        for word, text in (("from", call.source), ("to", call.to)):
            yield from self._template((*path, word), text, self._declared)
        if "{" not in f"{call.source}{call.to}":
            try:
                parse_flow(call.source, call.to)
            except UsageError as error:
                word = "to" if repr(call.to) in error.message and call.to != call.source else "from"
                yield (*path, word), error.message, error.hint
        yield from _means((*path, "means"), call.means)

    def _name(self, path: Path, *names: str) -> Iterator[Found]:
        for name in names:
            if name in self._names:
                yield path, f"{name!r} is there twice", f"it is also {field_name(self._names[name])}"
            self._names.setdefault(name, path)

    def _request(self, path: Path, request: Request, known: set[str]) -> Iterator[Found]:
        if not request.path.startswith(("/", "{+")) or not request.path.isprintable() or " " in request.path:
            yield (*path, "path"), f"{request.path!r} isn't a path", "it begins with / or {+name}, and has no spaces"
        yield from self._template((*path, "path"), request.path, known)
        yield from self._headers((*path, "headers"), request.headers, known)
        for name, text in request.form.items():
            yield from self._template((*path, "form", name), text, known)
        if request.json is not None and request.form:
            yield (*path, "form"), "a request has one body: json or form", ""
        yield from self._data((*path, "json"), request.json, known)

    def _headers(self, path: Path, headers: Mapping[str, str], known: set[str]) -> Iterator[Found]:
        for name, text in headers.items():
            if not _TOKEN.fullmatch(name):
                yield (*path, name), f"{name!r} isn't the name of a header", ""
            if name.lower() == "host":
                yield (*path, name), "the Host of all requests is gateway.host", ""
            if not (text.isascii() and text.isprintable()):
                yield (*path, name), "a header is one line of ASCII", ""
            yield from self._template((*path, name), text, known)

    def _data(self, path: Path, value: Any, known: set[str]) -> Iterator[Found]:
        if isinstance(value, dict):
            for key, item in value.items():
                yield from self._template((*path, key), key, known)
                yield from self._data((*path, key), item, known)
        elif isinstance(value, list):
            for number, item in enumerate(value):
                yield from self._data((*path, number), item, known)
        elif isinstance(value, str):
            yield from self._template(path, value, known)
        elif not (value is None or (isinstance(value, int | float) and math.isfinite(value))):
            yield path, f"{value} can't stand in JSON", "write a text in quotes"

    def _template(self, path: Path, text: str, known: Iterable[str]) -> Iterator[Found]:
        try:
            names = names_in(text)
        except ValueError as error:
            yield path, str(error), ""
            return
        for name in names:
            if name not in known:
                yield from self._unknown(path, name, known)

    def _unknown(self, path: Path, name: str, known: Iterable[str]) -> Iterator[Found]:
        if name in self._all:
            yield path, f"variable {name!r} has no value here yet", "it is taken from the answer of a later step"
            return
        close = get_close_matches(name, known, n=1)
        meant = f": did you mean {close[0]!r}?" if close else ""
        yield path, f"there is no variable {name!r}{meant}", "declare it under [variables], or take it from an answer"


def _means(path: Path, means: Means) -> Iterator[Found]:
    for outcome in means:
        if not _OUTCOME.fullmatch(outcome):
            hint = (
                "http_NNN, timeout, refused, closed, dns, tls, answer, variable, no_call, identity, plaintext, change, otherwise"
            )
            yield (*path, outcome), f"{outcome!r} isn't an outcome", hint
