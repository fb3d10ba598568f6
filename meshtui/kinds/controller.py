"""Controllers that create pods from a template: Deployments, ReplicaSets, StatefulSets, DaemonSets, Jobs, CronJobs."""

from __future__ import annotations

from functools import partial

from msgspec import field

from meshtui.kinds.convert import meta, optional_selector
from meshtui.kinds.kind import V1, Kind, Overlay, Pairs
from meshtui.kinds.pod import PodTemplate, owners, template
from meshtui.kinds.wire import LabelSelector, ObjectMeta, Wire
from meshtui.model import workload as model


class ControllerSpec(Wire):
    """spec of a Deployment, ReplicaSet, StatefulSet, DaemonSet or Job."""

    replicas: int | None = None
    completions: int | None = None
    selector: LabelSelector | None = None
    template: PodTemplate | None = None
    job_template: JobTemplate | None = None


class JobTemplate(Wire):
    """spec.jobTemplate of a CronJob."""

    spec: ControllerSpec | None = None


class ControllerStatus(Wire):
    """status of a controller."""

    ready_replicas: int | None = None
    number_ready: int | None = None
    desired_number_scheduled: int | None = None


class Controller(Wire):
    """The object: metadata, spec and status, for any of these kinds."""

    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    spec: ControllerSpec | None = None
    status: ControllerStatus | None = None


def controller(raw: Controller, kind: str, origin: str = "") -> model.Controller:
    """Convert a controller; ``kind`` is which of the six. The template of a CronJob is that of its Jobs."""
    spec, status = raw.spec or ControllerSpec(), raw.status or ControllerStatus()
    if spec.job_template is not None:
        spec = spec.job_template.spec or ControllerSpec()
    replicas = spec.replicas if spec.replicas is not None else spec.completions
    if kind == "DaemonSet":
        replicas = status.desired_number_scheduled
    return model.Controller(
        meta=meta(kind, raw.metadata, origin=origin),
        replicas=1 if replicas is None else replicas,
        ready_replicas=status.ready_replicas or status.number_ready or 0,
        selector=optional_selector(spec.selector),
        template=template(spec.template),
        owners=owners(raw.metadata),
    )


def _kind(name: str, group: str, plural: str) -> Kind:
    convert = partial(controller, kind=name)
    return Kind(name, group, V1, plural, "controllers", Controller, convert, overlay=Overlay.COMPUTED, pairs=Pairs.UNAFFECTED)


KINDS = (
    _kind("Deployment", "apps", "deployments"),
    _kind("ReplicaSet", "apps", "replicasets"),
    _kind("StatefulSet", "apps", "statefulsets"),
    _kind("DaemonSet", "apps", "daemonsets"),
    _kind("Job", "batch", "jobs"),
    _kind("CronJob", "batch", "cronjobs"),
)
