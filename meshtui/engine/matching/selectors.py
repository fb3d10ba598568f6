"""How label selectors match."""

from __future__ import annotations

from collections.abc import Mapping

from meshtui.model.selectors import LabelSelector, Requirement


def matches(selector: LabelSelector, labels: Mapping[str, str]) -> bool:
    """ALL labels and ALL requirements hold; an empty selector matches everything (metav1.LabelSelector)."""
    return all(labels.get(key) == value for key, value in selector.labels) and all(
        _holds(requirement, labels) for requirement in selector.requirements
    )


def _holds(requirement: Requirement, labels: Mapping[str, str]) -> bool:
    """One matchExpressions entry; NotIn also matches a missing key; an operator that doesn't exist matches nothing."""
    value = labels.get(requirement.key)
    match requirement.operator:
        case "In":
            return value is not None and value in requirement.values
        case "NotIn":
            return value is None or value not in requirement.values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case _:
            return False


def describe(selector: LabelSelector) -> str:
    """A selector in kubectl's notation; ``all pods`` when it is empty."""
    words = [f"{key}={value}" for key, value in selector.labels]
    for r in selector.requirements:
        match r.operator:
            case "In" | "NotIn":
                words.append(f"{r.key} {'in' if r.operator == 'In' else 'notin'} ({', '.join(r.values)})")
            case "Exists":
                words.append(r.key)
            case "DoesNotExist":
                words.append(f"!{r.key}")
            case _:
                words.append(f"{r.key} {r.operator}?")
    return ", ".join(words) or "all pods"
