"""Faults of the mesh itself, which manifests can't express: ``faults`` of a scenario."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from meshtui.sandbox.ports import Obj

_WORKLOAD = r"^[a-z0-9-]+/[A-Za-z]+/[a-z0-9-]+$"
_Workload = Annotated[str, Field(pattern=_WORKLOAD)]


class _Fault(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LostRedirection(_Fault):
    """A pod isn't captured any more, though its annotation says so. Ends with the pod."""

    fault: Literal["lost-redirection"]
    of: _Workload
    """``NAMESPACE/KIND/NAME``: its first pod that is ready."""


class PendingPod(_Fault):
    """A pod's traffic is redirected to a proxy that can't start. Ends with the pod."""

    fault: Literal["pending-pod"]
    of: _Workload


class StuckRenewal(_Fault):
    """The certificate of a workload's identity isn't renewed on its node. Ends with that node's ztunnel, or istiod."""

    fault: Literal["stuck-renewal"]
    of: _Workload
    age_hours: int = Field(default=14, gt=12, lt=24)


class NodeBehind(_Fault):
    """The ztunnel of a workload's node takes no more policies. Ends with that ztunnel's pod."""

    fault: Literal["node-behind"]
    of: _Workload
    older: str
    """A file of the scenario's folder: policies in the state in which that ztunnel has them."""


class Nack(_Fault):
    """The ztunnel of a workload's node refuses a policy. Ends when the policy's spec changes."""

    fault: Literal["nack"]
    of: _Workload
    policy: str
    """``NAMESPACE/NAME``."""
    error: str = "decode error: unknown enumeration value 9"


class OldVersion(_Fault):
    """The first ztunnel of a node has another image than its DaemonSet says. Ends with that pod."""

    fault: Literal["old-dump"]
    node: str
    image: str


Fault = Annotated[
    LostRedirection | PendingPod | StuckRenewal | NodeBehind | Nack | OldVersion,
    Field(discriminator="fault"),
]


class Planned(BaseModel):
    """A fault, and the objects of its file."""

    model_config = ConfigDict(frozen=True)

    fault: Fault
    older: tuple[Obj, ...] = ()
