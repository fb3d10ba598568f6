"""PodDisruptionBudgets."""

from __future__ import annotations

from msgspec import field

from meshtui.kinds.convert import meta, optional_selector
from meshtui.kinds.kind import V1, Kind
from meshtui.kinds.wire import LabelSelector, ObjectMeta, Wire
from meshtui.model import workload as model


class DisruptionBudgetSpec(Wire):
    """spec of a PodDisruptionBudget."""

    selector: LabelSelector | None = None
    min_available: int | str | None = None
    max_unavailable: int | str | None = None


class PodDisruptionBudget(Wire):
    """The object: metadata and spec."""

    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    spec: DisruptionBudgetSpec | None = None


def disruption_budget(raw: PodDisruptionBudget, origin: str = "") -> model.PodDisruptionBudget:
    """Convert a PodDisruptionBudget. An absent selector selects nothing (policy/v1)."""
    spec = raw.spec or DisruptionBudgetSpec()
    return model.PodDisruptionBudget(
        meta=meta("PodDisruptionBudget", raw.metadata, origin=origin),
        selector=optional_selector(spec.selector),
        relative=spec.max_unavailable is not None or isinstance(spec.min_available, str),
    )


KINDS = (
    Kind(
        "PodDisruptionBudget",
        "policy",
        V1,
        "poddisruptionbudgets",
        "disruption_budgets",
        PodDisruptionBudget,
        disruption_budget,
        optional=True,
    ),
)
