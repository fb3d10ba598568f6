"""Comparison of a denial in a proxy's log with the predicted verdict. The log is evidence; a prediction is labelled as one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from meshtui.engine.explain.wording import in_words
from meshtui.engine.path.relations import workload_of
from meshtui.kinds.registry import MODELLED_POLICIES, objects_in
from meshtui.model.constants import HBONE_PORT, NETWORK_LAYERS
from meshtui.model.denial import BUCKET_S, WINDOW_S, Denial, DenialKind
from meshtui.model.errors import UsageError
from meshtui.model.flow import EndpointKind, FlowEndpoint
from meshtui.model.ids import ObjectRef, spiffe_id
from meshtui.model.policy import AdminPolicy, AuthorizationPolicy, NetworkPolicy, PeerAuthentication, RequestAuthentication
from meshtui.model.reason import Code
from meshtui.model.snapshot import Snapshot
from meshtui.model.verdict import Decider, Decision, StepResult, Verdict
from meshtui.model.workload import MeshMode

Policy = AuthorizationPolicy | PeerAuthentication | RequestAuthentication | NetworkPolicy | AdminPolicy
_GRACE = timedelta(seconds=10)
"""How long a proxy may take to receive a changed policy, plus the possible difference between clocks."""


class Agreement(Enum):
    """Whether the prediction agrees with the log."""

    AGREES = "agrees"
    DISAGREES = "disagrees"
    CHANGED = "changed"
    """The flow was denied, and something has changed since: there is nothing to compare."""
    UNKNOWN = "unknown"


class Cause(Enum):
    """Why a connection was denied, as far as the line and the snapshot show it."""

    POLICY = "policy"
    NO_IDENTITY = "no_identity"
    """A captured source came without an identity: its certificate isn't there, or its redirection is lost."""
    NETWORK_POLICY = "network_policy"
    NOT_CAPTURED = "not_captured"
    """Nobody listens on HBONE's port of a pod that all of the API calls captured: it isn't, or its node's ztunnel is away."""
    PROXY_CLOSED = "proxy_closed"
    """Nobody listens on HBONE's port of the waypoint or gateway before the destination: its pod isn't ready, or ends."""
    NO_ANSWER = "no_answer"
    """Nobody answered on HBONE's port, and no policy of the network explains it: a node, a security group, a lost packet."""
    CERTIFICATE = "certificate"
    """An end has no certificate, or one that the other end doesn't accept."""
    STATE = "state"
    """The ztunnel knows nothing of a pod of its own node: what istiod sent it is behind, or differs from the pod."""
    NOT_LISTENING = "not_listening"
    """The destination was reached, and nobody listens on the application's port."""
    DRAINING = "draining"
    """The pod or its ztunnel was ending."""
    UNKNOWN = "unknown"


_OF_FAILURES = {cause.value: cause for cause in (Cause.CERTIFICATE, Cause.STATE, Cause.NOT_LISTENING, Cause.DRAINING)}
"""The causes that a line alone shows, by the class of its failure (``meshtui.logs.failures``)."""
_REFUSALS = {"proxy_closed": Cause.PROXY_CLOSED, "refused": Cause.NOT_LISTENING}
"""The causes of failures that a line calls refused, if no network policy explains them."""
_ADVICE = {
    Cause.CERTIFICATE: "a certificate is missing, or isn't accepted: meshtui mesh certificates shows which",
    Cause.STATE: "its ztunnel doesn't know the pod: meshtui mesh drift shows what it has; a pod that just started needs a moment",
    Cause.NOT_LISTENING: "the application doesn't listen on that port: the mesh let it through",
    Cause.PROXY_CLOSED: f"the waypoint or gateway before it doesn't listen on {HBONE_PORT}: its pod isn't ready, or ends",
    Cause.DRAINING: "the pod or its ztunnel was ending, and closed what was open",
}
"""What a cause means, and what to look at next."""


@dataclass(frozen=True, slots=True)
class JudgedDenial:
    """A denial, and the engine's current verdict on its flow.

    ``decided_by`` and ``cause`` are evidence or a prediction that agrees with it, never a guess.
    ``decided_by`` is the policy that the log names; else, if the prediction agrees, the policy that it names. ``from_log`` is
    True when the log names it.
    """

    denial: Denial
    verdict: Verdict | None
    agreement: Agreement
    decided_by: Decider | None
    from_log: bool
    note: str = ""
    cause: Cause = Cause.UNKNOWN

    @property
    def evidence(self) -> str | None:
        """The origin of ``decided_by``: ``log`` or ``predicted``."""
        return None if self.decided_by is None else ("log" if self.from_log else "predicted")


