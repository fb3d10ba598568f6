"""Policies of the network, of all kinds: what they select, their directions, and whether they allow HBONE."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from math import inf

from meshtui.engine.explain.own_rules import kind_in_words, rules_in_words, selected_in_words, short_kind
from meshtui.engine.explain.rules import admin_peer_in_words, admin_rule_in_words, network_rule_in_words
from meshtui.engine.explain.selected import OfNetwork
from meshtui.engine.matching.selectors import describe
from meshtui.engine.path.relations import directions
from meshtui.engine.policy.admin import rules_of
from meshtui.engine.policy.networkpolicy import Direction, allows_port, rules
from meshtui.engine.policy.own import policies_of_network
from meshtui.engine.policy.tiers import Action, OwnPolicy
from meshtui.findings.unseen import unseen
from meshtui.model.calico import CalicoPolicy
from meshtui.model.constants import HBONE_PORT
from meshtui.model.ids import ObjectRef, Uid
from meshtui.model.policy import AdminPolicy, ForeignPolicy, NetworkPolicy
from meshtui.model.snapshot import Snapshot
from meshtui.model.workload import Pod
from meshtui.session import Session
from meshtui.ui.denied import DENIED, denied_cell
from meshtui.ui.document import BAD, DIM, OK, WARN, Document, Line, Section, facts, line
from meshtui.ui.finding_marks import BADGE, badge_cell, findings_about
from meshtui.ui.panes.base import Pane, changed_cell, in_scope, workloads_hit
from meshtui.ui.view import View
from meshtui.ui.widgets.table import Cell, Column, Row

_MOST_PODS = 30
_COLUMNS = (
    BADGE,
    Column("KIND", keep=8, least=6, usual="NetworkPolicy"),
    Column("NAMESPACE", keep=6, least=9, brief="NS"),
    Column("NAME", keep=9, least=14, most=24),
    Column("ORDER", keep=5, least=8, usual="-", most=12),
    Column("SELECTS", keep=5, least=10, most=24),
    Column("PODS", keep=7, least=4, right=True),
    Column("DIRECTIONS", keep=6, least=7, brief="DIRS"),
    Column("HBONE 15008", keep=8, least=19),
    DENIED,
    Column("CHANGED", keep=2, least=7),
)
_NOT_EVALUATED = "not evaluated"


def hbone(policy: NetworkPolicy, direction: Direction) -> str:
    """How far a policy allows HBONE in one direction: ``open``, ``some`` rules allow it, ``closed``."""
    return _how_far([allows_port(rule, HBONE_PORT, "TCP", None) for rule in rules(policy, direction)])


def _how_far(opened: list[bool]) -> str:
    if not any(opened):
        return "closed"
    return "open" if all(opened) else "some"


def _hbone_states(policy: OfNetwork, own: OwnPolicy | None) -> dict[Direction, str]:
    """HBONE in the directions that a policy closes to what it doesn't allow."""
    if isinstance(policy, NetworkPolicy):
        return {direction: hbone(policy, direction) for direction in directions(policy)}
    if own is None:
        return {}
    states = {}
    for direction in (each for each in Direction if each in own.closes):
        rules_ = [rule for rule in own.rules.get(direction, ()) if rule.action is not Action.DENY]
        state = _how_far([rule.ports.contain(HBONE_PORT, "TCP", None) for rule in rules_])
        passes = any(rule.action is not Action.ALLOW or rule.doubt is not None for rule in rules_)
        states[direction] = "some" if state == "open" and passes else state
    return states


def _hbone_cell(states: dict[Direction, str]) -> Cell:
    if not states:
        return Cell("-", DIM)
    if len(set(states.values())) == 1:
        word = next(iter(states.values()))
        return Cell(word, {"open": OK, "closed": WARN}.get(word, ""))
    short = {Direction.INGRESS: "in", Direction.EGRESS: "out"}
    return Cell(", ".join(f"{short[d]} {state}" for d, state in states.items()), "")


def _own(session: Session, policy: OfNetwork) -> OwnPolicy | None:
    """A policy of a CNI's own kind as it is evaluated; None for other policies, and where it has no effect that is known."""
    own = session.engine.own
    return own.policies.get(policy.meta.uid) if own is not None and isinstance(policy, ForeignPolicy) else None


def is_evaluated(session: Session, policy: OfNetwork) -> bool:
    """Whether verdicts say what a policy decides."""
    own = session.engine.own
    return not isinstance(policy, ForeignPolicy) or (own is not None and policy.meta.uid in own.judged)


