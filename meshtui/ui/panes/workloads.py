"""Workloads, with their identities and mesh modes."""

from __future__ import annotations

from collections import Counter, defaultdict
from functools import partial

from meshtui.engine.path.relations import (
    authorization_policies_of,
    directions,
    flows_from,
    flows_to,
    network_policies_of,
)
from meshtui.engine.policy.unmodelled import USE_WAYPOINT
from meshtui.model.constants import MESHED
from meshtui.model.enrolment import Capture
from meshtui.model.flow import Flow
from meshtui.model.ids import ObjectRef, spiffe_id
from meshtui.model.snapshot import Snapshot
from meshtui.model.verdict import Decision
from meshtui.model.workload import MeshMode, Workload
from meshtui.session import Session
from meshtui.ui.denied import DENIED, denied_cell
from meshtui.ui.document import BAD, DIM, OK, WARN, Document, Line, Section, Word, facts, line
from meshtui.ui.finding_marks import BADGE, badge_cell, findings_about
from meshtui.ui.panes.base import Pane, in_scope, policies_known
from meshtui.ui.panes.mesh import enrolment_line
from meshtui.ui.panes.namespaces import MODES
from meshtui.ui.verdicts import VERDICTS
from meshtui.ui.view import View
from meshtui.ui.widgets.table import Cell, Column, Row

_COLUMNS = (
    BADGE,
    Column("NAMESPACE", keep=6, least=8, brief="NS", floor=5),
    Column("NAME", keep=9, least=14),
    Column("KIND", keep=3, least=6),
    Column("READY", keep=7, least=5, right=True, stays=True),
    Column("MESH", keep=10, least=8),
    Column("IDENTITY", keep=7, least=12, stays=True, floor=len("default")),  # the one that several share is never cut
    Column("!", keep=8, least=1),
    Column("WAYPOINT", keep=2, least=8),
    DENIED,
    Column("AGE", keep=1, least=3),
)
_SHORT_MODES = {
    MeshMode.AMBIENT: "amb",
    MeshMode.SIDECAR: "side",
    MeshMode.GATEWAY: "gw",
    MeshMode.WANTED: "!not",
    MeshMode.NONE: "none",
}
_SHORT_KINDS = {"Deployment": "deploy", "StatefulSet": "sts", "DaemonSet": "ds", "ReplicaSet": "rs", "CronJob": "cj"}
MOST_FLOWS = 100
"""Maximum number of flows that are evaluated for one detail; the text says how many there are."""


def shared_accounts(snapshot: Snapshot) -> set[tuple[str, str]]:
    """ServiceAccounts (namespace, name) that workloads of different names run as."""
    users: dict[tuple[str, str], set[ObjectRef]] = defaultdict(set)
    for workload in snapshot.workloads.values():
        for account in workload.service_accounts:
            users[workload.ref.namespace, account].add(workload.ref)
    return {account for account, refs in users.items() if len({ref.name for ref in refs}) > 1}


def _mark(workload: Workload, shared: set[tuple[str, str]], mode: MeshMode) -> str:
    """Peculiarities of a workload's identity: D default, S shared."""
    if mode is MeshMode.NONE:
        return ""
    marks = "D" if "default" in workload.service_accounts else ""
    if any((workload.ref.namespace, account) in shared for account in workload.service_accounts):
        marks += "S"
    return marks


def _mode(snapshot: Snapshot, workload: Workload) -> MeshMode:
    modes = {snapshot.mesh_mode(pod) for pod in workload.pods if not pod.completed}
    order = (MeshMode.WANTED, MeshMode.NONE, MeshMode.GATEWAY, MeshMode.SIDECAR, MeshMode.AMBIENT)
    return next((mode for mode in order if mode in modes), MeshMode.NONE)


def capture_of(snapshot: Snapshot, workload: Workload) -> Capture:
    """The worst state of capture of a workload's pods; without evidence it is unproven."""
    found = [snapshot.enrolments.get(pod.uid) for pod in workload.pods if not pod.completed]
    states = {each.capture if each is not None else Capture.UNPROVEN for each in found}
    order = (Capture.LOST, Capture.PENDING, Capture.UNPROVEN, Capture.PROVEN)
    return next((each for each in order if each in states), Capture.UNPROVEN)


def mesh_cell(snapshot: Snapshot, workload: Workload) -> Cell:
    """The mesh mode of a workload; in a live cluster a question mark says that only labels and annotation show its capture."""
    mode = _mode(snapshot, workload)
    if not snapshot.live or mode not in {MeshMode.AMBIENT, MeshMode.WANTED}:
        return _cell_of(mode)
    capture = capture_of(snapshot, workload)
    if capture in {Capture.LOST, Capture.PENDING}:
        return Cell(f"✗ {capture.value}", BAD, short=f"✗{capture.value[:4]}")
    if mode is MeshMode.AMBIENT and capture is Capture.UNPROVEN:
        return Cell("ambient?", "", short="amb?")
    return _cell_of(mode)


