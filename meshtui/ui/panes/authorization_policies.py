"""AuthorizationPolicies: action, scope, what they select, and where they are enforced."""

from __future__ import annotations

from functools import partial

from meshtui.engine.explain.rules import authorization_rule_in_words
from meshtui.engine.matching.selectors import describe
from meshtui.engine.path.relations import pods_of_authorization_policy
from meshtui.engine.policy.authorization import l7_fields_of, reaches_ztunnel
from meshtui.findings.unseen import unseen
from meshtui.model.ids import ObjectRef, Uid
from meshtui.model.policy import AuthorizationPolicy
from meshtui.model.snapshot import Snapshot
from meshtui.model.workload import MeshMode, Pod
from meshtui.ui.denied import DENIED, denied_cell
from meshtui.ui.document import BAD, DIM, OK, WARN, Document, Line, Section, facts, line
from meshtui.ui.finding_marks import BADGE, badge_cell, findings_about
from meshtui.ui.panes.base import Pane, changed_cell, in_scope, workloads_hit
from meshtui.ui.view import View
from meshtui.ui.widgets.table import Cell, Column, Row

_COLUMNS = (
    BADGE,
    Column("NAMESPACE", keep=6, least=9, brief="NS"),
    Column("NAME", keep=9, least=14),
    Column("ACTION", keep=8, least=6),
    Column("SCOPE", keep=4, least=8),
    Column("SELECTS", keep=5, least=10),
    Column("PODS", keep=7, least=4, right=True),
    Column("ENFORCED BY", keep=6, least=8),
    DENIED,
    Column("CHANGED", keep=2, least=7),
)


def _scope(snapshot: Snapshot, policy: AuthorizationPolicy) -> str:
    if policy.target_refs:
        return "target"
    if policy.selector is not None:
        return "workload"
    return "mesh" if policy.meta.namespace == snapshot.mesh.root_namespace else "namespace"


def _selects(policy: AuthorizationPolicy) -> str:
    if policy.target_refs:
        return ", ".join(f"{ref.kind} {ref.name}" for ref in policy.target_refs)
    if policy.selector is None:
        return "all pods"
    return "nothing (empty selector)" if policy.selector.is_empty else describe(policy.selector)


def enforced_by(snapshot: Snapshot, policy: AuthorizationPolicy, pods: list[Pod]) -> Cell:
    """Where a policy is enforced; ``nobody`` where it has no effect."""
    if policy.target_refs:
        return Cell("waypoint")
    if policy.dry_run:
        return Cell("nobody (dry run)", WARN)
    if not reaches_ztunnel(policy):
        return Cell(f"nobody ({policy.action})", WARN)
    modes = {snapshot.mesh_mode(pod) for pod in pods}
    places = [word for mode, word in ((MeshMode.AMBIENT, "ztunnel"), (MeshMode.SIDECAR, "sidecar")) if mode in modes]
    if places:
        return Cell(" + ".join(places))
    return Cell("nobody (un-meshed)", WARN) if pods else Cell("nobody", WARN)


def _rows(view: View) -> list[Row]:
    session = view.session
    snapshot = session.snapshot
    rows, denied, seen, worst = [], session.denials.by_object(), view.shapes(), view.marks().worst
    everywhere = tuple(seen.values())
    with view.keeping(PANE.id) as kept:
        for policy in sorted(snapshot.authorization_policies.values(), key=lambda p: (p.meta.namespace, p.meta.name)):
            if not in_scope(session, policy.meta.namespace):
                continue
            root = policy.meta.namespace == snapshot.mesh.root_namespace
            mine, badge = denied_cell(denied, policy.meta.ref), badge_cell(worst, policy.meta.ref)
            made_of = (policy, everywhere if root else seen.get(policy.meta.namespace), snapshot.mesh, mine, badge)
            rows.append(kept.row(policy.meta.uid, made_of, partial(_row, snapshot, policy, mine, badge)))
    return rows