def order_of(session: Session, policy: OfNetwork) -> str:
    """The place of a policy among others: its tier, and its order or priority there; ``-`` where there is none."""
    if isinstance(policy, AdminPolicy):
        return f"{policy.tier} {policy.priority}"
    own = _own(session, policy)
    if own is not None and own.tier:
        return own.tier if own.order == inf else f"{own.tier} {own.order:.15g}"
    tiers = session.engine.own.places if isinstance(policy, NetworkPolicy) and session.engine.own is not None else ()
    return next((f"{tier.name} {tier.networkpolicies:.15g}" for tier in tiers if tier.networkpolicies is not None), "-")


def subject_of(policy: OfNetwork) -> str:
    """What a policy selects, in words."""
    match policy:
        case NetworkPolicy():
            return describe(policy.pod_selector)
        case AdminPolicy():
            return admin_peer_in_words(policy.subject)
        case _ if policy.own is not None:
            return selected_in_words(policy.own)
        case _ if policy.hosts_only:
            return "nodes"
        case _:
            return describe(policy.selector) if policy.selector is not None else "any pod"


def _directions(policy: OfNetwork, own: OwnPolicy | None) -> list[Direction]:
    match policy:
        case NetworkPolicy():
            return list(directions(policy))
        case AdminPolicy():
            return [direction for direction in Direction if rules_of(policy, direction)]
        case _:
            return [direction for direction in Direction if own is not None and direction in own.rules]


def _rows(view: View) -> list[Row]:
    session = view.session
    rows, denied, seen, worst = [], session.denials.by_object(), view.shapes(), view.marks().worst
    everywhere = tuple(seen.values())
    with view.keeping(PANE.id) as kept:
        for policy in sorted(policies_of_network(session.snapshot), key=_key):
            if in_scope(session, policy.meta.namespace) or not policy.meta.namespace:
                mine, badge = denied_cell(denied, policy.meta.ref), badge_cell(worst, policy.meta.ref)
                shape = seen.get(policy.meta.namespace) if policy.meta.namespace else everywhere
                made_of = (policy, shape, is_evaluated(session, policy), order_of(session, policy), mine, badge)
                rows.append(kept.row(policy.meta.uid, made_of, partial(_row, view, policy, mine, badge)))
    return rows


def _key(policy: OfNetwork) -> tuple[str, str, str]:
    return policy.meta.namespace, policy.meta.name, policy.meta.kind


def _row(view: View, policy: OfNetwork, denied: Cell, badge: Cell) -> Row:
    own, evaluated = _own(view.session, policy), is_evaluated(view.session, policy)
    pods, certain = view.selected().pods(policy)
    amount = Cell(f"{len(pods)}{'' if certain else '?'}", "" if pods else WARN) if evaluated else Cell("?", DIM)
    ways = ", ".join(d.value for d in _directions(policy, own)) or "none"
    short_ways = ways.replace(Direction.EGRESS.value, "out").replace(Direction.INGRESS.value, "in")
    return Row(
        policy.meta.uid,
        (
            badge,
            Cell(kind_in_words(policy.meta.ref), short=short_kind(policy.meta.ref)),
            Cell(policy.meta.namespace or "-", "" if policy.meta.namespace else DIM),
            Cell(policy.meta.name),
            Cell(order_of(view.session, policy)),
            Cell(subject_of(policy)),
            amount,
            Cell(ways, short=short_ways) if evaluated else Cell(_NOT_EVALUATED, WARN),
            _hbone_cell(_hbone_states(policy, own)),
            denied,
            changed_cell(policy.meta),
        ),
    )


def _found(session: Session, uid: str) -> OfNetwork | None:
    snapshot, key = session.snapshot, Uid(uid)
    return snapshot.network_policies.get(key) or snapshot.admin_policies.get(key) or snapshot.foreign.get(key)


def _ref(view: View, uid: str) -> ObjectRef | None:
    policy = _found(view.session, uid)
    return policy.meta.ref if policy else None


def _detail(view: View, uid: str) -> Document:
    session = view.session
    policy = _found(session, uid)
    if policy is None:
        return Document("gone")
    evaluated = is_evaluated(session, policy)
    pods, certain = view.selected().pods(policy)
    order = order_of(session, policy)
    said = [("selects", subject_of(policy))]
    said += [("order", order)] if order != "-" else []
    said += [("pods", f"{len(pods)}{'' if certain else ' at most: it is not known of all'}")] if evaluated else []
    sections = [Section("", facts(*said)), *findings_about(view.last_marks, policy.meta.ref)]
    if not evaluated:
        sections.append(_not_evaluated(session, policy))
    sections += _of_directions(session, policy)
    if evaluated and isinstance(policy, ForeignPolicy) and _own(session, policy) is None:
        refused = f"{session.snapshot.cni.title} refuses it, as it is written: it has no effect"
        sections.append(Section("Without effect", (line((refused, WARN)),)))
    elif evaluated:
        sections += _hit(session.snapshot, policy, pods)
    if not isinstance(policy, ForeignPolicy) and policy.unmodelled:
        sections.append(Section("Not understood", tuple(line((field, WARN)) for field in policy.unmodelled)))
    return Document(str(policy.meta.ref), tuple(sections))


