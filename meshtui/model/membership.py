"""Which pods take part in the mesh by labels: what istio-cni captures, and into which pods Istio's webhook injects a sidecar.

Sources (istio/istio): manifests/charts/istio-control/istio-discovery/templates/mutatingwebhook.yaml (which pods the webhook
sees), pkg/kube/inject/inject.go injectRequired (which of them get a sidecar), pkg/kube/inject/initializer.go IgnoredNamespaces,
cni/pkg/util/podutil.go PodRedirectionEnabled (before 1.27) and the default of manifests/charts/istio-cni/values.yaml
ambient.enablementSelectors (1.27 and newer), which say the same. And podHasSidecar there: istio-cni leaves a pod alone that has
the annotation of an injected sidecar, and AnnotateEnrolledPod: it annotates those that it has captured (istio.io: ambient, add
workloads, pod selection logic).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from meshtui.model.reason import Code, Reason, because
from meshtui.model.workload import MeshMode, Pod

AMBIENT_REDIRECTION = "ambient.istio.io/redirection"
DNS_CAPTURE = "ambient.istio.io/dns-capture"
DATAPLANE_MODE = "istio.io/dataplane-mode"
INJECT = "sidecar.istio.io/inject"
INJECTED = "sidecar.istio.io/status"
"""The annotation that the injector adds to a pod with the sidecar."""
REVISION = "istio.io/rev"
_LEGACY, _DEFAULT = "istio-injection", "default"
_NEVER_INJECTED = frozenset({"kube-system", "kube-public", "kube-node-lease", "local-path-storage"})


@dataclass(frozen=True, slots=True)
class Installation:
    """How a mesh is installed, as far as it differs from Istio's defaults.

    ``revisions`` are the revisions and tags whose control planes are known; empty if no control plane is. ``injector`` and
    ``capture`` name the object and the field that changes what is injected, or what istio-cni captures.
    """

    revisions: frozenset[str] = frozenset()
    injects_by_default: bool = False
    """Whether namespaces without a label are injected (enableNamespacesByDefault)."""
    injector: str = ""
    capture: str = ""
    switches: frozenset[str] = frozenset()
    """The variables of istiod that an installer's object turns on."""
    no_dns_capture: str = ""
    """The object and the field that turn off that ztunnel answers ambient pods' requests for names (on since Istio 1.25)."""


@dataclass(frozen=True, slots=True)
class Membership:
    """The modes that a pod may have, the likeliest first, and why there are several.

    ``evaluable``: whether one of them holds. If not, the pod takes part in the mesh in a way that isn't modelled.
    """

    modes: tuple[MeshMode, ...]
    why: Reason | None = None
    evaluable: bool = True

    @property
    def is_open(self) -> bool:
        """Whether the pod's mode isn't known."""
        return len(self.modes) > 1 or not self.evaluable


def by_labels(pod: Pod, labels: Mapping[str, str] | None, installation: Installation) -> Membership:
    """The membership, by labels, of a pod that is neither a gateway nor on the host network, and has no sidecar.

    ``labels`` are those of its namespace; None if they aren't known.
    """
    captured, injected = _captured(pod, labels, installation), _injected(pod, labels, installation)
    outside = {True: (MeshMode.AMBIENT,), False: (MeshMode.NONE,), None: (MeshMode.NONE, MeshMode.AMBIENT)}[captured]
    if captured and _shows_no_capture(pod):
        outside = (MeshMode.WANTED,)
    if injected is None and labels is not None:
        modes = (MeshMode.SIDECAR, *outside)
    else:
        modes = {True: (MeshMode.SIDECAR,), False: outside, None: (*outside, MeshMode.SIDECAR)}[injected]
    return Membership(modes, _why(pod, labels, installation) if len(modes) > 1 else None)


def asks_for_mesh(labels: Mapping[str, str]) -> bool:
    """Whether labels of a namespace or pod, or a pod's annotations, ask for the mesh."""
    return bool(labels) and (
        labels.get(DATAPLANE_MODE) == "ambient"
        or labels.get(INJECT) == "true"
        or labels.get(_LEGACY) == "enabled"
        or REVISION in labels
        or labels.get(AMBIENT_REDIRECTION) == "enabled"
    )


def asks_for_sidecar(pod: Pod, namespace_labels: Mapping[str, str]) -> bool:
    """Whether labels ask for a sidecar: of the pod's namespace, unless the pod opts out, or its own where those say nothing."""
    never = pod.namespace in _NEVER_INJECTED or _wanted(pod) == "false"
    return not never and bool(_revision(pod, namespace_labels, by_default=False))


