"""NetworkPolicies: what they select, their directions, and whether they allow HBONE."""

from __future__ import annotations

from functools import partial

from meshtui.engine.explain.rules import network_rule_in_words
from meshtui.engine.matching.selectors import describe
from meshtui.engine.path.relations import directions, pods_of_network_policy
from meshtui.engine.policy.networkpolicy import Direction, allows_port, rules
from meshtui.findings.unseen import unseen
from meshtui.model.constants import HBONE_PORT
from meshtui.model.ids import ObjectRef, Uid
from meshtui.model.policy import NetworkPolicy
from meshtui.model.snapshot import Snapshot
from meshtui.ui.denied import DENIED, denied_cell
from meshtui.ui.document import BAD, DIM, OK, WARN, Document, Section, facts, line
from meshtui.ui.finding_marks import BADGE, badge_cell, findings_about
from meshtui.ui.panes.base import Pane, changed_cell, in_scope, workloads_hit
from meshtui.ui.view import View
from meshtui.ui.widgets.table import Cell, Column, Row

_COLUMNS = (
    BADGE,
    Column("NAMESPACE", keep=6, least=9),
    Column("NAME", keep=9, least=14),
    Column("SELECTS", keep=5, least=10),
    Column("PODS", keep=7, least=4, right=True),
    Column("DIRECTIONS", keep=6, least=7),
    Column("HBONE 15008", keep=8, least=11),
    DENIED,
    Column("CHANGED", keep=2, least=7),
)


def hbone(policy: NetworkPolicy, direction: Direction) -> str:
    """How far a policy allows HBONE in one direction: ``open``, ``some`` rules allow it, ``closed``."""
    entries = rules(policy, direction)
    opened = [allows_port(rule, HBONE_PORT, "TCP", None) for rule in entries]
    if not any(opened):
        return "closed"
    return "open" if all(opened) else "some"


def _hbone_cell(policy: NetworkPolicy) -> Cell:
    states = {direction: hbone(policy, direction) for direction in directions(policy)}
    if not states:
        return Cell("-", DIM)
    if len(set(states.values())) == 1:
        word = next(iter(states.values()))
        return Cell(word, {"open": OK, "closed": WARN}.get(word, ""))
    short = {Direction.INGRESS: "in", Direction.EGRESS: "out"}
    return Cell(", ".join(f"{short[d]} {state}" for d, state in states.items()), "")


def _rows(view: View) -> list[Row]:
    session = view.session
    snapshot = session.snapshot
    rows, denied, seen, worst = [], session.denials.by_object(), view.shapes(), view.marks().worst
    with view.keeping(PANE.id) as kept:
        for policy in sorted(snapshot.network_policies.values(), key=lambda p: (p.meta.namespace, p.meta.name)):
            if in_scope(session, policy.meta.namespace):
                mine, badge = denied_cell(denied, policy.meta.ref), badge_cell(worst, policy.meta.ref)
                made_of = (policy, seen.get(policy.meta.namespace), mine, badge)
                rows.append(kept.row(policy.meta.uid, made_of, partial(_row, snapshot, policy, mine, badge)))
    return rows


def _row(snapshot: Snapshot, policy: NetworkPolicy, denied: Cell, badge: Cell) -> Row:
    pods = pods_of_network_policy(snapshot, policy)
    return Row(
        policy.meta.uid,
        (
            badge,
            Cell(policy.meta.namespace),
            Cell(policy.meta.name),
            Cell(describe(policy.pod_selector)),
            Cell(str(len(pods)), "" if pods else WARN),
            Cell(", ".join(d.value for d in directions(policy)) or "none"),
            _hbone_cell(policy),
            denied,
            changed_cell(policy.meta),
        ),
    )


def _ref(view: View, uid: str) -> ObjectRef | None:
    session = view.session
    policy = session.snapshot.network_policies.get(Uid(uid))
    return policy.meta.ref if policy else None


def _detail(view: View, uid: str) -> Document:
    session = view.session
    policy = session.snapshot.network_policies.get(Uid(uid))
    if policy is None:
        return Document("gone")
    pods = pods_of_network_policy(session.snapshot, policy)
    sections = [Section("", facts(("selects", describe(policy.pod_selector)), ("pods", str(len(pods)))))]
    sections += findings_about(view.last_marks, policy.meta.ref)
    for direction in directions(policy):
        entries = rules(policy, direction)
        lines = [
            line((f"{direction.value}[{index}] ", DIM), f"allow {network_rule_in_words(rule, direction.value)}")
            for index, rule in enumerate(entries)
        ] or [line(("nothing is allowed", BAD))]
        state = hbone(policy, direction)
        words = {
            "open": ("HBONE (15008) is open: ztunnel carries every port through it", OK),
            "some": ("HBONE (15008) is open in some rules: between ambient pods only those count", WARN),
            "closed": ("HBONE (15008) is closed: ambient peers can't connect, whatever app port is open", WARN),
        }[state]
        sections.append(Section(direction.value.capitalize(), (*lines, line(words))))
    if pods:
        sections.append(Section("A change of it hits", workloads_hit(session.snapshot, pods)))
    members = [line(pod.name, (f"  {session.snapshot.mesh_mode(pod).value}", DIM)) for pod in pods[:30]]
    if len(pods) > 30:
        members.append(line((f"and {len(pods) - 30} more", DIM)))
    nobody = f"selects no pod{unseen(session.snapshot, [policy.meta.namespace])}"
    sections.append(Section("Pods", tuple(members) or (line((nobody, WARN)),)))
    if policy.unmodelled:
        sections.append(Section("Not understood", tuple(line((field, WARN)) for field in policy.unmodelled)))
    return Document(str(policy.meta.ref), tuple(sections))


PANE = Pane(
    id="networkpolicies",
    title="NetworkPolicies",
    aliases=("networkpolicies", "networkpolicy", "netpol", "np"),
    kind="NetworkPolicy",
    order=4,
    columns=_COLUMNS,
    members=lambda snapshot: (policy.meta.namespace for policy in snapshot.network_policies.values()),
    rows=_rows,
    ref_of=_ref,
    detail=_detail,
)
