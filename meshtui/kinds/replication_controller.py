"""ReplicationControllers, whose selector is a plain map of labels."""

from __future__ import annotations

from msgspec import field

from meshtui.kinds.controller import ControllerStatus
from meshtui.kinds.convert import meta
from meshtui.kinds.kind import V1, Kind, Overlay, Pairs
from meshtui.kinds.pod import PodTemplate, owners, template
from meshtui.kinds.wire import ObjectMeta, Wire
from meshtui.model import selectors
from meshtui.model import workload as model


class LegacySelectorSpec(Wire):
    """spec of a ReplicationController."""

    replicas: int | None = None
    selector: dict[str, str] | None = None
    template: PodTemplate | None = None


class ReplicationController(Wire):
    """The object: metadata, spec and status."""

    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    spec: LegacySelectorSpec | None = None
    status: ControllerStatus | None = None


def replication_controller(raw: ReplicationController, origin: str = "") -> model.Controller:
    """Convert a ReplicationController. ``replicas`` defaults to 1."""
    spec = raw.spec or LegacySelectorSpec()
    return model.Controller(
        meta=meta("ReplicationController", raw.metadata, origin=origin),
        replicas=1 if spec.replicas is None else spec.replicas,
        ready_replicas=(raw.status.ready_replicas or 0) if raw.status else 0,
        selector=selectors.LabelSelector(tuple(sorted(spec.selector.items()))) if spec.selector else None,
        template=template(spec.template),
        owners=owners(raw.metadata),
    )


KINDS = (
    Kind(
        "ReplicationController",
        "",
        V1,
        "replicationcontrollers",
        "controllers",
        ReplicationController,
        replication_controller,
        optional=True,
        overlay=Overlay.COMPUTED,
        pairs=Pairs.UNAFFECTED,
    ),
)