def injection_label(labels: Mapping[str, str]) -> str:
    """The label of a namespace for which its pods get sidecars, as KEY=VALUE; empty if there is none."""
    if _LEGACY in labels:
        return f"{_LEGACY}=enabled" if labels[_LEGACY] == "enabled" else ""
    return f"{REVISION}={labels[REVISION]}" if labels.get(REVISION) else ""


def wants_capture(pod: Pod, namespace_labels: Mapping[str, str]) -> bool:
    """Whether istio-cni captures a pod: labels ask for it, and nothing shows that a sidecar was injected."""
    return INJECTED not in pod.meta.annotations and asks_for_ambient(pod, namespace_labels)


def asks_for_ambient(pod: Pod, namespace_labels: Mapping[str, str]) -> bool:
    """Whether a pod's label asks for ambient, or that of its namespace does and its own isn't ``none``."""
    own = pod.labels.get(DATAPLANE_MODE)
    return own == "ambient" or (own != "none" and namespace_labels.get(DATAPLANE_MODE) == "ambient")


def was_captured(pod: Pod) -> bool:
    """Whether istio-cni's annotation says so, also in a dump of a live cluster.

    It says that the pod was captured once: the annotation stays when the redirection is lost, as after a reboot of the node
    (istio/istio issues 56652, 57285, 60882).
    """
    return pod.meta.annotations.get(AMBIENT_REDIRECTION) == "enabled"


def _shows_no_capture(pod: Pod) -> bool:
    """Whether a pod as an API server returned it runs and isn't annotated, which istio-cni does when it has captured a pod."""
    return bool(pod.meta.resource_version and pod.ips) and AMBIENT_REDIRECTION not in pod.meta.annotations


def asks_ztunnel_for_names(pod: Pod, installation: Installation) -> bool:
    """Whether ztunnel answers a captured pod's requests for names of Services; its annotation comes before the installation."""
    own = pod.meta.annotations.get(DNS_CAPTURE)
    return not installation.no_dns_capture if own is None else own == "true"


def is_half_captured(pod: Pod) -> bool:
    """Whether istio-cni's annotation says that a pod's traffic is redirected, and that no ztunnel has accepted it yet."""
    return pod.meta.annotations.get(AMBIENT_REDIRECTION) == "pending"


def _captured(pod: Pod, labels: Mapping[str, str] | None, installation: Installation) -> bool | None:
    if was_captured(pod):
        return True
    if INJECTED in pod.meta.annotations:
        return False
    if installation.capture:
        return None
    sure = wants_capture(pod, labels or {})
    return sure if sure or labels is not None or pod.labels.get(DATAPLANE_MODE) == "none" else None


def _injected(pod: Pod, labels: Mapping[str, str] | None, installation: Installation) -> bool | None:
    """Whether a sidecar is injected into a pod without one.

    One that istio-cni captured has none, and one that an API server returned has passed the webhook.
    """
    wanted = _wanted(pod)
    if pod.namespace in _NEVER_INJECTED or was_captured(pod) or pod.meta.resource_version or wanted == "false":
        return False
    if labels is None:
        return None
    revision = _revision(pod, labels, by_default=installation.injects_by_default)
    if not revision:
        return False
    if installation.injector and wanted != "true":
        return None
    return None if installation.revisions and revision not in installation.revisions else True


def _wanted(pod: Pod) -> str:
    """What a pod's label, or without one its annotation, says of injection."""
    return pod.labels.get(INJECT, pod.meta.annotations.get(INJECT, ""))


def _revision(pod: Pod, labels: Mapping[str, str], *, by_default: bool) -> str:
    """The revision or tag whose webhook sees a pod; empty for none. The pod's own label can't undo its namespace's.

    A pod's label ``true`` counts only where its namespace has neither label; an annotation never makes the webhook see a pod.
    """
    own = pod.labels.get(INJECT)
    if _LEGACY in labels:
        return _DEFAULT if labels[_LEGACY] == "enabled" else ""
    if REVISION in labels:
        return labels[REVISION]
    if REVISION in pod.labels:
        return pod.labels[REVISION]
    return _DEFAULT if own == "true" or (own is None and by_default) else ""


def _why(pod: Pod, labels: Mapping[str, str] | None, installation: Installation) -> Reason:
    if labels is None:
        return because(Code.NAMESPACE_NOT_KNOWN, namespace=pod.namespace)
    if _captured(pod, labels, installation) is None:
        return because(Code.MEMBERSHIP_CONFIGURED, by=installation.capture)
    if installation.injector and _wanted(pod) != "true":
        return because(Code.MEMBERSHIP_CONFIGURED, by=installation.injector)
    revision = _revision(pod, labels, by_default=installation.injects_by_default)
    return because(Code.REVISION_NOT_KNOWN, revision=revision, known=tuple(sorted(installation.revisions)))
