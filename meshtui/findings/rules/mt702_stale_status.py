"""MT702: an object was changed, and its controller hasn't seen the change."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.findings.status import is_stale, reported
from meshtui.model.finding import Severity
from meshtui.model.meta import Meta


def _look(context: Context) -> Iterator[Found]:
    """One finding for each object whose newest condition is older than the object; other controllers leave theirs behind."""
    objects: dict[str, Meta] = {}
    stale: dict[str, list[bool]] = defaultdict(list)
    for meta, condition in reported(context):
        if condition.observed is not None and meta.generation is not None:
            objects[meta.uid] = meta
            stale[meta.uid].append(is_stale(meta, condition))
    for uid, meta in objects.items():
        if all(stale[uid]):
            seen = max(condition.observed or 0 for condition in meta.conditions)
            yield Found(
                (meta.ref,),
                f"{meta.ref} is of generation {meta.generation}, and its status of generation {seen}",
                "the controller hasn't taken up the last change: what the proxies do is of an earlier version",
            )


RULE = Rule("MT702", "status of an earlier version", Severity.WARNING, _look, partial=True)
