"""Matching of label selectors, and their text."""

from __future__ import annotations

from meshtui.model.selectors import LabelSelector, matches, matches_as_far_as_known

__all__ = ["describe", "matches", "matches_as_far_as_known"]


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
