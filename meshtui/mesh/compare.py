"""One report of everything that the mesh's parts say against each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from meshtui.mesh.against_api import Comparison, cluster_of
from meshtui.mesh.between import ALL, WORDS, between_ztunnels
from meshtui.mesh.certificates import certificate_problems, certificates_unread, not_judged, undecided
from meshtui.mesh.compared import NONE, has_other_clusters
from meshtui.mesh.discovery import Seen
from meshtui.mesh.enrolment import enrolments, supposed
from meshtui.mesh.report import Between, Difference, MeshReport, NodeState
from meshtui.mesh.status import status_differences
from meshtui.mesh.versions import version_differences, version_of
from meshtui.model.enrolment import Capture, Enrolment, Evidence
from meshtui.model.snapshot import Snapshot
from meshtui.model.ztunnels import has_label, why_none
from meshtui.ztunnel.dump import NodeDump, Table
from meshtui.ztunnel.look import MeshLook, NodeLook, Sent, Synced

APART = timedelta(seconds=15)
"""The least time between two looks of which the second confirms the first: istiod sends changes within some seconds."""
_SOME = 3
"""So many pods that aren't taken for ztunnels are named."""
_POLICIES = "type.googleapis.com/istio.security.Authorization"
_BAD = frozenset({Capture.LOST, Capture.PENDING})
_EVERYTHING = frozenset(WORDS.values())
_STEADY = frozenset({Between.VERSIONS})
"""What one look shows for sure."""


def compare(
    snapshot: Snapshot | None,
    look: MeshLook,
    observed: Mapping[str, Iterable[Evidence]] | None = None,
    now: datetime | None = None,
) -> MeshReport:
    """Everything that one look shows; ``snapshot`` is what the API, or manifests, say, if that is known.

    ``observed`` is evidence of capture from logs and probes, by the pod's ``namespace/name``. ``now`` is the time with which
    certificates are compared; without it the time of each dump is.
    """
    live = snapshot is not None and snapshot.live
    domains = (snapshot.mesh.trust_domain, *snapshot.mesh.trust_domain_aliases) if snapshot and snapshot.mesh.found else ()
    certificates = certificate_problems(look.nodes, now, domains)
    comparison = Comparison(snapshot, now or look.at) if snapshot is not None else None
    api, left_out = _of_api(comparison, look, now or look.at) if comparison is not None else ((), ())
    differences = (
        *_not_told(between_ztunnels(look.nodes), api, _whole_lists(snapshot, look) if snapshot is not None else frozenset()),
        *api,
        *_of_istiod(look.synced or (), look.nodes),
        *version_differences(look.nodes, snapshot, look.istiod_versions),
    )
    found = enrolments(snapshot, look, observed or {}, now or look.at) if snapshot is not None and live else {}
    missing = (*look.missing, *_hidden(snapshot, look), *_not_taken(snapshot), *left_out)
    report = MeshReport(look.at, (), differences, certificates, found, missing)
    states = tuple(_states(snapshot if live else None, look, report, _not_compared(comparison, look)))
    return replace(report, nodes=states, undecided=undecided(look.nodes, domains))


def _not_told(between: Iterable[Difference], api: Sequence[Difference], lists: frozenset[str]) -> Iterator[Difference]:
    """The differences between ztunnels that the comparison with the API doesn't tell better.

    Where the API's objects show who is right, the others aren't wrong because they are fewer. ``lists`` are the lists of which
    they show everything.
    """
    told = {(each.node, each.name, each.field) for each in api}
    wrong: dict[str, set[str]] = {}
    for each in api:
        wrong.setdefault(each.name, set()).add(each.node)
    faulty = {each.node for each in api}
    for each in between:
        right = each.name in wrong and each.node not in wrong[each.name]
        whole = each.name in lists and each.node not in faulty
        if (each.node, each.name, each.field) not in told and not right and not whole:
            yield each


def _whole_lists(snapshot: Snapshot, look: MeshLook) -> frozenset[str]:
    """The lists of ztunnels of which the API's objects show everything; policies may come from another cluster's."""
    dump = next((each.dump for each in look.nodes if each.dump is not None), NodeDump())
    seen = Seen(snapshot)
    found = {"workloads": seen.reads_all("Pod"), "Services": seen.reads_all("Service")}
    from_here = seen.has_istiod or not has_other_clusters(dump, f"{cluster_of(dump)}//Pod/")
    found["policies"] = from_here and all(map(seen.reads_all, ("AuthorizationPolicy", "PeerAuthentication")))
    return frozenset(f"{ALL}{name}" for name, whole in found.items() if whole and not seen.config_doubt)


