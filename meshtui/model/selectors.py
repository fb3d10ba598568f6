"""Label selectors, as data. How they match is the engine's business."""

from __future__ import annotations

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
        """The label keys that it reads."""
        return frozenset((*(key for key, _ in self.labels), *(requirement.key for requirement in self.requirements)))

    @property
    def is_empty(self) -> bool:
        """Whether it selects everything."""
        return not self.labels and not self.requirements