def _row(snapshot: Snapshot, policy: AuthorizationPolicy, denied: Cell, badge: Cell) -> Row:
    pods = pods_of_authorization_policy(snapshot, policy)
    return Row(
        policy.meta.uid,
        (
            badge,
            Cell(policy.meta.namespace),
            Cell(policy.meta.name),
            Cell(policy.action, {"ALLOW": OK, "DENY": BAD}.get(policy.action, WARN)),
            Cell(_scope(snapshot, policy), DIM),
            Cell(_selects(policy)),
            Cell(str(len(pods)), "" if pods or policy.target_refs else WARN),
            enforced_by(snapshot, policy, pods),
            denied,
            changed_cell(policy.meta),
        ),
    )


def _ref(view: View, uid: str) -> ObjectRef | None:
    session = view.session
    policy = session.snapshot.authorization_policies.get(Uid(uid))
    return policy.meta.ref if policy else None


def _detail(view: View, uid: str) -> Document:
    session = view.session
    snapshot = session.snapshot
    policy = snapshot.authorization_policies.get(Uid(uid))
    if policy is None:
        return Document("gone")
    pods = pods_of_authorization_policy(snapshot, policy)
    place = enforced_by(snapshot, policy, pods)
    overview = facts(
        ("action", policy.action),
        ("scope", _scope(snapshot, policy)),
        ("selects", _selects(policy)),
        ("enforced by", (place.text, place.tone)),
    )
    rules = []
    for index, rule in enumerate(policy.rules):
        rules.append(line((f"rules[{index}] ", DIM), f"{policy.action} {authorization_rule_in_words(rule)}"))
        l7 = l7_fields_of(rule)
        if l7 and not policy.target_refs:
            effect = "the whole rule is left out" if policy.action == "ALLOW" else "these fields are left out"
            rules.append(line((f"         ! ztunnel can't read {', '.join(l7)}: {effect}", WARN)))
    if not rules:
        effect = "nothing is allowed to what it selects" if policy.action == "ALLOW" else "it matches nothing"
        rules = [line((f"no rules: {effect}", WARN))]
    sections = [
        Section("", overview),
        *findings_about(view.last_marks, policy.meta.ref),
        Section("Rules", tuple(rules)),
    ]
    if pods:
        sections.append(Section("A change of it hits", workloads_hit(snapshot, pods)))
    sections.append(Section("Pods", _pods(snapshot, pods, "" if policy.target_refs else policy.meta.namespace)))
    if policy.unmodelled:
        sections.append(Section("Not understood", tuple(line((field, WARN)) for field in policy.unmodelled)))
    return Document(str(policy.meta.ref), tuple(sections))


def _pods(snapshot: Snapshot, pods: list[Pod], selects_in: str) -> tuple[Line, ...]:
    """The selected pods. ``selects_in`` is the policy's namespace; empty if it is attached to a waypoint."""
    lines = [line(f"{pod.namespace}/{pod.name}", (f"  {snapshot.mesh_mode(pod).value}", DIM)) for pod in pods[:30]]
    if len(pods) > 30:
        lines.append(line((f"and {len(pods) - 30} more", DIM)))
    if lines:
        return tuple(lines)
    if not selects_in:
        return (line(("attached to a waypoint: it selects no pods itself", DIM)),)
    return (line((f"selects no pod{unseen(snapshot, [selects_in])}", WARN)),)


PANE = Pane(
    id="authorizationpolicies",
    title="AuthorizationPolicies",
    aliases=("authorizationpolicies", "authorizationpolicy", "authz", "ap"),
    kind="AuthorizationPolicy",
    order=3,
    columns=_COLUMNS,
    glance=("", "NAMESPACE", "NAME", "ACTION", "PODS", "DENIED"),
    members=lambda snapshot: (policy.meta.namespace for policy in snapshot.authorization_policies.values()),
    rows=_rows,
    ref_of=_ref,
    detail=_detail,
)
