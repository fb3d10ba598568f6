"""GatewayClasses."""

from __future__ import annotations

from msgspec import field

from meshtui.kinds.convert import meta
from meshtui.kinds.kind import GATEWAY_API, GATEWAY_VERSIONS, Kind, Pairs, Role
from meshtui.kinds.wire import ObjectMeta, Wire
from meshtui.model import gateway as model


class GatewayClassSpec(Wire):
    """spec of a GatewayClass."""

    controller_name: str = ""


class GatewayClass(Wire):
    """The object: metadata and spec."""

    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    spec: GatewayClassSpec | None = None


def gateway_class(raw: GatewayClass, origin: str = "") -> model.GatewayClass:
    """Convert a GatewayClass to its name and controller."""
    spec = raw.spec or GatewayClassSpec()
    return model.GatewayClass(meta("GatewayClass", raw.metadata, namespaced=False, origin=origin), spec.controller_name)


KINDS = (
    Kind(
        "GatewayClass",
        GATEWAY_API,
        GATEWAY_VERSIONS,
        "gatewayclasses",
        "gateway_classes",
        GatewayClass,
        gateway_class,
        False,
        optional=True,
        role=Role.ROUTING,
        pairs=Pairs.EVERYBODY,
        reports=True,
    ),
)
