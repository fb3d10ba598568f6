"""Wire types that several kinds share, with only the fields that meshtui reads."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct


class Wire(Struct, rename="camel", gc=False):
    """Base of all wire types: camelCase names in JSON; unknown fields are ignored."""


class ManagedFields(Wire):
    """metadata.managedFields[]: who changed which fields, and when."""

    manager: str = ""
    time: datetime | None = None
    subresource: str = ""


class OwnerReference(Wire):
    """metadata.ownerReferences[]."""

    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool | None = None


class ObjectMeta(Wire):
    """metadata of an object."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    owner_references: list[OwnerReference] | None = None
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None
    resource_version: str = ""
    managed_fields: list[ManagedFields] | None = None


class Requirement(Wire):
    """matchExpressions[] of a selector."""

    key: str = ""
    operator: str = ""
    values: list[str] | None = None


class LabelSelector(Wire):
    """metav1.LabelSelector."""

    match_labels: dict[str, str] | None = None
    match_expressions: list[Requirement] | None = None


class WorkloadSelector(Wire):
    """Istio's selector: matchLabels only."""

    match_labels: dict[str, str] | None = None


class Condition(Wire):
    """status.conditions[]."""

    type: str = ""
    status: str = ""
    last_transition_time: str | None = None


class TargetRef(Wire):
    """targetRef and targetRefs[], and parentRefs[]."""

    group: str | None = None
    kind: str = ""
    name: str = ""
    namespace: str | None = None
    section_name: str | None = None
    port: int | None = None
