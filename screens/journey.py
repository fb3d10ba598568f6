"""Journeys: which there are, and one that runs as a ladder that fills in live, with its gauges and what a failure means."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.events import Resize
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from meshtui.journeys.gateway import answering_gateway
from meshtui.journeys.judge import number
from meshtui.journeys.known import Catalogue, Known
from meshtui.journeys.model import Journey, Scalar
from meshtui.journeys.report import Failure, Reading, Report, StepState, all_over
from meshtui.journeys.run import Runner, entrance_of, in_words, refusal, requests_in_words, values_of
from meshtui.journeys.variables import UnsetError
from meshtui.model.errors import ConfigError, MeshtuiError, ReadOnlyError
from meshtui.model.ids import ObjectRef
from meshtui.model.redact import redact
from meshtui.screens.confirm import ConfirmScreen
from meshtui.screens.follow import follow
from meshtui.session import Session
from meshtui.sources.kubernetes.writes import Confirmation
from meshtui.ui.actions import bindings
from meshtui.ui.buying import settled
from meshtui.ui.diagram_screen import DiagramScreen
from meshtui.ui.document import BAD, DIM, OK, PLAIN, STRONG, WARN, Document, Line, Section, facts, line
from meshtui.ui.links import Link
from meshtui.ui.pictures.gauge import Gauge, Level
from meshtui.ui.pictures.sequence import Diagram
from meshtui.ui.run_steps import further_section, rung
from meshtui.ui.sequences import Plan, diagram_of, further_stoppers, plan_of, stoppers
from meshtui.ui.text import clean
from meshtui.ui.widgets.footer import Footer
from meshtui.ui.widgets.sequence_view import SequenceView
from meshtui.ui.widgets.status import StatusBar

_NARROW = 100


class JourneyScreen(DiagramScreen):
    """Runs the chosen journey; one that changes something asks first, unless it is the sandbox."""

    PLACE = "journey"
    RUN = "journey"
    BINDINGS: ClassVar[list[BindingType]] = bindings("journey")

    def __init__(self, session: Session, read: Callable[[], Catalogue]) -> None:
        super().__init__(session)
        self._read = read
        self._catalogue = Catalogue()
        self._report: Report | None = None
        self._plan: Plan | None = None

    @property
    def report(self) -> Report | None:
        """The run on the screen."""
        return self._report

    def compose(self) -> ComposeResult:
        """Header, the journeys, beside them what there is to say of one, footer."""
        yield StatusBar(id="status")
        with Horizontal(id="body"):
            yield OptionList(id="journeys")
            yield from self.compose_run()
        yield Footer()

    def on_resize(self, event: Resize) -> None:
        """Put the list above the text where there is no room beside it. The base class handles the event too."""
        self.set_class(event.size.width < _NARROW, "-narrow")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Without a journey there is nothing to run."""
        return bool(self._catalogue.journeys) if action == "go" else super().check_action(action, parameters)

    def begin(self) -> None:
        """Read the journeys; none runs by itself."""
        try:
            self._catalogue = self._read()
        except ConfigError as error:
            self._say(f"✗ {error}", BAD)
        names = [Option(Content(clean(known.journey.name)), id=known.journey.name) for known in self._catalogue.journeys]
        self.query_one(OptionList).add_options(names)
        self.query_one(OptionList).highlighted = 0 if names else None
        self.set_class(not names, "-empty")
        if names:
            self.query_one(OptionList).focus()
        self.refresh_bindings()
        self.draw()

    @property
    def chosen(self) -> Known | None:
        """The journey under the cursor."""
        place = self.query_one(OptionList).highlighted
        return None if place is None else self._catalogue.journeys[place]

    @on(OptionList.OptionHighlighted)
    def _moved(self) -> None:
        if not self.running:
            self._report, self._plan, self._message = None, None, ("", PLAIN)
            self.draw()

    @on(OptionList.OptionSelected)
    def _selected(self) -> None:
        self.action_go()

    def action_go(self) -> None:
        """Run the journey under the cursor."""
        known = self.chosen
        if known is not None and not self._runs():
            self._go(known)

    @work(group="journey")
    async def _go(self, known: Known) -> None:
        session, journey = self._session, known.journey
        self.stopped = ()
        self._report = self._plan = None
        self._follow()
        self._say("… looking for the gateway", WARN)
        try:
            refused = refusal(journey, session.read_only)
            if refused:
                raise ReadOnlyError(f"nothing is sent: {refused}")
            await settled(session)
            values = values_of(journey, known.given)
            entrance, url = entrance_of(journey, values)
            named_by = "the settings" if known.given else "its file as gateway.url"
            gateway = await answering_gateway(session.settings, session.engine, entrance, url, named_by)
            if self._left:
                return
            confirmation = await self._confirmed(journey, gateway, values) if journey.changing else None
            if journey.changing and confirmation is None:
                self._say("nothing was sent; r asks again", WARN)
                return
            settings, engine = session.settings, session.engine
            with session.doing(f"journey {journey.title}") as outcome:
                report = await Runner(journey, values, gateway, settings, engine, session.api(), self._show).run(confirmation)
                outcome.says, outcome.failed = "as expected" if report.ok else "not as expected", not report.ok
        except MeshtuiError as error:
            self._say(f"✗ {error}", BAD)
        except asyncio.CancelledError:
            if self._report is not None:
                self._report = replace(self._report, steps=all_over(self._report.steps))
            if self.is_there:
                self.draw()
            raise

    async def _confirmed(self, journey: Journey, gateway: str, values: Mapping[str, Scalar]) -> Confirmation | None:
        if self._session.label.sandbox:
            return Confirmation("the sandbox's application")
        question = _question(journey, gateway, values, self._session.label.context)
        yes = await self.app.push_screen_wait(ConfirmScreen(question, yes="Run"))
        return Confirmation("answered on the screen") if yes else None

    def open_link(self, link: Link) -> None:
        """Explain a flow, or show an object."""
        follow(self, self._session, link)

    def focus_first(self) -> None:
        """Begin in the list, which gets the focus when it is filled."""

    def _appears(self, view: SequenceView) -> None:
        """Leave the focus in the list."""

    # ---- drawing

    def _show(self, report: Report) -> None:
        self._report = report
        self.draw()

    def draw(self) -> None:
        """Show what is known now."""
        report, known = self._report, self.chosen
        plan = self._planned(known) if report is not None and known is not None else None
        if report is not None:
            self._show_document(report_document(report, self.stopped))
        elif known is not None:
            asks = not self._session.label.sandbox
            self._show_document(journey_document(known, self._message, self._catalogue, asks=asks))
        else:
            self._show_document(_nothing(self._message, self._catalogue))
        if report is not None and plan is not None:
            self._show_run(diagram_of(plan, report.steps, stopped(report), report.further), tuple(map(gauge_of, report.gauges)))
        else:
            self._show_run(Diagram(), ())

    def _planned(self, known: Known) -> Plan | None:
        """The plan of the run on the screen, made once; None where the journey can't run."""
        if self._plan is None:
            with suppress(MeshtuiError):
                self._plan = plan_of(self._session.engine, known.journey, values_of(known.journey, known.given))
        return self._plan


