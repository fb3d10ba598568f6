"""Namespaces."""

from __future__ import annotations

from msgspec import field

from meshtui.kinds.convert import meta
from meshtui.kinds.kind import V1, Kind, Overlay, Pairs, Role
from meshtui.kinds.wire import ObjectMeta, Wire
from meshtui.model import workload as model
from meshtui.model.meta import METADATA_NAME


class Namespace(Wire):
    """The object: its metadata."""

    metadata: ObjectMeta = field(default_factory=ObjectMeta)


def namespace(raw: Namespace, origin: str = "") -> model.Namespace:
    """Convert a Namespace. Its name is added as the label kubernetes.io/metadata.name, which manifests may lack."""
    converted = meta("Namespace", raw.metadata, namespaced=False, origin=origin)
    if METADATA_NAME in converted.labels:
        return model.Namespace(converted)
    labels = {**converted.labels, METADATA_NAME: converted.name}
    return model.Namespace(meta("Namespace", _with_labels(raw.metadata, labels), namespaced=False, origin=origin))


def _with_labels(raw: ObjectMeta, labels: dict[str, str]) -> ObjectMeta:
    return ObjectMeta(
        name=raw.name,
        uid=raw.uid,
        labels=labels,
        annotations=raw.annotations,
        creation_timestamp=raw.creation_timestamp,
        resource_version=raw.resource_version,
        managed_fields=raw.managed_fields,
    )


KINDS = (
    Kind(
        "Namespace",
        "",
        V1,
        "namespaces",
        "namespaces",
        Namespace,
        namespace,
        False,
        role=Role.SCOPE,
        overlay=Overlay.COMPUTED,
        pairs=Pairs.MEMBERS,
        reports=True,
    ),
)
