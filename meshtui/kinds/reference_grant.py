"""ReferenceGrants: which objects of other namespaces may name objects of their own (Gateway API, ReferenceGrant)."""

from __future__ import annotations

from msgspec import field

from meshtui.kinds.convert import meta
from meshtui.kinds.kind import GATEWAY_API, Kind, Role
from meshtui.kinds.wire import ObjectMeta, Wire
from meshtui.model import gateway as model


class From(Wire):
    """spec.from[]."""

    group: str | None = None
    kind: str = ""
    namespace: str = ""


class To(Wire):
    """spec.to[]."""

    group: str | None = None
    kind: str = ""
    name: str | None = None


class GrantSpec(Wire):
    """spec of a ReferenceGrant."""

    from_: list[From] | None = field(default=None, name="from")
    to: list[To] | None = None


class ReferenceGrant(Wire):
    """The object: metadata and spec."""

    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    spec: GrantSpec | None = None


def reference_grant(raw: ReferenceGrant, origin: str = "") -> model.ReferenceGrant:
    """Convert a ReferenceGrant."""
    spec = raw.spec or GrantSpec()
    return model.ReferenceGrant(
        meta=meta("ReferenceGrant", raw.metadata, origin=origin),
        sources=tuple((each.kind, each.group or "", each.namespace) for each in spec.from_ or ()),
        targets=tuple((each.kind, _core(each.group), each.name or "") for each in spec.to or ()),
    )


def _core(group: str | None) -> str:
    return "" if group in {None, "core"} else group or ""


KINDS = (
    Kind(
        "ReferenceGrant",
        GATEWAY_API,
        ("v1beta1", "v1alpha2", "v1"),
        "referencegrants",
        "reference_grants",
        ReferenceGrant,
        reference_grant,
        optional=True,
        role=Role.ROUTING,
    ),
)