def gauge_of(reading: Reading) -> Gauge:
    """A gauge of a journey."""
    change = reading.change
    if change is None:
        return Gauge(reading.title, Level(reading.title, reading.before, reading.after))
    should = "" if reading.right else f", should be {number(reading.wanted)}"
    level = Level(reading.title, reading.before, reading.after)
    return Gauge("Gauge", level, None, f"change {number(change)}{should}", reading.right)


def _question(journey: Journey, gateway: str, values: Mapping[str, Scalar], context: str) -> Document:
    where = facts(("gateway", (redact(gateway), STRONG)), ("context", context))
    sent = tuple(map(line, requests_in_words(journey, values)))
    return Document(f"{journey.title}?", (Section("", where), Section("This changes something there", sent)))


def journey_document(known: Known, message: tuple[str, str], catalogue: Catalogue, *, asks: bool) -> Document:
    """A journey before it runs: what it would do, and what it expects. ``asks``: one that changes something asks first."""
    journey = known.journey
    first = [line(message)] if message[0] else []
    first.append(line((journey.about or journey.title, PLAIN)))
    changes = f"changes something: {'asks first' if asks else 'runs without asking, as this is the sandbox'}"
    what = (changes, WARN) if journey.changing else ("only reads", OK)
    sections = [Section("", tuple(first)), Section("", facts(("effect", what), ("source", known.origin)))]
    words = _shown(known)
    sections.append(Section("Steps", tuple(part for step in journey.step for part in _planned(journey, step.name, words))))
    if journey.gauge:
        gauges = tuple(
            line(
                f"{gauge.title or gauge.name} ",
                (f"by {words(str(gauge.change))}  {gauge.request.method} {words(gauge.request.path)}", DIM),
            )
            for gauge in journey.gauge
        )
        sections.append(Section("Gauges, before and after", gauges))
    return Document(journey.title, (*sections, *_problems(catalogue)))