@dataclass(frozen=True, slots=True)
class Times:
    """The known times of changes.

    ``policies`` is the time of the newest existing policy; ``verdict`` the last observed change of the flow's verdict;
    ``watched`` the time since which the cluster has been watched (None: it isn't watched, only read once).
    """

    policies: datetime | None = None
    verdict: datetime | None = None
    watched: datetime | None = None

    def changed_after(self, moment: datetime) -> bool:
        """Whether policy is known to have changed around this time or later."""
        return any(at is not None and moment <= at + _GRACE for at in (self.policies, self.verdict))


def judge_denial(denial: Denial, verdict: Verdict | None, snapshot: Snapshot, times: Times) -> JudgedDenial:
    """Compare a denial with the verdict on its flow."""
    agreement, note = _compare(denial, verdict, snapshot, times)
    cause = _cause(denial, snapshot, agreement, verdict)
    if cause is Cause.NO_IDENTITY:
        note = "its source is captured, but came without an identity: no certificate at that time, or its redirection is lost"
    if _is_refusal(denial) and not _network_allows(verdict, snapshot):
        note = _refused(denial, verdict, snapshot, agreement, note)
    elif denial.kind is DenialKind.HBONE_CLOSED:
        note = _closed(verdict)
    elif denial.kind is DenialKind.FAILED:
        note = _ADVICE.get(cause, "")
    if denial.named is not None:
        return JudgedDenial(denial, verdict, agreement, denial.named, from_log=True, note=note, cause=cause)
    predicted = _decider(verdict) if verdict is not None and agreement is Agreement.AGREES else None
    return JudgedDenial(denial, verdict, agreement, predicted, from_log=False, note=note, cause=cause)


def _cause(denial: Denial, snapshot: Snapshot, agreement: Agreement, verdict: Verdict | None) -> Cause:
    """The cause of a denial. Without an identity no rule for one matches (istio/ztunnel issue 1686)."""
    agrees = agreement is Agreement.AGREES
    if _is_refusal(denial) and not _network_allows(verdict, snapshot):
        return Cause.NETWORK_POLICY if agrees else Cause.UNKNOWN
    if denial.kind is DenialKind.FAILED:
        return _REFUSALS.get(denial.failure) or _OF_FAILURES.get(denial.failure, Cause.UNKNOWN)
    if denial.kind is DenialKind.TIMED_OUT:
        return Cause.NETWORK_POLICY if agrees else Cause.NO_ANSWER
    if denial.kind is DenialKind.HBONE_CLOSED:
        return Cause.NOT_CAPTURED if _is_captured(denial.destination, snapshot) else Cause.UNKNOWN
    rejected = denial.kind is DenialKind.REJECTED and denial.proxy == "ztunnel"
    if rejected and not denial.identity and _is_captured(denial.source, snapshot):
        return Cause.NO_IDENTITY
    said = denial.named is not None or denial.kind is DenialKind.POLICY_CHANGE
    return Cause.POLICY if agrees or said else Cause.UNKNOWN


def _is_refusal(denial: Denial) -> bool:
    """Whether a port refused the connection, or the CNI before it: some CNIs refuse what a policy denies (``Cni.rejects``)."""
    return denial.kind is DenialKind.HBONE_CLOSED or (denial.kind is DenialKind.FAILED and denial.failure in _REFUSALS)


def _network_allows(verdict: Verdict | None, snapshot: Snapshot) -> bool:
    """Whether it is known that no network policy explains a refusal."""
    if not (snapshot.network_policies or snapshot.admin_policies or snapshot.foreign) and snapshot.lists_all("NetworkPolicy"):
        return True
    if verdict is None or _network_denies(verdict):
        return False
    unknown = [each for each in _verdicts(verdict) if each.decision is Decision.UNKNOWN]
    # if evidence shows that the pod isn't captured, that is the reason; what proxies decide refuses no connection
    return all(any(step.reason.code is Code.CAPTURE_LOST for step in each.steps) or _only_proxies(each) for each in unknown)


def _only_proxies(verdict: Verdict) -> bool:
    """Whether a verdict is unknown only because of what proxies decide."""
    unknown = [step for step in verdict.steps if step.result is StepResult.UNKNOWN]
    return bool(unknown) and not any(step.layer in NETWORK_LAYERS for step in unknown)


def _network_denies(verdict: Verdict) -> bool:
    return any(each.decision is Decision.DENY and each.layer in NETWORK_LAYERS for each in _verdicts(verdict))