def _cell_of(mode: MeshMode) -> Cell:
    return Cell(*MODES[mode], short=_SHORT_MODES[mode])


def _waypoint(snapshot: Snapshot, workload: Workload) -> str:
    namespace = snapshot.namespace_by_name.get(workload.ref.namespace)
    own = next((pod.labels[USE_WAYPOINT] for pod in workload.pods if USE_WAYPOINT in pod.labels), None)
    return own or (namespace.labels.get(USE_WAYPOINT, "") if namespace else "")


def _rows(view: View) -> list[Row]:
    session = view.session
    snapshot = session.snapshot
    shared = shared_accounts(snapshot)
    denied, worst = session.denials.by_object(), view.marks().worst
    rows, enrolments = [], snapshot.enrolments
    with view.keeping(PANE.id) as kept:
        for ref, workload in sorted(snapshot.workloads.items(), key=lambda item: (item[0].namespace, item[0].name)):
            if not in_scope(session, ref.namespace):
                continue
            sharing = any((ref.namespace, account) in shared for account in workload.service_accounts)
            mine, badge = denied_cell(denied, ref), badge_cell(worst, ref)
            namespace = snapshot.namespace_by_name.get(ref.namespace)
            seen = tuple(enrolments.get(pod.uid) for pod in workload.pods) if enrolments else None
            made_of = (workload, namespace, snapshot.mesh, snapshot.live, seen, sharing, mine, badge)
            rows.append(kept.row(workload.uid, made_of, partial(_row, snapshot, workload, shared, mine, badge)))
    return rows


def _row(snapshot: Snapshot, workload: Workload, shared: set[tuple[str, str]], denied: Cell, badge: Cell) -> Row:
    ref, mode = workload.ref, _mode(snapshot, workload)
    total = workload.desired if workload.desired is not None else len(workload.pods)
    ready = workload.ready
    account = ",".join(workload.service_accounts) or "-"
    meshed, mark = mode in MESHED, _mark(workload, shared, mode)
    identity = f"spiffe://{snapshot.mesh.trust_domain}/ns/{ref.namespace}/sa/{account}" if meshed else f"unused: sa/{account}"
    return Row(
        workload.uid,
        (
            badge,
            Cell(ref.namespace),
            Cell(ref.name),
            Cell(ref.kind, DIM, short=_SHORT_KINDS.get(ref.kind, "")),
            Cell(f"{ready}/{total}", "" if ready >= total else WARN),
            mesh_cell(snapshot, workload),
            Cell(identity, (WARN if "D" in mark else "") if meshed else DIM, short=account if meshed else f"({account})"),
            Cell(mark, WARN),
            Cell(_waypoint(snapshot, workload) or "-", DIM),
            denied,
            Cell("", DIM, since=workload.created) if workload.created else Cell("-", DIM),
        ),
    )


def find(session: Session, uid: str) -> Workload | None:
    """The workload with a UID."""
    return next((w for w in session.snapshot.workloads.values() if w.uid == uid), None)


def _ref(view: View, uid: str) -> ObjectRef | None:
    session = view.session
    workload = find(session, uid)
    return workload.ref if workload else None


def _detail(view: View, uid: str) -> Document:
    session = view.session
    workload = find(session, uid)
    if workload is None:
        return Document("gone")
    snapshot = session.snapshot
    running = [pod for pod in workload.pods if not pod.completed]
    mode = _mode(snapshot, workload)
    sections = [*findings_about(view.last_marks, workload.ref), Section("Identity", _identity(snapshot, workload, mode))]
    if running:
        sections.append(Section("Selected by", _selected_by(session, workload)))
        sections.append(Section("May call", _flows(session, flows_from(snapshot, workload), outgoing=True)))
        sections.append(Section("Called by", _flows(session, flows_to(snapshot, workload), outgoing=False)))
    pods = tuple(
        line(
            pod.name,
            (f"  {pod.status}{'' if pod.ready else ', not ready'}", OK if pod.ready else WARN),
            (f"  {' '.join(pod.ips)} {pod.node}", DIM),
        )
        for pod in workload.pods[:20]
    )
    more = (line((f"and {len(workload.pods) - 20} more", DIM)),) if len(workload.pods) > 20 else ()
    sections.append(Section("Pods", (pods + more) or (line(("none: it has no pods now", WARN)),)))
    if running:
        sections.append(Section("Labels", tuple(line(f"{k}={v}") for k, v in sorted(running[0].labels.items()))))
    return Document(f"{workload.ref}", tuple(sections))


