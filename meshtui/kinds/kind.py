"""The description of a Kubernetes kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

V1 = ("v1",)
ISTIO_SECURITY, ISTIO_VERSIONS = "security.istio.io", ("v1", "v1beta1")
ISTIO_NETWORKING, NETWORKING_VERSIONS = "networking.istio.io", ("v1", "v1beta1", "v1alpha3")
GATEWAY_API, GATEWAY_VERSIONS = "gateway.networking.k8s.io", ("v1", "v1beta1")


class Overlay(Enum):
    """How a manifest of this kind changes a Snapshot (``engine.whatif.overlay``)."""

    REPLACED = "the new object takes the place of the one with its name"
    COMPUTED = "more follows from it: pods from a template, capture from a namespace's label"


class Role(Enum):
    """What verdicts read from objects of a kind."""

    POLICY = "what may pass"
    ROUTING = "where traffic goes"
    SCOPE = "labels of what is in it"
    OTHER = "who is there, or nothing"


class Pairs(Enum):
    """Which verdicts of the matrix a change of such an object affects (``engine.matrix.touched``)."""

    UNAFFECTED = "nothing"
    MEMBERS = "the pods that it is, or that are in it, are judged anew"
    COMPARED = "the policy is compared with what it said, and those whom it selects are judged anew"
    NODES = "all are judged anew if an admin policy may select nodes"
    EVERYBODY = "all are judged anew: it changes seldom"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind: its API, its wire type, and its conversion to the model.

    ``field`` names the Snapshot's mapping, which several kinds may share; ``versions`` are API versions with the same fields, the
    preferred one first. ``convert`` converts a ``wire`` object to the model. For ``checked`` kinds, fields that the wire type
    doesn't have are reported; ``optional`` kinds may not be installed in a cluster. ``unreadable`` is for policies: the field
    values of the placeholder for a spec that can't be decoded, with which the policy makes verdicts unknown instead of being
    ignored. ``reports``: whether the conditions of its status are read.
    """

    name: str
    group: str
    versions: tuple[str, ...]
    plural: str
    field: str
    wire: type[Any]
    convert: Callable[..., Any]
    namespaced: bool = True
    checked: bool = False
    optional: bool = False
    role: Role = Role.OTHER
    overlay: Overlay = Overlay.REPLACED
    pairs: Pairs = Pairs.UNAFFECTED
    unreadable: Mapping[str, Any] | None = None
    reports: bool = False

    @property
    def path(self) -> str:
        """The path that lists the kind in the whole cluster."""
        return self.path_in(self.versions[0])

    def path_in(self, version: str, namespace: str = "") -> str:
        """The path that lists the kind in one namespace, or in the whole cluster."""
        root = f"/apis/{self.group}/{version}" if self.group else f"/api/{version}"
        return f"{root}/namespaces/{namespace}/{self.plural}" if namespace and self.namespaced else f"{root}/{self.plural}"

    @property
    def resource(self) -> str:
        """The resource in access reviews and error messages: plural.group."""
        return f"{self.plural}.{self.group}" if self.group else self.plural
