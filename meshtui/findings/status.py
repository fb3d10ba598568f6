"""What controllers report in the status of objects."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.findings.context import Context
from meshtui.kinds.registry import KINDS, objects_in
from meshtui.model.condition import Condition
from meshtui.model.meta import Meta

_REPORTING = tuple(sorted({kind.field for kind in KINDS.values() if kind.reports}))
_OF_OTHERS = frozenset({"Service", "Namespace"})
"""Kinds of which only Istio's own conditions are about the mesh."""


def reported(context: Context) -> tuple[tuple[Meta, Condition], ...]:
    """All conditions, with the metadata of their objects, sorted by object."""
    return context.once(_reported)


def _reported(context: Context) -> Iterator[tuple[Meta, Condition]]:
    metas = (each.meta for each in objects_in(context.snapshot, _REPORTING))
    for meta in sorted((meta for meta in metas if meta.conditions), key=lambda meta: meta.ref):
        for condition in meta.conditions:
            if meta.kind not in _OF_OTHERS or condition.type.startswith("istio.io/"):
                yield meta, condition


def is_stale(meta: Meta, condition: Condition) -> bool:
    """Whether a condition is about an earlier version of its object."""
    return condition.observed is not None and meta.generation is not None and condition.observed < meta.generation
