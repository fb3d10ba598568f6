"""The flows of one workload: predicted, then observed by a probe, side by side."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.screen import Screen
from textual.timer import Timer
from textual.widgets import Footer, Static

from meshtui.engine.relations import flows_from
from meshtui.model.errors import MeshtuiError
from meshtui.model.flow import Flow
from meshtui.model.observation import Observation
from meshtui.model.verdict import Decision, Verdict
from meshtui.model.workload import Workload
from meshtui.probe.plan import Plan, make_plan
from meshtui.screens.confirm import ConfirmScreen
from meshtui.session import Session
from meshtui.sources.writes import Confirmation
from meshtui.widgets.document import BAD, DIM, OK, STRONG, WARN, Document, Line, Section, line
from meshtui.widgets.ladder import changed_words
from meshtui.widgets.pane_view import DocumentView
from meshtui.widgets.status import StatusBar
from meshtui.widgets.table import Cell, Column, ObjectTable, Row
from meshtui.widgets.text import age
from meshtui.widgets.verdicts import VERDICTS, agreement

_COLUMNS = (
    Column("", keep=9, least=1),
    Column("TO", keep=9, least=18),
    Column("PORT", keep=8, least=5, right=True),
    Column("PREDICTED", keep=8, least=9),
    Column("OBSERVED", keep=8, least=9),
    Column("REALITY", keep=9, least=11),
    Column("BY", keep=4, least=12),
    Column("AGE", keep=2, least=4),
)
_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_LAYER_HINT = {
    "timeout": "a drop on the way: NetworkPolicy of either end, HBONE port 15008",
    "closed": "a proxy closed it: AuthorizationPolicy or PeerAuthentication at the destination's ztunnel",
    "http_403": "a waypoint or sidecar denied it: AuthorizationPolicy with L7 rules",
    "refused": "nobody listens there: readiness, port, targetPort",
    "connected": "it got through: the policy that should deny it isn't enforced (selector? mesh? another CNI?)",
}


class ProbeScreen(Screen[None]):
    """Choose flows, confirm, and see what real traffic does."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "mark", "Mark", id="probe.mark"),
        Binding("a", "mark_all", "All/none", id="probe.all"),
        Binding("enter,p", "probe", "Probe", id="probe.run"),
        Binding("w", "why", "Why?", id="probe.why"),
        Binding("escape,q", "back", "Back", id="probe.back"),
        Binding("question_mark", "app.help", "Help", key_display="?", id="probe.help"),
    ]

    def __init__(self, session: Session, workload: Workload, only: Flow | None = None) -> None:
        """``only``: ask to probe this flow of the workload at once, and show no others."""
        super().__init__()
        self._session = session
        self._ref = workload.ref
        self._only = only
        self._flows: list[Flow] = flows_from(session.snapshot, workload) if only is None else [only]
        self._marked: set[Flow] = set()
        self._pending: set[Flow] = set()
        self._verdicts: dict[Flow, Verdict] = {}
        self._message: Line = ()
        self._frame = 0
        self._ticker: Timer | None = None

    def compose(self) -> ComposeResult:
        """Header, title, table with what is said of the flow under the cursor, footer."""
        yield StatusBar(id="status")
        yield Static(id="title", markup=False)
        with Horizontal(id="body"):
            yield ObjectTable(id="flows")
            yield DocumentView(id="flow")
        yield Static(id="message")
        yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        """Predict, and follow the session."""
        self._stop_watching = self._session.watch(self._flows)
        self._stop_listening = self._session.listen(self._refresh)
        self.query_one("#title", Static).update(f" Flows from {self._ref}")
        self._say(line(("Space marks flows, a marks all, Enter probes the marked ones (or the one under the cursor)", DIM)))
        self.query_one(ObjectTable).focus()
        self._ticker = self.set_interval(0.12, self._tick, pause=True)
        self.set_interval(1.0, self._refresh)
        self._refresh()
        if self._only is not None:
            self.call_after_refresh(self.action_probe)

    def on_unmount(self) -> None:
        """Stop following."""
        self._stop_listening()
        self._stop_watching()

    def on_resize(self) -> None:
        """Fold the text away where there is no room beside the table."""
        self.set_class(self.size.width < 110, "-narrow")

    # ---- showing

    def _refresh(self) -> None:
        if not self.query(ObjectTable):
            return
        self._verdicts = {flow: self._session.verdict(flow) for flow in self._flows}
        order = (Decision.ALLOW, Decision.MIXED, Decision.UNKNOWN, Decision.DENY)
        self._flows.sort(key=lambda f: (order.index(self._verdicts[f].decision), str(f.destination), str(f.port)))
        self.query_one(StatusBar).show(self._session)
        self.query_one(ObjectTable).show(_COLUMNS, [self._row(flow) for flow in self._flows])
        self._show_flow()

    def _row(self, flow: Flow) -> Row:
        verdict = self._verdicts[flow]
        observation = self._session.observations.get(flow)
        word, tone = VERDICTS[verdict.decision]
        change = self._session.change_of(flow)
        was = f" * was {change.before.decision.value}" if change else ""
        by = verdict.decided_by.ref.name if verdict.decided_by else "no policy"
        if flow in self._pending:
            observed, reality, since = Cell(f"{_SPINNER[self._frame]} running", WARN), Cell(""), ""
        elif observation is None:
            observed, reality, since = Cell("-", DIM), Cell(""), ""
        else:
            observed = Cell(observation.outcome, OK if observation.reached else "")
            reality = Cell(*self._reality(observation, verdict))
            since = age((self._session.clock() - observation.at).total_seconds()) if observation.at else ""
        return Row(
            _uid(flow),
            (
                Cell("●" if flow in self._marked else " ", STRONG),
                Cell(str(flow.destination)),
                Cell(str(flow.port)),
                Cell(f"{word}{was}", tone, short=f"{word} *" if change else ""),
                observed,
                reality,
                Cell(by, DIM),
                Cell(since, DIM),
            ),
            marked=flow in self._marked,
        )

    def _reality(self, observation: Observation, verdict: Verdict) -> tuple[str, str]:
        """Whether reality agrees; a prediction that has changed since makes the observation old."""
        if observation.predicted.decision is not verdict.decision:
            return "! before the change", WARN
        return agreement(observation)

    @on(ObjectTable.Highlighted)
    def _moved(self) -> None:
        self._show_flow()

    def _current(self) -> Flow | None:
        uid = self.query_one(ObjectTable).uid
        return next((flow for flow in self._flows if _uid(flow) == uid), None)

    def _show_flow(self) -> None:
        flow = self._current()
        if flow is not None:
            self.query_one("#flow", DocumentView).show(self._document(flow))

    def _document(self, flow: Flow) -> Document:
        verdict = self._verdicts[flow]
        word, tone = VERDICTS[verdict.decision]
        steps = [
            line((f"{_MARKS[step.result.value]} {step.layer.value}: ", _TONES[step.result.value]), step.reason)
            for step in verdict.steps
        ]
        change = self._session.change_of(flow)
        changed = (changed_words(change, self._session.clock()),) if change else ()
        said = line((word, tone), f", the client sees: {verdict.outcome}")
        sections = [Section("Predicted", (said, *changed, *steps))]
        sections += [Section("Notes", tuple(line(note) for note in verdict.notes))] if verdict.notes else []
        observation = self._session.observations.get(flow)
        if observation is not None:
            sections.append(Section("Observed", self._observed(observation)))
            if observation.evidence:
                sections.append(Section("ztunnel log", tuple(line(entry.replace("\t", " ")) for entry in observation.evidence)))
        if verdict.assumptions:
            sections.append(Section("Assumed", tuple(line((text, DIM)) for text in verdict.assumptions)))
        return Document(f"{flow.source} → {flow.destination}:{flow.port}", tuple(sections))

    def _observed(self, observation: Observation) -> tuple[Line, ...]:
        word, tone = agreement(observation)
        lines = [line((f"{word}: ", tone), observation.outcome)]
        if observation.agrees is False:
            hint = _LAYER_HINT.get(observation.outcome, "look at the application and at what lies between")
            lines.append(line((f"reality points to {hint}", BAD)))
        if observation.detail:
            lines.append(line(observation.detail))
        if observation.total_ms is not None:
            connected = f"connected in {observation.connect_ms:.0f} ms, " if observation.connect_ms else ""
            lines.append(line((f"{connected}{observation.total_ms:.0f} ms in all, {observation.bytes_received} bytes", DIM)))
        if observation.pod:
            lines.append(line((f"from {observation.pod.namespace}/{observation.pod.name}", DIM)))
        return tuple(lines)

    def _say(self, message: Line) -> None:
        self.query_one("#message", Static).update(Document("", (Section("", (message,)),)).content().split("\n")[-1])

    def _tick(self) -> None:
        self._frame = (self._frame + 1) % len(_SPINNER)
        self.query_one(ObjectTable).show(_COLUMNS, [self._row(flow) for flow in self._flows])

    # ---- actions

    def action_mark(self) -> None:
        """Mark the flow under the cursor, and go on to the next."""
        flow = self._current()
        if flow is not None:
            self._marked ^= {flow}
            self._refresh()
            self.query_one(ObjectTable).cursor += 1

    def action_mark_all(self) -> None:
        """Mark all flows, or none."""
        self._marked = set() if len(self._marked) == len(self._flows) else set(self._flows)
        self._refresh()

    @on(ObjectTable.Chosen)
    def _chosen(self) -> None:
        self.action_probe()

    def action_probe(self) -> None:
        """Ask, then probe the marked flows, or the one under the cursor."""
        if self._pending:
            self.notify("a probe is running: Esc stops it", severity="warning")
            return
        current = self._current()
        flows = [flow for flow in self._flows if flow in self._marked] or ([current] if current else [])
        if not flows:
            return
        if self._session.read_only:
            self.notify(f"nothing is probed: {self._session.read_only}", severity="error", markup=False)
            return
        plan = make_plan(self._session.engine, flows, self._session.settings.probe, any_method=self._session.label.sandbox)

        def answered(yes: bool | None) -> None:
            if yes:
                self._run(plan)

        self.app.push_screen(ConfirmScreen(_question(plan, self._session.label.context), yes="Probe"), answered)

    @work(exclusive=True, group="probe")
    async def _run(self, plan: Plan) -> None:
        """Run the plan; rows fill in as the observations come."""
        self._pending = {t.flow for batch in plan.batches for t in batch.targets} | {t.flow for t in plan.external}
        total = len(self._pending)
        self._say(line((f"probing {total} flow(s), up to {plan.seconds} s; Esc stops and cleans up", WARN)))
        if self._ticker:
            self._ticker.resume()
        try:
            done = await self._session.probe(plan, Confirmation("confirmed on the probe screen"), self._one_done)
        except MeshtuiError as error:
            self._say(line((f"✗ {error}", BAD)))
        except asyncio.CancelledError:
            self._say(line(("stopped; the probe pods are removed", WARN)))
            raise
        else:
            self._say(_summary(done))
        finally:
            self._pending.clear()
            if self._ticker:
                self._ticker.pause()
            self._refresh()

    def _one_done(self, observation: Observation) -> None:
        self._pending.discard(observation.flow)

    def action_why(self) -> None:
        """The ladder of the flow under the cursor."""
        from meshtui.screens.why import WhyScreen

        if (flow := self._current()) is not None:
            self.app.push_screen(WhyScreen(self._session, flow))

    def action_back(self) -> None:
        """Stop a running probe (its pods are removed), else go back."""
        if self._pending:
            self.workers.cancel_group(self, "probe")
        else:
            self.app.pop_screen()


