"""Where findings are: file, line and field of manifests; who changed an object of a cluster last, and when."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC
from typing import TYPE_CHECKING, Any

from meshtui.model.plain import clean

if TYPE_CHECKING:
    from meshtui.model.finding import Finding
    from meshtui.model.ids import ObjectRef
    from meshtui.model.meta import Meta
    from meshtui.model.snapshot import Snapshot
    from meshtui.sources.manifest_lines import Place


@dataclass(frozen=True, slots=True)
class Places:
    """Where the first objects of findings are. ``files`` has places in files, ``metas`` what a cluster says of objects."""

    files: Mapping[tuple[ObjectRef, str], Place] = field(default_factory=dict)
    metas: Mapping[ObjectRef, Meta] = field(default_factory=dict)

    def of(self, finding: Finding) -> Place | None:
        """The place in a file; None if there is none."""
        return self.files.get((finding.objects[0], finding.field)) if finding.objects else None

    def in_words(self, finding: Finding) -> str:
        """The place as ``file:line (field)``, or the last change, as one line; empty if nothing is known."""
        place, part = self.of(finding), f" ({finding.field})" if finding.field else ""
        if place is not None:
            return clean(f"{place.file}{f':{place.line}' if place.line else ''}{part}")
        meta = self.metas.get(finding.objects[0]) if finding.objects else None
        if meta is None or meta.changed is None:
            return f"in {finding.field}" if finding.field else ""
        by = f"last changed by {meta.manager}" if meta.manager else "created"
        return clean(f"{by} {meta.changed.astimezone(UTC):%Y-%m-%d %H:%M} UTC{part}")

    def to_json(self, finding: Finding) -> dict[str, Any]:
        """The place as JSON (docs/contracts.md, check)."""
        place = self.of(finding)
        meta = self.metas.get(finding.objects[0]) if finding.objects else None
        changed = meta.changed.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if meta is not None and meta.changed else None
        return {
            "file": place.file if place else None,
            "line": place.line or None if place else None,
            "field": finding.field or None,
            "changed_by": (meta.manager or None) if meta else None,
            "changed_at": changed,
        }


NOWHERE = Places()


def places_of(snapshot: Snapshot, findings: Iterable[Finding]) -> Places:
    """Where some findings are, in the files from which a Snapshot was read, or in its cluster."""
    from meshtui.kinds.registry import FIELDS, objects_in
    from meshtui.sources import manifest_lines

    several = [finding for finding in findings if finding.objects]
    if not snapshot.live:
        edited = [(edit.ref, "") for each in several if each.fix for edit in each.fix.edits if edit.create is None]
        return Places(manifest_lines.places_of(snapshot, [*((each.objects[0], each.field) for each in several), *edited]))
    wanted = {each.objects[0] for each in several}
    return Places(metas={each.meta.ref: each.meta for each in objects_in(snapshot, FIELDS) if each.meta.ref in wanted})
