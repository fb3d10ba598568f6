"""What one layer of the judgement says."""

from __future__ import annotations

from dataclasses import dataclass

from meshtui.model.verdict import Decider, Layer, Step, StepResult


@dataclass(frozen=True, slots=True)
class LayerResult:
    """One layer's result on one flow: the step of the ladder, and the object that decides it, if any."""

    step: Step
    decider: Decider | None = None
    assumptions: tuple[str, ...] = ()
    outcome: str = ""

    @property
    def result(self) -> StepResult:
        """Pass, block, skip or unknown."""
        return self.step.result


def layer_result(  # noqa: PLR0913  (one keyword for each part of a result)
    layer: Layer,
    where: str,
    result: StepResult,
    reason: str,
    *,
    decider: Decider | None = None,
    objects: tuple[Decider, ...] = (),
    assumptions: tuple[str, ...] = (),
    outcome: str = "",
) -> LayerResult:
    """Put an result together; the deciding object always stands first among the step's objects."""
    shown = objects if decider is None or decider in objects else (decider, *(o for o in objects if o.ref != decider.ref))
    return LayerResult(Step(layer, where, result, reason, shown), decider, assumptions, outcome)