def _of_api(comparison: Comparison, look: MeshLook, now: datetime) -> tuple[tuple[Difference, ...], tuple[str, ...]]:
    """Where ztunnels differ from the API's objects and contradict their status; and what couldn't be compared, and why."""
    dumps = {each.node: each.dump for each in look.nodes if each.dump is not None and not each.dump.on_demand}
    found = [difference for node, dump in dumps.items() for difference in comparison.differences(dump, node)]
    left_out = dict.fromkeys(words for dump in dumps.values() for words in comparison.not_compared(dump))
    return (*found, *status_differences(comparison.snapshot, dumps, now)), tuple(left_out)


def confirmed(before: MeshReport, after: MeshReport) -> MeshReport:
    """The second of two reports, with the differences only that the first had too: what is on its way isn't drift.

    A certificate that was only just requested isn't a problem either, nor a pod that both don't call lost.
    """
    known = set(map(_sameness, before.differences))
    differences = tuple(each for each in after.differences if each.between in _STEADY or _sameness(each) in known)
    held = {(each.fault, each.node, each.identity) for each in before.certificates}
    certificates = tuple(each for each in after.certificates if (each.fault, each.node, each.identity) in held)
    enrolled = {uid: _confirmed(before.enrolments.get(uid), each) for uid, each in after.enrolments.items()}
    report = replace(after, differences=differences, certificates=certificates, enrolments=enrolled)
    return replace(report, nodes=tuple(_counted(each, report) for each in report.nodes))


def _sameness(each: Difference) -> tuple[object, ...]:
    """What two looks must have in common; of a ztunnel that has nothing not how many things it lacks: they come and go."""
    nothing = not each.field and each.found == NONE
    return each.key, "" if nothing else each.expected, each.found


def _confirmed(before: Enrolment | None, after: Enrolment) -> Enrolment:
    """The state of a pod after two looks. One that only the second calls lost or pending isn't yet."""
    before_too = before is not None and before.capture in _BAD
    return replace(after, capture=Capture.UNPROVEN) if after.capture in _BAD and not before_too else after


def is_calm(report: MeshReport) -> bool:
    """Whether one look is enough: nothing in it could be on its way."""
    lost = any(each.capture in _BAD for each in report.enrolments.values())
    return not lost and not report.certificates and all(each.between in _STEADY for each in report.differences)


def _hidden(snapshot: Snapshot | None, look: MeshLook) -> Iterator[str]:
    """Why there may be ztunnels although none was found."""
    scope = snapshot.kind_state("Pod").scope if snapshot is not None and snapshot.live else ""
    if scope and not look.nodes:
        yield f"there may be ztunnels that can't be seen: of pods only {scope} may be read"


def _not_compared(comparison: Comparison | None, look: MeshLook) -> dict[int, tuple[str, ...]]:
    """The lists of each dump, by its place, that are compared neither with another ztunnel's nor with the API, or not whole."""
    dumps = {place: each.dump for place, each in enumerate(look.nodes) if each.dump is not None and not each.dump.on_demand}
    several = Counter((dump.cluster_id, dump.network, table) for dump in dumps.values() for table in dump.tables)
    found = {}
    for place, dump in dumps.items():
        compared = {table for table in dump.tables if several[dump.cluster_id, dump.network, table] > 1}
        compared |= comparison.compared(dump) if comparison is not None else frozenset()
        left_out = {table: "" for table in Table if table not in compared}
        left_out |= {table: "some " for table in compared if dump.unread.get(table)}
        found[place] = tuple(f"{left_out[table]}{WORDS[table]}" for table in Table if table in left_out)
    return found


def _not_taken(snapshot: Snapshot | None) -> Iterator[str]:
    """The pods with the label of ztunnels that aren't taken for one, a few of them with the reason."""
    if snapshot is None or not snapshot.live:
        return
    labelled = (pod for pod in snapshot.pods.values() if has_label(pod.labels) and not pod.completed)
    reasons = {pod.key: why for pod in labelled if (why := why_none(pod, snapshot.ztunnel_namespaces))}
    for key in sorted(reasons)[:_SOME]:
        yield f"not taken for a ztunnel: {key} ({reasons[key]})"
    if len(reasons) > _SOME:
        yield f"not taken for ztunnels: {len(reasons) - _SOME} more pods with the label app=ztunnel"


