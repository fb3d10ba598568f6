"""What istiod sees of a Snapshot, and what of it is known well enough to predict what istiod does.

Source: istio/istio pkg/kube/namespace/filter.go (discoverySelectors), pilot/pkg/serviceregistry/ambient/ambientindex.go (which
objects are filtered by namespace, and Istio's own by the label istio.io/rev as well).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cached_property

from meshtui.model.membership import REVISION
from meshtui.model.meta import METADATA_NAME, Meta
from meshtui.model.selectors import matches_as_far_as_known
from meshtui.model.snapshot import KindStatus, Snapshot

_PRESENT = frozenset({KindStatus.SYNCED, KindStatus.NOT_INSTALLED})
SETTLING = timedelta(seconds=15)
"""How long istiod may take to send a change: it waits for further ones up to ten seconds."""


class Seen:
    """What istiod sees of a Snapshot."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self._namespaces: dict[str, bool | None] = {}

    @cached_property
    def config_doubt(self) -> str:
        """Why the mesh's configuration isn't known, or an empty string."""
        return self.snapshot.mesh.doubt or self.snapshot.mesh.unread

    @cached_property
    def has_istiod(self) -> bool:
        """Whether the control plane, and with it its switches, are in the Snapshot."""
        found = (c.template.labels.get("app") == "istiod" for c in self.snapshot.controllers.values())
        return any(found) or bool(self.snapshot.installation.switches)

    def namespace(self, name: str) -> bool | None:
        """Whether istiod looks into a namespace; None if that depends on labels that aren't known."""
        if name not in self._namespaces:
            self._namespaces[name] = self._discovers(name)
        return self._namespaces[name]

    def _discovers(self, name: str) -> bool | None:
        selectors = self.snapshot.mesh.discovery
        if not selectors:
            return True
        namespace = self.snapshot.namespace_by_name.get(name)
        labels, known = (namespace.labels, namespace.known) if namespace else ({METADATA_NAME: name}, False)
        found = {matches_as_far_as_known(selector, labels, known=known) for selector in selectors}
        return True if True in found else None if None in found else False

    def why_unread(self, kind: str) -> str:
        """Why the objects of a kind aren't known as they are now, or an empty string."""
        state = self.snapshot.kind_state(kind)
        if state.status not in _PRESENT or state.missing:
            return state.blind or state.message or state.status.value
        return ""

    def reads(self, kind: str) -> bool:
        """Whether the objects of a kind are known as they are now, at least those of some namespaces."""
        return not self.why_unread(kind)

    def reads_all(self, kind: str) -> bool:
        """Whether all objects of a kind are known as they are now; files needn't hold all that is in the cluster."""
        return self.snapshot.live and self.reads(kind) and not self.snapshot.kind_state(kind).scope


def of_revision(meta: Meta) -> bool:
    """Whether only the control planes of one revision read an object of Istio's: then it isn't known who does."""
    return REVISION in meta.labels


def is_recent(meta: Meta, now: datetime, within: timedelta = SETTLING) -> bool:
    """Whether an object was made or changed so recently that istiod may not have sent it yet."""
    return any(at is not None and now - at < within for at in (meta.created, meta.changed))
