"""Metadata that every object has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from meshtui.model.condition import Condition
from meshtui.model.ids import ObjectRef, Uid

METADATA_NAME = "kubernetes.io/metadata.name"
"""The label of every namespace, with its name."""
NO_LABELS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Meta:
    """An object's metadata.

    ``changed`` and ``manager`` are the newest managedFields entry that isn't a status update: who changed it last, and
    when. ``annotations`` of Pods hold only those that the mesh reads. ``origin`` is the file of a manifest, else empty.
    """

    kind: str
    namespace: str
    name: str
    uid: Uid
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    created: datetime | None = None
    changed: datetime | None = None
    manager: str = ""
    resource_version: str = ""
    origin: str = ""
    generation: int | None = field(default=None, compare=False)
    """How often the spec was written, and what ``conditions`` compare with; both only of kinds whose status is read."""
    conditions: tuple[Condition, ...] = field(default=(), compare=False)

    @property
    def ref(self) -> ObjectRef:
        """Kind, namespace and name."""
        return ObjectRef(self.kind, self.namespace, self.name)
