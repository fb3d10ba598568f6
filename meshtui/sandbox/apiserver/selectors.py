"""Label and field selectors of list, watch and collection delete."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from meshtui.sandbox.apiserver.errors import ApiError

Obj = dict[str, Any]
Match = Callable[[Obj], bool]

_SET = re.compile(r"^\s*(\S+)\s+(in|notin)\s*\(([^)]*)\)\s*$")
_EQUAL = re.compile(r"^\s*([^=!\s]+)\s*(==|=|!=)\s*(\S*)\s*$")
_ORDER = re.compile(r"^\s*([^<>\s]+)\s*([<>])\s*(-?\d+)\s*$")
_EXISTS = re.compile(r"^\s*(!?)\s*([^\s=!<>(),]+)\s*$")

_FIELDS = {
    "metadata.name": ("metadata", "name"),
    "metadata.namespace": ("metadata", "namespace"),
    "spec.nodeName": ("spec", "nodeName"),
    "spec.serviceAccountName": ("spec", "serviceAccountName"),
    "spec.restartPolicy": ("spec", "restartPolicy"),
    "spec.schedulerName": ("spec", "schedulerName"),
    "spec.unschedulable": ("spec", "unschedulable"),
    "status.phase": ("status", "phase"),
    "status.podIP": ("status", "podIP"),
    "type": ("type",),
    "reason": ("reason",),
    "source": ("source", "component"),
    "reportingComponent": ("reportingComponent",),
}


def _split(text: str) -> list[str]:
    """Split at commas outside parentheses."""
    parts, depth, start = [], 0, 0
    for index, char in enumerate(text):
        depth += (char == "(") - (char == ")")
        if char == "," and depth == 0:
            parts.append(text[start:index])
            start = index + 1
    parts.append(text[start:])
    return [part for part in parts if part.strip()]


def _label_term(term: str) -> Callable[[dict[str, str]], bool]:  # one branch per operator
    if found := _SET.match(term):
        key, operator, raw = found.groups()
        values = {value.strip() for value in raw.split(",")}
        if operator == "in":
            return lambda labels: labels.get(key) in values
        return lambda labels: labels.get(key) not in values
    if found := _EQUAL.match(term):
        key, operator, value = found.groups()
        if operator == "!=":
            return lambda labels: labels.get(key) != value
        return lambda labels: labels.get(key) == value
    if found := _ORDER.match(term):
        return _order(found[1], found[2], int(found[3]))
    if found := _EXISTS.match(term):
        absent, key = found.groups()
        return lambda labels: (key in labels) != bool(absent)
    raise ApiError(400, f"unable to parse requirement: found '{term}', expected: label selector")


def _order(key: str, operator: str, bound: int) -> Callable[[dict[str, str]], bool]:
    def match(labels: dict[str, str]) -> bool:
        try:
            value = int(labels[key])
        except (KeyError, ValueError):
            return False
        return value > bound if operator == ">" else value < bound

    return match


def label_selector(text: str) -> Match | None:
    """Parse ``a=b,c in (d,e),!f``; None when it selects everything."""
    terms = [_label_term(term) for term in _split(text)]
    if not terms:
        return None

    def match(obj: Obj) -> bool:
        labels = obj["metadata"].get("labels") or {}
        return all(term(labels) for term in terms)

    return match


def labels_match(selector: dict[str, Any] | None, labels: dict[str, str]) -> bool:
    """Evaluate a metav1.LabelSelector; an empty one matches everything."""
    if selector is None:
        return False
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    return all(_expression(item, labels) for item in selector.get("matchExpressions") or [])


def _expression(item: dict[str, Any], labels: dict[str, str]) -> bool:
    key, operator, values = item.get("key", ""), item.get("operator"), item.get("values") or []
    if operator == "In":
        return labels.get(key) in values
    if operator == "NotIn":
        return labels.get(key) not in values
    return (key in labels) == (operator == "Exists")


def _dig(obj: Obj, path: tuple[str, ...]) -> str:
    value: Any = obj
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def field_selector(text: str) -> Match | None:
    """Parse ``metadata.name=x,status.phase!=Running``; None when it selects everything."""
    terms: list[tuple[tuple[str, ...], str, bool]] = []
    for term in _split(text):
        found = _EQUAL.match(term)
        if not found:
            raise ApiError(400, f"invalid field selector: {term}")
        key, operator, value = found.groups()
        path = _FIELDS.get(key) or (tuple(key.split(".")) if key.startswith("involvedObject.") else None)
        if path is None:
            raise ApiError(400, f"field label not supported: {key}")
        terms.append((path, value, operator != "!="))
    if not terms:
        return None
    return lambda obj: all((_dig(obj, path) == value) == equal for path, value, equal in terms)


def both(first: Match | None, second: Match | None) -> Match | None:
    """The conjunction of two optional filters."""
    if first is None or second is None:
        return first or second
    return lambda obj: first(obj) and second(obj)
