"""Proposed changes and their effect as JSON (docs/contracts.md, explain)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from meshtui.cli.diff_report import shift_to_json
from meshtui.engine.explain.changes import change_in_words
from meshtui.engine.explain.effect import Effect
from meshtui.engine.explain.proposals import Change
from meshtui.engine.whatif.shifts import Shift
from meshtui.model.ids import ObjectRef
from meshtui.sources.edits import patch_of

MOST_LISTED = 100
"""The maximum number of opened or closed flows in an answer; their number counts all."""


def proposal_to_json(change: Change) -> dict[str, Any]:
    """What one blocking step needs."""
    edit, hop = change.edit, change.hop
    return {
        "layer": change.layer.value,
        "hop": {"from": hop.source, "to": hop.destination, "port": hop.port or None, "protocol": hop.protocol},
        "objects": [_name(ref) for ref in change.objects],
        "code": change.why.code.value,
        "text": change_in_words(change),
        "object": None if edit is None else _name(edit.ref),
        "manifest": None if edit is None or edit.create is None else dict(edit.create),
        "patch": patch_of(edit) if edit is not None and edit.create is None else None,
        "placeholders": list(change.placeholders),
    }


def effect_to_json(effect: Effect | None) -> dict[str, Any] | None:
    """What all edits together would do; None without edits."""
    if effect is None:
        return None
    return {
        "verdict": effect.decision.value,
        "enough": effect.enough,
        "opens": _listed(effect.opens),
        "closes": _listed(effect.closes),
        "not_covered": list(effect.left_out),
    }


def _listed(shifts: Sequence[Shift]) -> dict[str, Any]:
    return {"count": len(shifts), "flows": [shift_to_json(shift) for shift in shifts[:MOST_LISTED]]}


def _name(ref: ObjectRef) -> dict[str, str]:
    return {"kind": ref.kind, "namespace": ref.namespace, "name": ref.name}
