"""One purchase, updated live: each step with source and destination, the stock, and the reason of a failure."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import ClassVar

from textual import work
from textual.binding import BindingType

from meshtui.journeys.bookstore.builds import BOOKSTORE
from meshtui.journeys.bookstore.buy import Buyer
from meshtui.journeys.bookstore.data import checkout_journey
from meshtui.journeys.bookstore.evidence import gather
from meshtui.journeys.bookstore.shop import find_gateway
from meshtui.journeys.bookstore.trace import RESERVE, Explanation, StepState, Trace
from meshtui.journeys.bookstore.values import values
from meshtui.journeys.report import all_over
from meshtui.journeys.run import values_of
from meshtui.model.errors import MeshtuiError
from meshtui.model.ids import ObjectRef
from meshtui.model.redact import redact
from meshtui.screens.confirm import ConfirmScreen
from meshtui.screens.follow import follow
from meshtui.session import Session
from meshtui.settings import Settings
from meshtui.sources.kubernetes.writes import Confirmation
from meshtui.ui.actions import bindings
from meshtui.ui.buying import may_buy
from meshtui.ui.diagram_screen import DiagramScreen
from meshtui.ui.document import BAD, DIM, OK, STRONG, WARN, Document, Line, Section, facts, line
from meshtui.ui.links import Link
from meshtui.ui.pictures.gauge import Gauge, Level
from meshtui.ui.pictures.sequence import Diagram
from meshtui.ui.run_steps import further_section, rung
from meshtui.ui.sequences import Plan, diagram_of, further_stoppers, plan_of, stoppers

_MOST = 100
_OPENED = 9


class CheckoutScreen(DiagramScreen):
    """Buys a book at the cluster's bookstore, after a confirmation (not in the sandbox)."""

    PLACE = "checkout"
    RUN = "purchase"
    BINDINGS: ClassVar[list[BindingType]] = bindings("checkout")

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._quantity = session.settings.checkout.quantity
        self._trace: Trace | None = None
        self._plan: Plan | None = None

    @property
    def trace(self) -> Trace | None:
        """The purchase on the screen."""
        return self._trace

    def begin(self) -> None:
        """The first run."""
        self.action_buy()

    def action_buy(self) -> None:
        """Find the gateway, ask, buy. A purchase that is finished doesn't keep the next one waiting."""
        if (self._trace is not None and self._trace.finished) or not self._runs():
            self.stopped = ()
            self._trace = self._plan = None
            self._follow()
            self._buy()

    @work(group="purchase")
    async def _buy(self) -> None:
        session, quantity = self._session, self._quantity
        self._say("… looking for the gateway", WARN)
        try:
            await may_buy(session, "nothing is bought")
            settings = _with_quantity(session.settings, quantity)
            engine = session.engine
            gateway = await find_gateway(settings, engine)
            if self._left:
                return
            confirmation = await self._confirmed(gateway, settings)
            if confirmation is None:
                self._say("nothing was bought; b asks again", WARN)
                return
            with session.doing("purchase") as outcome:
                trace = await Buyer(gateway, settings, engine, session.api(), self._show).run(confirmation)
                outcome.says, outcome.failed = outcome_of(trace), not trace.ok
            self._gather(settings)
        except MeshtuiError as error:
            self._say(f"✗ {error}", BAD)
        except asyncio.CancelledError:
            if self._trace is not None:
                self._trace = replace(self._trace, steps=all_over(self._trace.steps))
            if self.is_there:
                self.draw()
            raise

    @work(group="evidence", exclusive=True)
    async def _gather(self, settings: Settings) -> None:
        """What the purchase left in the logs is evidence for the findings about the bookstore itself."""
        session = self._session
        with suppress(MeshtuiError):  # what can't be read there, the purchase has said
            session.looking.take_evidence(BOOKSTORE, await gather(session.api(), settings, session.engine))

    async def _confirmed(self, gateway: str, settings: Settings) -> Confirmation | None:
        if self._session.label.sandbox:
            return Confirmation("the sandbox's shop")
        question = _question(gateway, settings, self._session.label.context)
        yes = await self.app.push_screen_wait(ConfirmScreen(question, yes="Buy"))
        return Confirmation("answered on the screen") if yes else None

    def action_quantity(self, change: int) -> None:
        """Change the quantity of the next purchase."""
        self._quantity = min(_MOST, max(1, self._quantity + change))
        self.draw()

    def open_link(self, link: Link) -> None:
        """Explain a flow, or show an object."""
        follow(self, self._session, link)

    def action_look(self, number: int) -> None:
        """Open an object of the explanation as YAML."""
        from meshtui.screens.yaml import YamlScreen

        explanation = self._trace.explanation if self._trace else None
        objects = explanation.look_at if explanation else ()
        if 1 <= number <= len(objects):
            self.app.push_screen(YamlScreen(self._session, objects[number - 1].ref))

    # ---- drawing

    def _show(self, trace: Trace) -> None:
        self._trace = trace
        self.draw()

    def draw(self) -> None:
        """Show what is known now."""
        checkout = self._session.settings.checkout
        next_one = f"next purchase: {self._quantity} of book {checkout.book}"
        trace = self._trace
        if trace is None:
            document = Document("Checkout", (Section("", (line(self._message),)), Section("", (line((next_one, DIM)),))))
        else:
            document = trace_document(trace, next_one, self.stopped)
        self._show_document(document)
        shown = trace or Trace("", checkout.host, checkout.book, self._quantity)
        plan = self._planned()
        diagram = diagram_of(plan, shown.steps, stopped(shown), shown.further) if plan is not None else Diagram()
        self._show_run(diagram, stock_gauges(shown))

    def _planned(self) -> Plan | None:
        """The plan of the purchase, made once for each; None while the cluster isn't known, or without ends in the settings."""
        session = self._session
        if self._plan is None and session.snapshot.pods:
            with suppress(MeshtuiError):
                journey = checkout_journey()
                self._plan = plan_of(session.engine, journey, values_of(journey, {**values(session.settings), "token": ""}))
        return self._plan


