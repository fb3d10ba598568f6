"""Reads the few metrics of a ztunnel that say how it is, from OpenMetrics text (istio/ztunnel src/metrics)."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping

from meshtui.ztunnel.look import Metrics

_ACTIVE, _PENDING = "workload_manager_active_proxy_count", "workload_manager_pending_proxy_count"
_BUILD, _TERMINATIONS = "istio_build", "istio_xds_connection_terminations_total"
_SAMPLE = re.compile(rf"({_ACTIVE}|{_PENDING}|{_BUILD}|{_TERMINATIONS})(?:\{{(.*)\}})?\s+(\S+)")
"""A sample: name, labels and value. A timestamp may follow."""
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_ESCAPED = re.compile(r"\\(.)")
_LONGEST = 253
"""The most characters of a version that are kept."""
_REASONS = 32
"""The reasons for an end of the stream that are kept. ztunnel has four."""


def is_wanted(line: str) -> bool:
    """Whether a line is a sample that ``read_metrics`` reads."""
    return _SAMPLE.match(line) is not None


def read_metrics(lines: Iterable[str]) -> Metrics:
    """The numbers in the lines of ``/metrics``. Lines that can't be read are left out."""
    active: int | None = None
    pending: int | None = None
    version = ""
    terminations: dict[str, int] = {}
    for line in lines:
        found = _SAMPLE.match(line)
        count = _count(found[3]) if found else None
        if found is None or count is None:
            continue
        labels = _labels(found[2] or "")
        match found[1]:
            case name if name == _ACTIVE:
                active = (active or 0) + count
            case name if name == _PENDING:
                pending = (pending or 0) + count
            case name if name == _BUILD:
                version = version or labels.get("tag", "")[:_LONGEST]
            case _:
                reason = labels.get("reason", "")
                if reason in terminations or len(terminations) < _REASONS:
                    terminations[reason] = terminations.get(reason, 0) + count
    return Metrics(active, pending, "" if version == "unknown" else version, terminations)


def _labels(text: str) -> Mapping[str, str]:
    return {name: _ESCAPED.sub(_unescaped, value) for name, value in _LABEL.findall(text)}


def _unescaped(found: re.Match[str]) -> str:
    return "\n" if found[1] == "n" else found[1]


def _count(text: str) -> int | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return int(value) if math.isfinite(value) and value >= 0 else None
