"""Observations as JSON and as a table: predicted beside observed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from meshtui.cli.answer import Answer, Column, end_name, key, object_name
from meshtui.cli.flowfile import flow_to_json, verdict_to_json
from meshtui.cli.tables import laid_out
from meshtui.model.observation import Observation

_AGREES = {True: "= agrees", False: "≠ DISAGREES", None: "~ can't tell"}


def observation_to_json(observation: Observation) -> dict[str, Any]:
    """One probe answer (docs/contracts.md, probe)."""
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


COLUMNS = (
    Column("FROM", lambda row: end_name(row["flow"]["from"])),
    Column("TO", lambda row: end_name(row["flow"]["to"])),
    Column("PREDICTED", lambda row: f"{row['predicted']['verdict']} ({row['predicted']['outcome']})"),
    Column("BY", lambda row: object_name(row["predicted"]["decided_by"]) or "no policy"),
    Column("OBSERVED", lambda row: row["observed"]["outcome"]),
    Column("AGREES", lambda row: _AGREES[row["agrees"]]),
    Column("MS", lambda row: key("total_ms")(row["observed"]), wide=True),
    Column("POD", lambda row: object_name(row["pod"] and {**row["pod"], "kind": "pod"}), wide=True),
    Column("DETAIL", lambda row: row["observed"]["detail"]),
)


def observations_answer(observations: Sequence[Observation]) -> Answer:
    """The observations as an Answer; rows are flows. The JSON document is an object for one flow, an array for several."""
    rows = [observation_to_json(observation) for observation in observations]
    answer = Answer(rows[0] if len(rows) == 1 else rows, rows, COLUMNS)
    return Answer(answer.document, rows, COLUMNS, own={"text": lambda: laid_out(answer.rows(wide=False))})
