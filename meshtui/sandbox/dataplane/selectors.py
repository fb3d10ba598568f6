"""Label selectors, read from raw JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Labels = Mapping[str, str]


def selects(selector: Mapping[str, Any], labels: Labels) -> bool:
    """Whether a metav1.LabelSelector selects an object with these labels; the empty one selects everything."""
    exact = selector.get("matchLabels") or {}
    if any(labels.get(key) != value for key, value in exact.items()):
        return False
    return all(_expression_holds(each, labels) for each in selector.get("matchExpressions") or [])


def _expression_holds(expression: Mapping[str, Any], labels: Labels) -> bool:
    key, values = expression["key"], expression.get("values") or []
    match expression.get("operator"):
        case "In":
            return labels.get(key) in values
        case "NotIn":  # a missing key is not in any list
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
        case _:  # the API server refuses any other operator
            return False


def equals_all(wanted: Labels, labels: Labels) -> bool:
    """Whether every wanted label is there: the plain map selectors of Services and Istio's policies."""
    return all(labels.get(key) == value for key, value in wanted.items())
