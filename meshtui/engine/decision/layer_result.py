"""The result of one layer for one flow."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from meshtui.engine.endpoints import Endpoint
from meshtui.model.ids import ObjectRef
from meshtui.model.reason import Reason
from meshtui.model.verdict import Decider, Hop, Layer, Step, StepResult


@dataclass(frozen=True, slots=True)
class LayerResult:
    """One layer's result for one flow: the step of the verdict, and the object that decides it, if any."""

    step: Step
    decider: Decider | None = None
    assumptions: tuple[Reason, ...] = ()
    outcome: str = ""

    @property
    def result(self) -> StepResult:
        """The step's result: pass, block, skip or unknown."""
        return self.step.result


def layer_result(  # noqa: PLR0913  (one keyword for each part of a result)
    layer: Layer,
    where: str,
    result: StepResult,
    reason: Reason,
    *,
    decider: Decider | None = None,
    objects: tuple[Decider, ...] = (),
    assumptions: tuple[Reason, ...] = (),
    outcome: str = "",
) -> LayerResult:
    """Build a layer result; the deciding object is always the first of the step's objects."""
    shown = objects if decider is None or decider in objects else (decider, *(o for o in objects if o.ref != decider.ref))
    return LayerResult(Step(layer, where, result, reason, shown), decider, assumptions, outcome)


def on_hop(
    results: Iterable[LayerResult],
    source: Endpoint,
    destination: Endpoint,
    port: int,
    protocol: str = "TCP",
    service: ObjectRef | None = None,
) -> list[LayerResult]:
    """The results, those that block with the connection that they block (``model.verdict.Hop``)."""
    found = []
    for said in results:
        if said.result is StepResult.BLOCK:
            hop = Hop(source.name, destination.name, port, protocol, service, source.pod, destination.pod)
            found.append(replace(said, step=replace(said.step, hop=hop)))
        else:
            found.append(said)
    return found