def _refused(denial: Denial, verdict: Verdict | None, snapshot: Snapshot, agreement: Agreement, why: str) -> str:
    """What is known of a refusal that a network policy may explain; ``why`` is why the prediction isn't known."""
    if verdict is None or not _network_denies(verdict):
        where = "at the waypoint or gateway before it" if _REFUSALS.get(denial.failure) is Cause.PROXY_CLOSED else "there"
        return f"it was refused: nobody listens {where}, or a network policy denies it{f' ({why})' if why else ''}"
    by, cni = _decider(verdict), snapshot.cni.title or "the CNI, which isn't known,"
    name = str(by.ref) if by else "a network policy"
    if agreement is Agreement.AGREES:
        return f"{name} denies it, and {cni} {'refuses' if snapshot.cni.rejects else 'may refuse'} what a policy denies"
    words = f"{name} denies it, says the prediction; {cni} isn't known to refuse what a policy denies"
    return f"{words} ({why})" if why else words


def _closed(verdict: Verdict | None) -> str:
    """What nobody on HBONE's port means, and what to do about it."""
    allowed = ", and policy lets it through" if verdict is not None and verdict.decision is Decision.ALLOW else ""
    return (
        f"nobody listens on {HBONE_PORT} there{allowed}: the pod isn't captured any more (restart the pod), "
        "or the ztunnel of its node is away or ending"
    )


def _is_captured(end: FlowEndpoint | None, snapshot: Snapshot) -> bool:
    """Whether all running pods of a workload are in ambient mode, by all that the API says."""
    if end is None or end.kind not in {EndpointKind.POD, EndpointKind.WORKLOAD}:
        return False
    try:
        pods = [pod for pod in workload_of(snapshot, end).pods if not pod.completed]
    except UsageError:
        return False
    return bool(pods) and all(snapshot.mesh_mode(pod) is MeshMode.AMBIENT for pod in pods)


def _compare(denial: Denial, verdict: Verdict | None, snapshot: Snapshot, times: Times) -> tuple[Agreement, str]:
    if denial.flow is None:
        return Agreement.UNKNOWN, "the log doesn't say enough to predict it"
    if verdict is None:
        return Agreement.UNKNOWN, "not judged: an end of it isn't there (any more)"
    identities = _identities(denial, snapshot)
    if denial.identity and identities and denial.identity not in identities:
        return Agreement.CHANGED, f"it was denied as {denial.identity}, and runs as {', '.join(sorted(identities))} now"
    if verdict.decision is Decision.UNKNOWN:
        return Agreement.UNKNOWN, in_words(verdict.reason)
    if denial.kind in {DenialKind.TIMED_OUT, DenialKind.HBONE_CLOSED, DenialKind.FAILED}:
        timed_out = denial.kind is DenialKind.TIMED_OUT
        agreement, why = _compare_timeout(verdict) if timed_out else (_compare_failure(denial, verdict, snapshot), "")
        newer = _newer_decider(verdict, snapshot, denial.last) if agreement is Agreement.AGREES else None
        return (Agreement.CHANGED, f"{newer} denies it now, and was written after it") if newer else (agreement, why)
    if verdict.decision is Decision.ALLOW:
        return _denied_all_the_same(denial, times)
    return _compare_deciders(denial, verdict)


def _newer_decider(verdict: Verdict, snapshot: Snapshot, moment: datetime) -> ObjectRef | None:
    """The policy that denies, if it was made or changed after a moment."""
    by = _decider(verdict)
    metas = (policy.meta for policy in policies_of(snapshot) if by is not None and policy.meta.ref == by.ref)
    return next((meta.ref for meta in metas if (at := meta.changed or meta.created) is not None and at > moment), None)


def _compare_failure(denial: Denial, verdict: Verdict, snapshot: Snapshot) -> Agreement:
    """No policy makes a certificate missing, but a CNI may refuse what a policy denies; one that isn't known, too."""
    refuses = snapshot.cni.rejects or not snapshot.cni.name
    return Agreement.AGREES if _is_refusal(denial) and _network_denies(verdict) and refuses else Agreement.UNKNOWN


def _denied_all_the_same(denial: Denial, times: Times) -> tuple[Agreement, str]:
    """The result for a denied flow that policy allows: policy may have changed, and a deleted policy leaves no trace."""
    if times.changed_after(denial.last):
        return Agreement.CHANGED, "policy lets it through now: something was changed about then, or after it"
    words = "policy lets it through, and it was denied all the same"
    if times.watched is None or denial.last < times.watched:
        words += " (unless a policy that denied it was deleted since)"
    return Agreement.DISAGREES, words


def _compare_timeout(verdict: Verdict) -> tuple[Agreement, str]:
    denied = [v for v in _verdicts(verdict) if v.decision is Decision.DENY]
    if any(v.layer in NETWORK_LAYERS for v in denied):
        return Agreement.AGREES, ""
    return Agreement.UNKNOWN, "no NetworkPolicy drops it: look at the network, and at what the CNI itself enforces"