_MARKS = {"pass": "✓", "block": "✗", "skip": "-", "unknown": "?"}
_TONES = {"pass": OK, "block": BAD, "skip": DIM, "unknown": WARN}


def _uid(flow: Flow) -> str:
    return f"{flow.destination}:{flow.port}"


def _question(plan: Plan, context: str) -> Document:
    """What would be done, in full."""
    pods = [
        line(f"in {b.namespace} as ", (b.service_account, STRONG), f", like {b.stands_for}: {len(b.targets)} flow(s)")
        for b in plan.batches
    ]
    sections = [
        Section("", (line("context ", (context, STRONG), f": {plan.flows} flow(s), up to {plan.seconds} s"),)),
        Section("Pods that will be made, and removed again", tuple(pods) or (line(("none", DIM)),)),
        Section("Namespaces", (line(", ".join(plan.namespaces) or "none"),)),
    ]
    if plan.refused:
        left_out = tuple(line(f"{r.flow.destination}:{r.flow.port}  ", (r.reason, WARN)) for r in plan.refused)
        sections.append(Section("Left out", left_out))
    if plan.warnings:
        sections.append(Section("Note", tuple(line((warning, DIM)) for warning in plan.warnings)))
    return Document("Launch the probe?", tuple(sections))


def _summary(observations: list[Observation]) -> Line:
    agree = sum(o.agrees is True for o in observations)
    disagree = sum(o.agrees is False for o in observations)
    silent = len(observations) - agree - disagree
    words: list[str | tuple[str, str]] = [(f"{agree} agree", OK if agree else DIM), " · "]
    words.append((f"≠ {disagree} DISAGREE" if disagree else "0 disagree", BAD if disagree else DIM))
    words += [" · ", (f"{silent} can't tell", WARN if silent else DIM), "; the probe pods are removed"]
    return line(*words)