def _not_evaluated(session: Session, policy: OfNetwork) -> Section:
    why = "verdicts that it may touch are unknown, with its name"
    fields: tuple[str, ...] = ()
    if isinstance(policy, ForeignPolicy) and policy.own is not None:
        fields = policy.own.unmodelled + (policy.own.for_hosts if isinstance(policy.own, CalicoPolicy) else ())
        if session.engine.own is None:
            why += "; its kind is evaluated where the CNI is certain (--cni)"
    lines = [line((why, WARN)), *(line((f"not evaluated: {field}", WARN)) for field in fields)]
    return Section("Not evaluated", tuple(lines))


def _of_directions(session: Session, policy: OfNetwork) -> Iterable[Section]:
    """The rules in each direction, and what that means for HBONE."""
    own = _own(session, policy)
    states = _hbone_states(policy, own)
    for direction in _directions(policy, own) or (Direction if isinstance(policy, ForeignPolicy) and policy.own else ()):
        lines = list(_rules(policy, direction))
        if not lines and direction in states:
            lines.append(line(("nothing is allowed", BAD)))
        if own is not None and own.tier:
            end = "closes" if direction in own.closes else "passes on"
            lines.append(line((f"what no rule of its tier matches: the tier {own.tier} {end}", DIM)))
        if direction in states:
            lines.append(line(_hbone_in_words(states[direction])))
        if lines:
            yield Section(direction.value.capitalize(), tuple(lines))


def _rules(policy: OfNetwork, direction: Direction) -> Iterable[Line]:
    match policy:
        case NetworkPolicy():
            for index, rule in enumerate(rules(policy, direction)):
                yield line((f"{direction.value}[{index}] ", DIM), f"allow {network_rule_in_words(rule, direction.value)}")
        case AdminPolicy():
            for index, entry in enumerate(rules_of(policy, direction)):
                words = admin_rule_in_words(entry, direction.value)
                yield line((f"{direction.value}[{index}] ", DIM), f"{entry.action.lower()} {words}")
        case _ if policy.own is not None:
            for place, action, words in rules_in_words(policy.own, direction.value):
                yield line((f"{place} ", DIM), f"{action.lower()} {words}")


def _hbone_in_words(state: str) -> tuple[str, str]:
    return {
        "open": ("HBONE (15008) is open: ztunnel carries every port through it", OK),
        "some": ("HBONE (15008) is open in some rules: between ambient pods only those count", WARN),
        "closed": ("HBONE (15008) is closed: ambient peers can't connect, whatever app port is open", WARN),
    }[state]


def _hit(snapshot: Snapshot, policy: OfNetwork, pods: list[Pod]) -> Iterable[Section]:
    """The workloads and pods that a policy selects."""
    if pods:
        yield Section("A change of it hits", workloads_hit(snapshot, pods))
    members = [
        line(pod.name if policy.meta.namespace else pod.key, (f"  {snapshot.mesh_mode(pod).value}", DIM))
        for pod in pods[:_MOST_PODS]
    ]
    if len(pods) > _MOST_PODS:
        members.append(line((f"and {len(pods) - _MOST_PODS} more", DIM)))
    home = [policy.meta.namespace] if policy.meta.namespace else []
    yield Section("Pods", tuple(members) or (line((f"selects no pod{unseen(snapshot, home)}", WARN)),))


PANE = Pane(
    id="networkpolicies",
    title="NetworkPolicies",
    aliases=("networkpolicies", "networkpolicy", "netpol", "np", "cnp", "ccnp", "gnp", "anp", "banp"),
    kind="NetworkPolicy",
    order=4,
    columns=_COLUMNS,
    glance=("", "NAMESPACE", "NAME", "KIND", "ORDER", "PODS", "HBONE 15008", "DENIED"),
    members=lambda snapshot: (policy.meta.namespace for policy in policies_of_network(snapshot)),
    rows=_rows,
    ref_of=_ref,
    detail=_detail,
    kinds={
        "cnp": "CiliumNetworkPolicy",
        "ccnp": "CiliumClusterwideNetworkPolicy",
        "gnp": "GlobalNetworkPolicy",
        "anp": "AdminNetworkPolicy",
        "banp": "BaselineAdminNetworkPolicy",
    },
)