def _compare_deciders(denial: Denial, verdict: Verdict) -> tuple[Agreement, str]:
    denied = [v for v in _verdicts(verdict) if v.decision is Decision.DENY]
    got_far = [v for v in denied if v.layer not in NETWORK_LAYERS]
    if denied and not got_far:
        by = _decider(verdict)
        name = f"{by.ref} drops it" if by else "a network policy drops it"
        return Agreement.DISAGREES, f"{name}, says the prediction, but it got as far as a {denial.proxy}"
    blocking = {
        decider.ref for v in got_far for step in v.steps if step.result is StepResult.BLOCK for decider in step.objects
    } | {v.decided_by.ref for v in got_far if v.decided_by}
    if denial.named is not None and denial.named.ref not in blocking:
        by = _decider(verdict)
        return Agreement.DISAGREES, f"the log names {denial.named.ref}, the prediction {by.ref if by else 'no policy'}"
    return Agreement.AGREES, ""


def _verdicts(verdict: Verdict) -> list[Verdict]:
    return [pair.verdict for pair in verdict.pairs] or [verdict]


def _decider(verdict: Verdict | None) -> Decider | None:
    if verdict is None:
        return None
    denied = (v for v in _verdicts(verdict) if v.decision is Decision.DENY)
    return next((v.decided_by for v in denied if v.decided_by), None)


def _identities(denial: Denial, snapshot: Snapshot) -> frozenset[str]:
    """The current identities of the source's pods; empty when they aren't known."""
    if denial.source is None or denial.source.kind not in {EndpointKind.POD, EndpointKind.WORKLOAD}:
        return frozenset()
    try:
        pods = workload_of(snapshot, denial.source).pods
    except UsageError:
        return frozenset()
    return frozenset(spiffe_id(snapshot.principal_of(pod)) for pod in pods if not pod.completed)


def policies_of(snapshot: Snapshot) -> Iterator[Policy]:
    """Every policy that the engine evaluates."""
    return objects_in(snapshot, MODELLED_POLICIES)


def newest_policy(snapshot: Snapshot) -> datetime | None:
    """The time of the last change of a policy, as far as the existing objects show it."""
    times = (policy.meta.changed or policy.meta.created for policy in policies_of(snapshot))
    return max((at for at in times if at is not None), default=None)


@dataclass(frozen=True, slots=True)
class DeniedCount:
    """Recent denials of one object: a workload's by direction, a policy's by whether the log or a prediction names it."""

    outgoing: int = 0
    incoming: int = 0
    logged: int = 0
    predicted: int = 0
    slots: tuple[int, ...] = ()
    """All of them by time: equal parts of ``WINDOW_S`` seconds, the oldest first."""


SLOTS = 10
"""So many parts of the time are counted apart."""


def count_by_object(judged: Iterable[JudgedDenial], since: datetime) -> dict[ObjectRef, DeniedCount]:
    """Recent, certain denials by workload and by deciding policy."""
    found: dict[ObjectRef, DeniedCount] = {}

    def add(ref: ObjectRef, outgoing: int = 0, incoming: int = 0, logged: int = 0, predicted: int = 0) -> None:
        old = found.get(ref, DeniedCount(slots=(0,) * SLOTS))
        slots = tuple(map(sum, zip(old.slots, times, strict=True)))
        numbers = old.outgoing + outgoing, old.incoming + incoming, old.logged + logged, old.predicted + predicted
        found[ref] = DeniedCount(*numbers, slots)

    for each in judged:
        denial = each.denial
        number = denial.since(since)
        if not number or not (denial.kind.certain or each.agreement is Agreement.AGREES):
            continue
        times = _by_slot(denial, since)
        for end, outgoing in ((denial.source, True), (denial.destination, False)):
            if end is not None and end.kind in {EndpointKind.POD, EndpointKind.WORKLOAD}:
                ref = ObjectRef(end.owner_kind or "Pod", end.namespace, end.name)
                add(ref, outgoing=number * outgoing, incoming=number * (not outgoing))
        if each.decided_by is not None:
            add(each.decided_by.ref, logged=number * each.from_log, predicted=number * (not each.from_log))
    return found


def _by_slot(denial: Denial, since: datetime) -> tuple[int, ...]:
    """The denials since a moment, in ``SLOTS`` parts of the window."""
    slots, start = [0] * SLOTS, since.timestamp()
    for at, number in denial.recent:
        if at > start - BUCKET_S:
            slots[min(SLOTS - 1, max(0, int((at - start) * SLOTS // WINDOW_S)))] += number
    return tuple(slots)
