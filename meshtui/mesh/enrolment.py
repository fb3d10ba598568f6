"""Whether ztunnel really carries each pod that should be in the mesh, by evidence that doesn't come from the annotation.

istio-cni's annotation stays when redirection is lost (istio/istio issues 61182, 60882, 56652), and ``protocol: HBONE`` in a dump
is set from it, so neither is evidence.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from meshtui.model.enrolment import SKEW, Capture, Enrolment, Evidence, Seen
from meshtui.model.ids import Uid
from meshtui.model.membership import is_half_captured, wants_capture, was_captured
from meshtui.model.snapshot import GATEWAY_LABELS, Snapshot
from meshtui.model.workload import Pod
from meshtui.ztunnel.look import MeshLook, NodeLook

GRACE = timedelta(seconds=30)
"""Younger pods aren't judged: istio-cni and ztunnel need a moment."""
_RECENT = timedelta(hours=1)
"""For how long an observation proves that a pod is captured: its redirection may be lost afterwards."""
_INDEPENDENT = (
    frozenset({Seen.ZTUNNEL_UP}),
    frozenset({Seen.HBONE_LINE, Seen.HBONE_CONNECTION}),
    frozenset({Seen.PROBE}),
)
"""Observations of one group have the same origin: two of them prove no more than one."""
_OF_ZTUNNEL = frozenset({Seen.ZTUNNEL_UP, Seen.ZTUNNEL_PENDING, Seen.ZTUNNEL_LACKS, Seen.HBONE_CONNECTION})
"""Observations that hold until the next look, whatever is observed elsewhere."""
_NOT_OF_LOGS = _OF_ZTUNNEL | {Seen.PROBE, Seen.PROBE_REFUSED, Seen.ANNOTATION_PENDING}
_OF_NOW = frozenset({Seen.ZTUNNEL_UP, Seen.HBONE_CONNECTION, Seen.PROBE})
"""Independent proofs of the moment of the look, or of a few minutes before."""
_PENDING = "istio-cni's annotation says pending"


def should_be_captured(snapshot: Snapshot, pod: Pod) -> bool:
    """Whether a pod's and its namespace's labels, or istio-cni's annotation, say that it is in the ambient mesh."""
    if pod.completed or pod.deleting or pod.host_network or pod.derived or pod.has_sidecar or pod.is_router:
        return False
    if pod.labels.keys() & GATEWAY_LABELS or snapshot.is_ztunnel(pod):
        return False
    if was_captured(pod) or is_half_captured(pod):
        return True
    namespace = snapshot.namespace_by_name.get(pod.namespace)
    # with other selectors than the defaults, labels don't show what istio-cni captures
    return not snapshot.installation.capture and wants_capture(pod, namespace.labels if namespace else {})


def supposed(snapshot: Snapshot) -> Counter[str]:
    """How many pods of each node should be captured by now: one without an address has no network yet."""
    return Counter(pod.node for pod in snapshot.pods.values() if pod.node and pod.ips and should_be_captured(snapshot, pod))


def enrolments(
    snapshot: Snapshot, look: MeshLook | None, observed: Mapping[str, Iterable[Evidence]], now: datetime
) -> dict[Uid, Enrolment]:
    """The enrolment of each pod that should be captured.

    ``look`` is the newest look at the ztunnels, if there is one; ``observed`` is evidence from logs and probes by the pod's
    ``namespace/name``.
    """
    by_node: dict[str, list[NodeLook]] = defaultdict(list)
    for each in look.nodes if look else ():
        if not _waits_for_pods(snapshot, each):
            by_node[each.node].append(each)
    found: dict[Uid, Enrolment] = {}
    for uid, pod in snapshot.pods.items():
        if should_be_captured(snapshot, pod):
            seen = _still(pod, observed.get(pod.key, ()), now)
            evidence = [*_of_annotation(pod), *_of_node(pod, by_node.get(pod.node, ())), *seen]
            found[uid] = judge(evidence, young=_is_young(pod, now))
    return found


def judge(evidence: Iterable[Evidence], *, young: bool = False) -> Enrolment:
    """The state that evidence shows. A ``young`` pod isn't called lost yet."""
    seen = tuple(evidence)
    kinds = {each.seen for each in seen}
    if Seen.ANNOTATION_PENDING in kinds and _outlived(seen):
        stale = f"{_PENDING}, and that is stale"
        return Enrolment(
            Capture.PROVEN,
            tuple(replace(each, says=True, text=stale) if each.seen is Seen.ANNOTATION_PENDING else each for each in seen),
        )
    if kinds & {Seen.ANNOTATION_PENDING, Seen.ZTUNNEL_PENDING}:
        return Enrolment(Capture.PENDING, seen)
    if any(not each.says for each in seen):
        return Enrolment(Capture.UNPROVEN if young else Capture.LOST, seen)
    proofs = sum(bool(kinds & group) for group in _INDEPENDENT)
    return Enrolment(Capture.PROVEN if proofs > 1 else Capture.UNPROVEN, seen)