def _shown(known: Known) -> Callable[[str], str]:
    """How templates are shown: with their values; as they are written where a value is missing."""

    def words(template: str) -> str:
        with suppress(MeshtuiError, UnsetError):
            return in_words(known.journey, values_of(known.journey, known.given))(template)
        return template

    return words


def _planned(journey: Journey, name: str, words: Callable[[str], str]) -> list[Line]:
    step = next(each for each in journey.step if each.name == name)
    asked = f"{step.request.method} {words(step.request.path)}" if step.request else f"looks at the answer of {step.answer_of}"
    lines = [line((f"{step.title or step.name}  ", PLAIN), (asked, DIM))]
    for call in step.call:
        ends = f"{words(call.from_identity or call.source)} → {words(call.to_identity or call.to)}{', mTLS' if call.mtls else ''}"
        lines.append(line(("    causes ", DIM), f"{call.title or call.name}: ", (ends, DIM)))
    return lines


def _nothing(message: tuple[str, str], catalogue: Catalogue) -> Document:
    first = [line(message)] if message[0] else [line("there is no journey")]
    help_ = line(("a journey is a TOML file in the folder journeys beside the settings: docs/guide/journeys.md", DIM))
    return Document("Journeys", (Section("", (*first, help_)), *_problems(catalogue)))


def _problems(catalogue: Catalogue) -> list[Section]:
    """The files that hold no journey: silence would look like an empty folder."""
    rows = tuple(line(("✗ ", BAD), str(problem)) for problem in catalogue.problems)
    return [Section("Files that are wrong", rows)] if rows else []


def stopped(report: Report) -> dict[str, ObjectRef]:
    """The policies that stopped steps and further calls, by their names."""
    return further_stoppers(report.further) | stoppers({failure.name: failure.look_at for failure in report.failures})


def report_document(report: Report, stopped: Line = ()) -> Document:
    """A run as a document: how it ended, what a failure means, the ladder, and the evidence. The gauges are pictures.

    ``stopped`` is said instead of a result if somebody stopped it.
    """
    sections = [Section("", (stopped or _headline(report), *(line((note, WARN)) for note in report.notes)))]
    if report.failures:
        sections.append(Section("What it means", tuple(part for failure in report.failures for part in _meaning(failure))))
    sections.append(Section("Steps", tuple(part for step in report.steps for part in rung(step))))
    sections += further_section(report.further)
    for step in sorted(report.steps, key=lambda step: step.kind != "call"):
        if step.evidence:
            rows = tuple(line(("ztunnel  ", DIM), raw.replace("\t", " ")) for raw in step.evidence)
            sections.append(Section(f"Evidence: {step.title}", rows))
    return Document(f"{report.title} at {report.gateway}{f' ({report.host})' if report.host else ''}", tuple(sections))


def _headline(report: Report) -> Line:
    if not report.finished:
        running = next((step.title for step in report.steps if step.state is StepState.RUNNING), "evidence")
        return line((f"… {running}", WARN))
    if report.ok:
        return line(("✓ ok: r runs it again", OK))
    return line((f"✗ FAILED: {report.failures[0].says if report.failures else 'see the steps'}", BAD))


def _meaning(failure: Failure) -> list[Line]:
    lines = [line((f"{failure.title} ", STRONG), (f"({failure.outcome}) ", DIM), failure.says)]
    lines += [line((f"    {why}", DIM)) for why in failure.why]
    for look in (*failure.look_at, *failure.behind):
        lines.append(line(("    look at ", DIM), (str(look.ref), STRONG), f": {look.why}"))
        lines.append(line((f"        {look.command}", DIM)))
    return lines