def outcome_of(trace: Trace) -> str:
    """What came of a purchase, for the journal."""
    bought = f"{trace.quantity} × {trace.book_title or trace.book}"
    order = f"order {trace.order_id}" if trace.order_id else "no order"
    moved = "stock not known" if trace.moved is None else f"reserved {trace.moved:+d}"
    return f"{bought}, {order}, {moved}" + (f": {trace.explanation.summary}" if trace.explanation is not None else "")


def stopped(trace: Trace) -> dict[str, ObjectRef]:
    """The policies that stopped the purchase and further calls, by the names of what they stopped."""
    found = further_stoppers(trace.further)
    failed = trace.step(RESERVE) if trace.step(RESERVE).state is StepState.FAILED else trace.failed_step
    if trace.explanation is None or failed is None or trace.explanation.code == "further_call":
        return found
    return found | stoppers({failed.name: trace.explanation.look_at})


def stock_gauges(trace: Trace) -> tuple[Gauge, ...]:
    """The stock as a gauge."""
    before, after = trace.before, trace.after
    reserved = Level("reserved", before.reserved if before else None, after.reserved if after else None)
    quantity = Level("quantity", before.quantity if before else None, after.quantity if after else None)
    moved = trace.moved
    right = None if moved is None else moved == trace.quantity
    verdict = "" if moved is None else f"change {moved:+d}" + ("" if right else f", bought {trace.quantity}")
    return (Gauge(f"Stock of {trace.book_title}" if trace.book_title else "Stock", reserved, quantity, verdict, right),)


def _with_quantity(settings: Settings, quantity: int) -> Settings:
    return settings.model_copy(update={"checkout": settings.checkout.model_copy(update={"quantity": quantity})})


def _question(gateway: str, settings: Settings, context: str) -> Document:
    checkout = settings.checkout
    where = facts(
        ("gateway", (redact(gateway), STRONG)),
        ("host", checkout.host),
        ("context", context),
        ("as", checkout.username),
        ("book", checkout.book),
        ("quantity", str(checkout.quantity)),
    )
    warning = line(("This places a real order. What is in that user's cart is thrown away first.", WARN))
    return Document("Buy a book?", (Section("", where), Section("", (warning,))))


def trace_document(trace: Trace, next_one: str, stopped: Line = ()) -> Document:
    """A purchase as a document: its result, the reason, the steps, and the evidence. The gauge has the stock.

    ``stopped`` is said instead of a result if somebody stopped it.
    """
    top = (stopped or _headline(trace), line((f"{next_one} · b buys, + and - change how many", DIM)))
    sections = [Section("", (*top, *(line((note, WARN)) for note in trace.notes)))]
    if trace.explanation is not None:
        sections.append(Section("Why", _why(trace.explanation)))
    sections.append(Section("Steps", tuple(part for step in trace.steps for part in rung(step))))
    sections += further_section(trace.further)
    sections += [Section(title, lines) for title, lines in _evidence(trace)]
    return Document(
        f"Checkout of {trace.quantity} × {trace.book_title or trace.book} at {trace.gateway} ({trace.host})", tuple(sections)
    )


def _headline(trace: Trace) -> Line:
    if not trace.finished:
        running = next((step.title for step in trace.steps if step.state is StepState.RUNNING), "evidence")
        return line((f"… {running}", WARN))
    if trace.ok:
        return line((f"✓ ok: order {trace.order_id}, reserved {trace.moved:+d}", OK))
    return line((f"✗ FAILED: {trace.explanation.summary if trace.explanation else 'see the steps'}", BAD))


def _why(explanation: Explanation) -> tuple[Line, ...]:
    lines = [line(why) for why in explanation.why]
    for number, look in enumerate(explanation.look_at[:_OPENED], start=1):
        lines.append(line(("look at ", DIM), (f"{number} {look.ref}", STRONG), f": {look.why}"))
        lines.append(line((f"          {look.command}", DIM)))
    if explanation.look_at:
        lines.append(line(("o opens the first, a number the others; Esc, then p on a workload probes its flows", DIM)))
    return tuple(lines)


def _evidence(trace: Trace) -> list[tuple[str, tuple[Line, ...]]]:
    """The log lines of every step, those of the reserve call first."""
    found = []
    for step in sorted(trace.steps, key=lambda step: step.name != RESERVE):
        rows = [("ztunnel  ", raw) for raw in step.evidence] + [("service  ", raw) for raw in step.log_lines]
        if rows:
            lines = tuple(line((who, DIM), raw.replace("\t", " ")) for who, raw in rows)
            found.append((f"Evidence: {step.title}", lines))
    return found
