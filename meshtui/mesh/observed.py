"""Evidence of pods' capture in the logs of ztunnels and of istio-cni's agents."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from meshtui.engine import Engine
from meshtui.logs.cni_agent import AgentLine
from meshtui.model.constants import HBONE_PORT
from meshtui.model.denial import Denial, DenialKind
from meshtui.model.enrolment import Evidence, Seen
from meshtui.model.membership import was_captured
from meshtui.model.snapshot import Snapshot
from meshtui.model.verdict import Decision
from meshtui.model.workload import Pod

_STARTS = timedelta(seconds=30)
"""Lines about younger pods, and while a node's ztunnel is younger, show a start and no loss."""


def observed_in_logs(
    captured: Mapping[str, datetime], denials: Iterable[Denial], snapshot: Snapshot
) -> dict[str, list[Evidence]]:
    """Evidence by the pod's ``namespace/name``.

    ``captured`` is the last time at which a line shows a pod to be captured; ``denials`` are those of the same logs. What may
    have another cause isn't evidence: a pod that ends, one that starts, a node whose ztunnel is away.
    """
    found: dict[str, list[Evidence]] = defaultdict(list)
    for key, at in captured.items():
        pod = snapshot.pod_by_key.get(key)
        if pod is not None:
            found[key].append(Evidence(Seen.HBONE_LINE, True, "carried over HBONE with its identity", at, pod.node))
    served = _ztunnels_since(snapshot)
    engine: Engine | None = None
    for denial in denials:
        source, destination = (_pod(snapshot, *end) for end in zip(denial.pods, denial.addresses, strict=True))
        closed = denial.kind is DenialKind.HBONE_CLOSED and _is_steady(destination, denial.last, served)
        if closed and engine is None:
            engine = Engine(snapshot)
        if closed and engine is not None and _network_allows(engine, source, destination):
            words = f"connection refused on its port {HBONE_PORT}"
            found[denial.pods[1]].append(Evidence(Seen.REFUSED_15008, False, words, denial.last))
        rejected = denial.kind is DenialKind.REJECTED and denial.proxy == "ztunnel"
        # to a destination that was captured just then, the source's ztunnel speaks plaintext until istiod has told it
        steady = all(_is_steady(pod, denial.last, served) for pod in (source, destination))
        if rejected and not denial.identity and steady:
            words = f"called {denial.pods[1]} without an identity"
            found[denial.pods[0]].append(Evidence(Seen.NO_IDENTITY, False, words, denial.last))
    return found


def with_agents(
    observed: Mapping[str, Sequence[Evidence]], lines: Iterable[AgentLine], snapshot: Snapshot
) -> dict[str, list[Evidence]]:
    """The same with what istio-cni's agents say: the pods that they couldn't capture again, and didn't add since."""
    found = {key: list(several) for key, several in observed.items()}
    last: dict[str, AgentLine] = {}
    for line in sorted(lines, key=lambda each: each.at):
        last[line.pod] = line
    for key, line in last.items():
        pod = snapshot.pod_by_key.get(key)
        if pod is not None and not line.added and was_captured(pod):
            words = "istio-cni didn't find its network namespace"
            found.setdefault(key, []).append(Evidence(Seen.CNI_FAILED, False, words, line.at, pod.node))
    return found


def _pod(snapshot: Snapshot, key: str, address: str) -> Pod | None:
    """A pod of a line, unless its address is another one: a waypoint's, or that of a pod of the same name in another cluster."""
    pod = snapshot.pod_by_key.get(key)
    return pod if pod is not None and (not address or not pod.ips or address in pod.ips) else None


def _network_allows(engine: Engine, source: Pod | None, destination: Pod | None) -> bool:
    """Whether no network policy explains a refusal: some CNIs refuse what a policy denies, and don't drop it."""
    if source is None or destination is None:
        return True
    ends = engine.endpoint(source), engine.endpoint(destination)
    return engine.network(*ends, HBONE_PORT).decided.decision is Decision.ALLOW


def _ztunnels_since(snapshot: Snapshot) -> dict[str, datetime | None]:
    """The nodes with a ready ztunnel, each with the time since when it has one: its container may have been restarted."""
    since = [(pod.node, pod.ready_since or pod.meta.created) for pod in snapshot.ztunnels if pod.ready]
    return dict(sorted(since, key=lambda one: str(one[1]), reverse=True))


def _is_steady(pod: Pod | None, at: datetime, served: Mapping[str, datetime | None]) -> bool:
    """Whether a captured pod and its node's ztunnel had been there for a while at some time, and still are."""
    if pod is None or not was_captured(pod) or pod.deleting or not pod.ready or pod.node not in served:
        return False
    starts = (pod.meta.created, served[pod.node])
    return all(start is None or at - start >= _STARTS for start in starts)
