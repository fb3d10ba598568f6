"""Label selectors, and which labels they match."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Requirement:
    """One matchExpressions entry: ``operator`` is In, NotIn, Exists or DoesNotExist (another one matches nothing)."""

    key: str
    operator: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """All labels and all requirements must hold; without any it selects everything."""

    labels: tuple[tuple[str, str], ...] = ()
    requirements: tuple[Requirement, ...] = ()

    @property
    def keys(self) -> frozenset[str]:
        """The label keys that it uses."""
        return frozenset((*(key for key, _ in self.labels), *(requirement.key for requirement in self.requirements)))

    @property
    def is_empty(self) -> bool:
        """Whether it selects everything."""
        return not self.labels and not self.requirements


_OPERATORS = frozenset({"In", "NotIn", "Exists", "DoesNotExist"})


def matches(selector: LabelSelector, labels: Mapping[str, str]) -> bool:
    """Whether ALL labels and ALL requirements match; an empty selector matches everything (metav1.LabelSelector)."""
    return all(labels.get(key) == value for key, value in selector.labels) and all(
        _holds(requirement, labels) for requirement in selector.requirements
    )


def matches_as_far_as_known(selector: LabelSelector, labels: Mapping[str, str], *, known: bool) -> bool | None:
    """Whether a selector matches labels of which, unless ``known``, there may be more; None if it depends on those."""
    if known:
        return matches(selector, labels)
    pairs = (labels[key] == value if key in labels else None for key, value in selector.labels)
    others = (
        _holds(each, labels) if each.key in labels or each.operator not in _OPERATORS else None for each in selector.requirements
    )
    found = {*pairs, *others}
    return False if False in found else None if None in found else True


def _holds(requirement: Requirement, labels: Mapping[str, str]) -> bool:
    """Whether a matchExpressions entry matches. NotIn also matches a missing key; an unknown operator matches nothing."""
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