def _states(
    snapshot: Snapshot | None, look: MeshLook, report: MeshReport, not_compared: Mapping[int, tuple[str, ...]]
) -> Iterator[NodeState]:
    counts = supposed(snapshot) if snapshot is not None else None
    synced = {each.proxy: each for each in look.synced or ()}
    seen = {each.node for each in look.nodes}
    for place, each in sorted(enumerate(look.nodes), key=lambda node: (node[1].node, node[1].pod)):
        state = _state(each, synced, counts[each.node] if counts is not None else None)
        left_out = not_compared.get(place)
        known = left_out is not None and set(left_out) != _EVERYTHING
        yield _counted(replace(state, drift=state.drift if known else None, not_compared=left_out or ()), report)
    if snapshot is None or counts is None or not Seen(snapshot).reads_all("Pod"):
        return  # a ztunnel may be there that can't be seen
    served = {pod.node for pod in snapshot.ztunnels}
    maybe = {pod.node for pod in snapshot.may_be_ztunnels}
    for node in sorted(set(counts) - seen - served):
        words = ("no ztunnel is known to run here" if node in maybe else "no ztunnel runs here",)
        yield NodeState(node, "", "", None, None, counts[node], None, 0, None, None, None, words)


def _state(look: NodeLook, synced: Mapping[str, Synced], supposed: int | None) -> NodeState:
    dump, metrics = look.dump, look.metrics
    captured = metrics.active_pods if metrics else None
    if dump is not None and dump.enrolled is not None:
        captured = sum(pod.up for pod in dump.enrolled.values())
    namespace, _, name = look.pod.partition("/")
    proxy = synced.get(f"{name}.{namespace}")
    return NodeState(
        node=look.node,
        ztunnel=look.pod or look.origin,
        version=version_of(look),
        ready=look.readiness.ready if look.readiness else None,
        captured=captured,
        supposed=supposed,
        certificates=len(dump.certificates) if dump is not None and not certificates_unread(dump) else None,
        faulty=0,
        drift=0 if dump is not None else None,
        behind=any(each.behind for each in proxy.resources) if proxy is not None else None,
        at=look.at,
        problems=(*look.problems, *(_problems(dump) if dump is not None else ())),
        unjudged=not_judged(dump).total() if dump is not None else 0,
    )


def _problems(dump: NodeDump) -> tuple[str, ...]:
    unjudged = (
        f"{why} in {count} certificate{'s' if count > 1 else ''}: whether valid isn't known"
        for why, count in not_judged(dump).items()
    )
    return (*_unread(dump), *unjudged)


def _unread(dump: NodeDump) -> tuple[str, ...]:
    if dump.on_demand:
        return (*dump.problems, "it asks istiod only for what its pods call, so its lists aren't compared")
    empty = all(table in dump.tables for table in Table) and not any(dump.tables.values())
    return dump.problems or (("it has nothing of istiod: no workload, Service or policy",) if empty else ())


def _counted(state: NodeState, report: MeshReport) -> NodeState:
    """A node's row with the numbers of a report's differences and certificates."""
    faulty = len({each.identity for each in report.certificates if each.node == state.node})
    drift = len({(each.between, each.name) for each in report.differences if each.node == state.node})
    return replace(state, faulty=faulty, drift=drift if state.drift is not None else None)


def _of_istiod(synced: Sequence[Synced], looks: Sequence[NodeLook]) -> Iterator[Difference]:
    """The updates that ztunnels have refused, or not acknowledged."""
    nodes = {look.pod: look.node for look in looks if look.pod}
    for proxy in synced:
        name, _, namespace = proxy.proxy.rpartition(".")
        node = nodes.get(f"{namespace}/{name}")
        if node is None:
            continue  # a sidecar or a waypoint
        for each in proxy.resources:
            if each.last_error:
                yield _refused(node, each)
            elif each.behind:
                yield _behind(node, each)


def _refused(node: str, sent: Sent) -> Difference:
    words = "it goes on with what it had before: newer policies and pods aren't known on this node"
    dangerous = sent.type_url == _POLICIES
    return Difference(
        Between.ISTIOD,
        node,
        f"update of {_kind(sent)}",
        "",
        "accepted",
        f"refused: {' '.join(sent.last_error.split())}",
        "istiod",
        dangerous=dangerous,
        consequence=words,
    )


def _behind(node: str, sent: Sent) -> Difference:
    words = "until it acknowledges them, this node goes on with what it had before"
    when = f" since {sent.sent_at:%H:%M:%S}" if sent.sent_at else ""
    return Difference(
        Between.ISTIOD,
        node,
        f"update of {_kind(sent)}",
        "",
        "acknowledged",
        f"not acknowledged{when}",
        "istiod",
        consequence=words,
    )


def _kind(sent: Sent) -> str:
    return {"Address": "workloads and Services", "Authorization": "policies"}.get(
        sent.type_url.rpartition(".")[2], sent.type_url or "a kind without a name"
    )
