"""The bookstore's acceptance criteria, tried one after the other, each with its evidence."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.events import Resize

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
from meshtui.ui.pictures import tiles
from meshtui.ui.pictures.tiles import Tile
from meshtui.ui.widgets.document_view import DocumentView
from meshtui.ui.widgets.footer import Footer
from meshtui.ui.widgets.picture import PictureView
from meshtui.ui.widgets.status import StatusBar
from meshtui.ui.widgets.tiles_view import TilesView

ReadEntries = Callable[[], list[Entry]]
"""Reads the expectations; raises MeshtuiError."""

_STATES = {
    State.WAITING: tiles.State.WAITING,
    State.RUNNING: tiles.State.RUNNING,
    State.PASS: tiles.State.PASS,
    State.FAIL: tiles.State.FAIL,
    State.SKIP: tiles.State.SKIP,
}
_LEAST_TEXT = 7
"""The rows that are left for the evidence below the tiles."""


class AcceptanceScreen(BuyingScreen):
    """Tries all criteria, after a confirmation (not in the sandbox). Below the tiles is the evidence of one of them."""

    PLACE = "acceptance"
    RUN = "acceptance"
    BINDINGS: ClassVar[list[BindingType]] = bindings("acceptance")

    def __init__(self, session: Session, read_entries: ReadEntries) -> None:
        super().__init__(session)
        self._read_entries = read_entries
        self._criteria = waiting(session.settings.checkout)

    @property
    def criteria(self) -> tuple[Criterion, ...]:
        """The criteria on the screen."""
        return self._criteria

    def compose(self) -> ComposeResult:
        """Header, tiles, evidence, footer."""
        yield StatusBar(id="status")
        yield TilesView(id="tiles")
        yield DocumentView(id="text")
        yield Footer()

    def focus_first(self) -> None:
        """Begin with the cursor on the tiles."""
        self.query_one(TilesView).focus()

    def on_resize(self, event: Resize) -> None:
        """Give the tiles the rows that they need at this size."""
        del event
        self._fit()

    def _fit(self) -> None:
        for view in self.query(TilesView):
            view.fit(self.size.width, self.size.height - 2 - _LEAST_TEXT)

    @on(PictureView.Moved)
    def _moved(self) -> None:
        self._show_evidence()

    @on(PictureView.Chosen)
    def _chosen(self) -> None:
        self.query_one(DocumentView).focus()

    def begin(self) -> None:
        """The first run."""
        self.action_again()

    def action_again(self) -> None:
        """Find the gateway, ask, try everything."""
        if not self._runs():
            for view in self.query(TilesView):
                view.follow()
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
            with session.doing("acceptance criteria tried") as outcome:
                criteria = await Acceptance(gateway, settings, engine, session.api(), entries, probe, self._show).run(
                    confirmation
                )
                passed = sum(each.state is State.PASS for each in criteria)
                outcome.says = f"{passed} of {len(criteria)} hold"
                outcome.failed = any(each.state is State.FAIL for each in criteria)
        except MeshtuiError as error:
            self._leave_out_the_rest()
            self._say(f"✗ {error}", BAD)
        except asyncio.CancelledError:
            self._leave_out_the_rest()
            if self.is_there:
                self.draw()
            raise

    def _leave_out_the_rest(self) -> None:
        """Nothing is tried any more: no tile waits for ever."""
        over = {State.WAITING, State.RUNNING}
        self._criteria = tuple(replace(each, state=State.SKIP) if each.state in over else each for each in self._criteria)

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
        for view in self.query(TilesView):  # none, while the screen is being closed
            view.show([Tile(each.id, each.id, each.title, _STATES[each.state]) for each in self._criteria])
        self._fit()
        self._show_evidence()

    def _show_evidence(self) -> None:
        for view in self.query(TilesView):
            here = view.item.id if view.item is not None else ""
            self._show_document(criteria_document(self._criteria, self._message, here))


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


def criteria_document(criteria: Sequence[Criterion], message: tuple[str, str], here: str) -> Document:
    """How many are met, the evidence of the one with the id ``here`` (or the first), then that of the others, worst first."""
    count = {state: sum(each.state is state for each in criteria) for state in State}
    done = f"{count[State.PASS]} passed, {count[State.FAIL]} failed, {count[State.SKIP]} skipped, of {len(criteria)}"
    tone = BAD if count[State.FAIL] else OK if count[State.PASS] == len(criteria) else PLAIN
    number, chosen = next(((n, each) for n, each in enumerate(criteria, 1) if each.id == here), (1, criteria[0]))
    glyph, how = tiles.MARKS[_STATES[chosen.state]]
    state = line((f"{glyph} {_STATES[chosen.state].value}", how))
    evidence = _evidence(chosen) or (line(("no evidence yet", DIM)),)
    summary = line((done, tone), (f" · {message[0]}" if message[0] else "", message[1]))
    sections = [Section("", (state, *evidence)), Section("", (summary,))]
    others = [(n, each) for n, each in enumerate(criteria, 1) if each.evidence and each is not chosen]
    for n, each in sorted(others, key=lambda item: item[1].state is State.PASS):
        glyph, _ = tiles.MARKS[_STATES[each.state]]
        sections.append(Section(f"{n} {glyph} {each.title}", _evidence(each)))
    return Document(f"{number} {chosen.title}", tuple(sections))


def _evidence(criterion: Criterion) -> tuple[Line, ...]:
    return tuple(line(text.replace("\t", " ")) for text in criterion.evidence)