def _outlived(seen: Iterable[Evidence]) -> bool:
    """Whether the pod is carried now, though its annotation still says pending: the annotation has no time.

    Two observations of this moment say so, and nothing else says no. Access lines may be older than the annotation.
    """
    others = [each for each in seen if each.seen is not Seen.ANNOTATION_PENDING]
    return all(each.says for each in others) and len({each.seen for each in others} & _OF_NOW) > 1


def renewed(
    known: Mapping[Uid, Enrolment], snapshot: Snapshot, observed: Mapping[str, Evidence], now: datetime
) -> dict[Uid, Enrolment]:
    """Enrolments with newer evidence from a probe, by the pod's ``namespace/name``; it replaces that of an earlier probe."""
    found = dict(known)
    for uid, enrolment in known.items():
        pod = snapshot.pods.get(uid)
        new = observed.get(pod.key) if pod is not None else None
        if pod is None or new is None:
            continue
        kept = [*_of_annotation(pod), *(each for each in enrolment.evidence if each.seen in _OF_ZTUNNEL)]
        others = [each for each in enrolment.evidence if each.seen not in _NOT_OF_LOGS]
        found[uid] = judge([*kept, *_still(pod, [*others, new], now)], young=_is_young(pod, now))
    return found


def _of_annotation(pod: Pod) -> Iterable[Evidence]:
    if is_half_captured(pod):
        yield Evidence(Seen.ANNOTATION_PENDING, False, _PENDING, node=pod.node)


def _of_node(pod: Pod, looks: Iterable[NodeLook]) -> Iterable[Evidence]:
    """What the dumps of the pod's node say; two ztunnels run there during a rollout, and one of them is enough."""
    lacking: list[Evidence] = []
    for look in looks:
        if look.dump is None or look.dump.enrolled is None:
            continue
        has = look.dump.enrolled.get(str(pod.uid))
        if has is None:
            # without an address it has no network yet, into which istio-cni could reach
            if look.at is not None and pod.ips and _age(pod, look.at) >= GRACE:
                words = f"the ztunnel on {pod.node} doesn't have it"
                lacking.append(Evidence(Seen.ZTUNNEL_LACKS, False, words, look.at, look.node))
            continue
        if not has.up:
            words = f"the ztunnel on {pod.node} can't start its proxy"
            yield Evidence(Seen.ZTUNNEL_PENDING, False, words, look.at, look.node)
            return
        yield Evidence(Seen.ZTUNNEL_UP, True, f"the ztunnel on {pod.node} has it", look.at, look.node)
        if has.secured:
            words = f"{has.secured} open HBONE connection{'s' if has.secured > 1 else ''}"
            yield Evidence(Seen.HBONE_CONNECTION, True, words, look.at, look.node)
        return
    yield from lacking[:1]


def _waits_for_pods(snapshot: Snapshot, look: NodeLook) -> bool:
    """Whether a ztunnel has no istio-cni agent yet, and so none of its pods. Where it can't be asked, its pod isn't ready."""
    if look.readiness is not None:
        return "workload proxy manager" in look.readiness.pending
    pod = snapshot.pod_by_key.get(look.pod)
    return pod is not None and not pod.ready


def _still(pod: Pod, observed: Iterable[Evidence], now: datetime) -> list[Evidence]:
    """The observations of this pod that none of the other kind has followed: capture may be lost, and repaired.

    A proof that is old shows nothing of now, and one from a clock that is ahead doesn't show that it followed anything. A loss
    from such a clock counts only if nothing shows the contrary.
    """
    mine = [each for each in observed if each.at is None or pod.meta.created is None or each.at >= pod.meta.created]
    ahead = [each for each in mine if not each.says and each.at is not None and each.at > now + SKEW]
    if ahead and any(each.says for each in mine):
        mine = [each for each in mine if not each.says and each not in ahead]  # which came first isn't known
    proofs = [each.at for each in mine if each.says and each.at is not None and each.at <= now + SKEW]
    newest = max(proofs, default=None)
    old = now - _RECENT
    losses = [each for each in mine if not each.says and (newest is None or each.at is None or each.at > newest)]
    kept = [*losses, *(each for each in mine if each.says and (each.at is None or each.at > old))]
    return [replace(each, at=now) if each.at is not None and each.at > now + SKEW else each for each in kept]


def _is_young(pod: Pod, now: datetime) -> bool:
    return _age(pod, now) < GRACE


def _age(pod: Pod, now: datetime) -> timedelta:
    return now - pod.meta.created if pod.meta.created is not None else GRACE
