"""Observations as JSON and as text."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from meshtui.cli.flowfile import flow_to_json, verdict_to_json
from meshtui.cli.guarded import bare, clean_lines
from meshtui.model.observation import Observation
from meshtui.model.verdict import Verdict

_AGREES = {True: "= agrees", False: "≠ DISAGREES", None: "~ can't tell"}


def observation_to_json(observation: Observation) -> dict[str, Any]:
    """One probe answer (contracts, JSON answers)."""
    pod = observation.pod
    return {
        "flow": flow_to_json(observation.flow),
        "predicted": verdict_to_json(observation.predicted, observation.flow.id),
        "observed": {
            "outcome": observation.outcome,
            "http_status": observation.http_status,
            "connect_ms": _rounded(observation.connect_ms),
            "total_ms": _rounded(observation.total_ms),
            "bytes": observation.bytes_received,
            "evidence": list(observation.evidence),
            "detail": observation.detail,
        },
        "agrees": observation.agrees,
        "pod": {"namespace": pod.namespace, "name": pod.name, "service_account": pod.service_account} if pod else None,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


def decided(verdict: Verdict) -> str:
    """The deciding object in short."""
    by = verdict.decided_by
    if by is None:
        return "no policy"
    return f"{by.ref.kind} {by.ref.name}{' ' + by.rule if by.rule else ''}"


def observations_table(observations: list[Observation]) -> Table:
    """Predicted beside observed, a row a flow."""
    table = Table(box=None, pad_edge=False)
    for title in ("FROM", "TO", "PREDICTED", "BY", "OBSERVED", "AGREES", "DETAIL"):
        table.add_column(title, overflow="fold")
    for o in observations:
        row = (
            str(o.flow.source),
            f"{o.flow.destination}:{o.flow.port}",
            f"{o.predicted.decision.value} ({o.predicted.outcome})",
            decided(o.predicted),
            o.outcome,
            _AGREES[o.agrees],
            o.detail,
        )
        table.add_row(*(Text(cell) for cell in row))
    return table


def console() -> Console:
    """Standard output for people; no colour where NO_COLOR or the terminal says so."""
    console = _CleanConsole(file=bare(sys.stdout), highlight=False)
    return console if console.is_terminal else _CleanConsole(file=bare(sys.stdout), highlight=False, width=200)


class _CleanConsole(Console):
    """Its own colours pass; what stands in the text doesn't."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        """The same segments, their text cleaned."""
        for segment in super().render(renderable, options):
            yield segment if segment.is_control else Segment(clean_lines(segment.text), segment.style)
