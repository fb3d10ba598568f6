"""The bookstore's acceptance criteria, tried one after the other, each with its evidence."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

from textual import work
from textual.binding import BindingType

from meshtui.engine.expect.expectations import Entry, Expected, expand
from meshtui.journeys.bookstore.acceptance import Acceptance, Gateway, look_for_gateway
from meshtui.journeys.bookstore.criteria import Criterion, State, waiting
from meshtui.model.errors import MeshtuiError
from meshtui.model.observation import Observation
from meshtui.probe.plan import Plan, make_plan
from meshtui.screens.confirm import ConfirmScreen
from meshtui.session import Session
from meshtui.sources.kubernetes.writes import Confirmation
from meshtui.ui.actions import bindings
from meshtui.ui.buying import BuyingScreen, may_buy
from meshtui.ui.document import BAD, DIM, OK, PLAIN, STRONG, WARN, Document, Line, Section, facts, line

ReadEntries = Callable[[], list[Entry]]
"""Reads the expectations; raises MeshtuiError."""

_MARKS = {
    State.WAITING: ("  waiting", DIM),
    State.RUNNING: ("… running", WARN),
    State.PASS: ("✓ pass   ", OK),
    State.FAIL: ("✗ FAIL   ", BAD),
    State.SKIP: ("– skip   ", WARN),
}
"""A criterion's glyph, word and tone."""


class AcceptanceScreen(BuyingScreen):
    """Tries all criteria, after a confirmation (not in the sandbox)."""

    PLACE = "acceptance"
    BINDINGS: ClassVar[list[BindingType]] = bindings("acceptance")

    def __init__(self, session: Session, read_entries: ReadEntries) -> None:
        super().__init__(session)
        self._read_entries = read_entries
        self._criteria = waiting(session.settings.checkout)

    @property
    def criteria(self) -> tuple[Criterion, ...]:
        """The criteria on the screen."""
        return self._criteria

    def begin(self) -> None:
        """The first run."""
        self.action_again()

    def action_again(self) -> None:
        """Find the gateway, ask, try everything."""
        if not self._runs("acceptance"):
            self._try()

    @work(group="acceptance")
    async def _try(self) -> None:
        session = self._session
        settings = session.settings
        self._criteria = waiting(settings.checkout)
        self._say("… looking for the gateway", WARN)
        try:
            await may_buy(session, "nothing is tried")
            engine = session.engine
            entries = self._read_entries()
            gateway = await look_for_gateway(settings, engine)
            if self._left:
                return
            confirmation = await self._confirmed(gateway, entries)
            if confirmation is None:
                self._say("nothing was tried; r asks again", WARN)
                return

            async def probe(expected: Sequence[Expected]) -> Mapping[str, Observation]:
                seen = await session.probe(_plan(session, expected), confirmation)
                return {observation.flow.id: observation for observation in seen}

            self._say(f"at gateway {gateway}, host {settings.checkout.host}", DIM)
            await Acceptance(gateway, settings, engine, session.api(), entries, probe, self._show).run(confirmation)
        except MeshtuiError as error:
            self._say(f"✗ {error}", BAD)

    async def _confirmed(self, gateway: Gateway, entries: Sequence[Entry]) -> Confirmation | None:
        if self._session.label.sandbox:
            return Confirmation("the sandbox's shop")
        question = _question(self._session, gateway, entries)
        yes = await self.app.push_screen_wait(ConfirmScreen(question, yes="Try all"))
        return Confirmation("answered on the screen") if yes else None

    # ---- drawing

    def _show(self, criteria: tuple[Criterion, ...]) -> None:
        self._criteria = criteria
        self.draw()

    def draw(self) -> None:
        """Show what is known now."""
        self._show_document(criteria_document(self._criteria, self._message))


def _plan(session: Session, expected: Sequence[Expected]) -> Plan:
    flows = [each.flow for each in expected]
    return make_plan(session.engine, flows, session.settings.probe, any_method=session.label.sandbox)


def _question(session: Session, gateway: Gateway, entries: Sequence[Entry]) -> Document:
    checkout = session.settings.checkout
    try:
        plan = _plan(session, expand(session.engine, entries))
        probes = f"{plan.flows} flows from {len(plan.batches)} short-lived pods, up to {plan.seconds} s"
    except MeshtuiError as error:
        probes = f"nothing: {error}"
    where = facts(
        ("gateway", (str(gateway), STRONG)),
        ("host", checkout.host),
        ("context", session.label.context),
        ("buys", f"{checkout.quantity} of book {checkout.book}, as {checkout.username}"),
        ("probes", probes),
    )
    warning = line(("This places a real order. What is in that user's cart is thrown away first.", WARN))
    return Document("Try the acceptance criteria?", (Section("", where), Section("", (warning,))))


def criteria_document(criteria: Sequence[Criterion], message: tuple[str, str]) -> Document:
    """The criteria, one per line; then the evidence of each, failed ones first."""
    count = {state: sum(each.state is state for each in criteria) for state in State}
    done = f"{count[State.PASS]} passed, {count[State.FAIL]} failed, {count[State.SKIP]} skipped, of {len(criteria)}"
    tone = BAD if count[State.FAIL] else OK if count[State.PASS] == len(criteria) else PLAIN
    rungs = tuple(line(_MARKS[each.state], (f"  {number} ", DIM), each.title) for number, each in enumerate(criteria, 1))
    sections = [Section("", (line((done, tone)), line(message))), Section("", rungs)]
    shown = [each for each in enumerate(criteria, 1) if each[1].evidence]
    shown.sort(key=lambda item: item[1].state is State.PASS)
    sections += [Section(f"{number} {_MARKS[each.state][0].strip()}: {each.title}", _evidence(each)) for number, each in shown]
    return Document("Acceptance", tuple(sections))


def _evidence(criterion: Criterion) -> tuple[Line, ...]:
    return tuple(line(text.replace("\t", " ")) for text in criterion.evidence)
