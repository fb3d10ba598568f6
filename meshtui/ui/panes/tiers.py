"""The tiers of network policy, in the order of their evaluation: where Calico's policies are evaluated."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.engine.explain.own_rules import kind_in_words
from meshtui.engine.explain.selected import OfNetwork
from meshtui.engine.policy.own import policies_of_network
from meshtui.engine.policy.tiers import Action, OwnPolicies, Place
from meshtui.model.ids import ObjectRef
from meshtui.model.policy import AdminPolicy, ForeignPolicy
from meshtui.session import Session
from meshtui.ui.document import DIM, WARN, Document, Section, facts, line
from meshtui.ui.panes.base import Pane
from meshtui.ui.panes.network_policies import order_of, subject_of
from meshtui.ui.view import View
from meshtui.ui.widgets.table import Cell, Column, Row

_COLUMNS = (
    Column("", keep=8, least=2, right=True),
    Column("TIER", keep=9, least=12),
    Column("ORDER", keep=7, least=6, right=True),
    Column("AT ITS END", keep=8, least=12),
    Column("POLICIES", keep=8, least=8, right=True),
)


def _end(place: Place) -> tuple[str, str]:
    if place.admin or place.end is Action.PASS:
        return "pass", DIM
    return "deny", ""


def _members(session: Session, own: OwnPolicies, place: Place) -> list[OfNetwork]:
    """The evaluated policies of a tier, in their order."""
    found = [(key, policy) for policy in policies_of_network(session.snapshot) for key in _places_of(own, policy, place)]
    return [policy for _, policy in sorted(found, key=lambda each: each[0])]


def _places_of(own: OwnPolicies, policy: OfNetwork, place: Place) -> Iterator[tuple[float, str, str]]:
    """Where a policy is in a tier, if it is there."""
    ref = policy.meta.ref
    match policy:
        case AdminPolicy():
            if policy.tier == place.admin:
                yield float(policy.priority), ref.name, ref.namespace
        case ForeignPolicy():
            known = own.policies.get(policy.meta.uid)
            if known is not None and known.tier == place.name and not place.admin:
                yield known.order, ref.name, ref.namespace
        case _:
            if place.networkpolicies is not None:
                yield place.networkpolicies, ref.name, ref.namespace


def _rows(view: View) -> list[Row]:
    own = view.session.engine.own
    rows: list[Row] = []
    if own is None:
        return rows
    for number, place in enumerate(own.places, 1):
        order = "-" if place.title == place.name else f"{place.order:.15g}"
        cells = (Cell(str(number), DIM), Cell(place.name), Cell(order), Cell(*_end(place)))
        rows.append(Row(place.name, (*cells, Cell(str(len(_members(view.session, own, place)))))))
    return rows


def _detail(view: View, uid: str) -> Document:
    session, own = view.session, view.session.engine.own
    place = next((each for each in own.places if each.name == uid), None) if own is not None else None
    if place is None or own is None:
        return Document("gone")
    members = _members(session, own, place)
    said = {
        "deny": "what no rule of it matches is denied to the pods that a policy of it selects",
        "pass": "what no rule of it matches goes on to the next tier",
    }[_end(place)[0]]
    lines = []
    for policy in members:
        kind = kind_in_words(policy.meta.ref)
        where = f"{policy.meta.namespace}/" if policy.meta.namespace else ""
        lines.append(line((f"{order_of(session, policy)}  ", DIM), f"{kind} {where}{policy.meta.name}"))
        lines.append(line((f"    selects {subject_of(policy)}", DIM)))
    sections = [Section("", facts(("at its end", said)))]
    sections.append(Section("Policies, in this order", tuple(lines) or (line(("none", WARN)),)))
    return Document(f"Tier {place.title}", tuple(sections))


def _ref(view: View, uid: str) -> ObjectRef | None:
    """The Tier object; the tiers of admin policies, and an unwritten default tier, have none."""
    return next((tier.meta.ref for tier in view.session.snapshot.calico_tiers.values() if tier.meta.name == uid), None)


PANE = Pane(
    id="tiers",
    title="Tiers",
    aliases=("tiers", "tier"),
    kind="NetworkPolicy",
    order=7,
    columns=_COLUMNS,
    glance=("", "TIER", "ORDER", "AT ITS END", "POLICIES"),
    members=lambda _: (),
    counted=lambda view: len(_rows(view)),
    rows=_rows,
    ref_of=_ref,
    detail=_detail,
    nothing="no tiers: they are Calico's, and no policy of Calico's own kinds is evaluated here",
    tab=False,
)