def _identity(snapshot: Snapshot, workload: Workload, mode: MeshMode) -> tuple[Line, ...]:
    if not workload.pods:
        return (line(("no pod runs, so nobody has its identity", DIM)),)
    identities = dict.fromkeys(snapshot.principal_of(pod) for pod in workload.pods if not pod.completed)
    lines = [line(spiffe_id(identity), ("" if mode in MESHED else "  (unused)", DIM)) for identity in identities]
    word, tone = MODES[mode]
    lines.extend(facts(("mesh", (word, tone))))
    if mode is MeshMode.WANTED:
        lines.append(line(("labelled for ambient, but its traffic is not captured: restart the pod, see istio-cni", WARN)))
    lines += _captures(snapshot, workload, mode)
    if "default" in workload.service_accounts and mode is not MeshMode.NONE:
        lines.append(line(("D  runs as ServiceAccount default: policies can't tell it from its neighbours", WARN)))
    shared = [w.ref.name for w in snapshot.workloads.values() if _shares(w, workload)]
    if shared and mode is not MeshMode.NONE:
        lines.append(line((f"S  shares its ServiceAccount with {', '.join(shared[:4])}", WARN)))
    return tuple(lines)


def _captures(snapshot: Snapshot, workload: Workload, mode: MeshMode) -> list[Line]:
    """Whether its pods' capture is proven, pod by pod where it was looked at."""
    running = [pod for pod in workload.pods if not pod.completed]
    if not snapshot.live or mode not in {MeshMode.AMBIENT, MeshMode.WANTED} or not running:
        return []
    looked = [(pod, snapshot.enrolments[pod.uid]) for pod in running if pod.uid in snapshot.enrolments]
    if not looked:
        return [line(("? only labels and annotation say that it is captured: 6 asks the ztunnels", DIM))]
    return [enrolment_line(pod, each) for pod, each in looked[:5]]


def _shares(other: Workload, workload: Workload) -> bool:
    same = other.ref.namespace == workload.ref.namespace and other.ref.name != workload.ref.name
    return same and bool(set(other.service_accounts) & set(workload.service_accounts))


def _selected_by(session: Session, workload: Workload) -> tuple[Line, ...]:
    """The policies that select its pods; if only some pods are selected, which."""
    snapshot = session.snapshot
    running = [pod for pod in workload.pods if not pod.completed]
    found: Counter[tuple[ObjectRef, str]] = Counter()
    for pod in running:
        for policy in network_policies_of(snapshot, pod):
            words = " and ".join(direction.value for direction in directions(policy))
            found[policy.meta.ref, words] += 1
        for authorization in authorization_policies_of(snapshot, pod):
            found[authorization.meta.ref, authorization.action] += 1
    lines = [
        line(ref, (f"  {words}", DIM), (f"  only {count} of {len(running)} pods" if count < len(running) else "", WARN))
        for (ref, words), count in found.items()
    ]
    missing = policies_known(session, "NetworkPolicy", "AuthorizationPolicy")
    if missing:
        lines.append(line((f"there may be more: {missing}", BAD)))
    return tuple(lines) or (line(("nothing: every policy layer lets everybody in and out", WARN)),)


def _flows(session: Session, flows: list[Flow], *, outgoing: bool) -> tuple[Line, ...]:
    """Flows with their verdicts, allowed ones first. Denied flows name the decider."""
    judged = [(flow, session.verdict(flow)) for flow in flows[:MOST_FLOWS]]
    order = (Decision.ALLOW, Decision.MIXED, Decision.UNKNOWN, Decision.DENY)
    judged.sort(key=lambda pair: order.index(pair[1].decision))
    lines = []
    for flow, verdict in judged:
        glyph, tone = VERDICTS[verdict.decision]
        peer = f"{flow.destination}:{flow.port}" if outgoing else f"{flow.source} → :{flow.port}"
        by = verdict.decided_by.ref if verdict.decided_by else None
        why = Word(f"  {by.name}", DIM, by) if by else ""
        lines.append(line((f"{glyph[0]}\u00a0", tone), Word(peer, link=flow), why))
    if len(flows) > MOST_FLOWS:
        lines.append(line((f"and {len(flows) - MOST_FLOWS} more that aren't shown", DIM)))
    return tuple(lines) or (line(("nobody else is here", DIM)),)


PANE = Pane(
    id="workloads",
    title="Workloads",
    aliases=(
        "workloads",
        "workload",
        "wl",
        "deploy",
        "deployments",
        "sts",
        "statefulsets",
        "ds",
        "daemonsets",
        "rs",
        "replicasets",
        "jobs",
        "cj",
        "cronjobs",
        "pods",
        "po",
    ),
    kind="Pod",
    order=2,
    columns=_COLUMNS,
    glance=("", "NAMESPACE", "NAME", "MESH", "IDENTITY", "!", "DENIED"),
    members=lambda snapshot: (ref.namespace for ref in snapshot.workloads),
    rows=_rows,
    ref_of=_ref,
    detail=_detail,
)
