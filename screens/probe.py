"""The flows of a workload, a namespace or the cluster, with predictions and the results of probes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from itertools import islice
from time import monotonic
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.timer import Timer
from textual.widgets import Static

from meshtui.model.errors import MeshtuiError
from meshtui.model.flow import Flow
from meshtui.model.observation import Observation
from meshtui.model.verdict import Verdict
from meshtui.probe.plan import Plan, make_plan
from meshtui.screens.acting import LinkScreen
from meshtui.screens.confirm import ConfirmScreen
from meshtui.screens.yaml import open_link
from meshtui.session import Session
from meshtui.sources.kubernetes.writes import Confirmation
from meshtui.ui import probing
from meshtui.ui.actions import bindings
from meshtui.ui.document import BAD, DIM, WARN, Document, Line, Section, line
from meshtui.ui.known_path import known_path
from meshtui.ui.links import Link
from meshtui.ui.widgets.document_view import DocumentView
from meshtui.ui.widgets.footer import Footer
from meshtui.ui.widgets.path_view import PathView
from meshtui.ui.widgets.status import StatusBar
from meshtui.ui.widgets.table import ObjectTable, Row

_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_DECIDER_FROM = 110
_BESIDE_FROM, _SEVERAL_FROM = 110, 150
"""The width from which the detail stands beside the table; with a column for sources the table needs more."""
_MOST_SPINNING = 100
"""Up to this number of rows each shows a spinner; with more, only the message line shows the progress."""


class ProbeScreen(LinkScreen):
    """Flows to choose and to probe after a confirmation."""

    PLACE = "probe"
    BINDINGS: ClassVar[list[BindingType]] = bindings("probe")

    def __init__(self, session: Session, about: str, flows: Iterable[Flow], *, at_once: bool = False) -> None:
        """``about`` says where the flows come from; ``at_once``: ask immediately to probe all of them, where that is allowed."""
        super().__init__(session)
        most = session.settings.probe.max_flows
        found = list(islice(flows, most + 1))
        self._about = about
        self._at_once = at_once
        self._cut = len(found) > most
        self._flows: list[Flow] = found[:most]
        self._several = len({flow.source for flow in self._flows}) > 1
        self._marked: set[Flow] = set()
        self._marked_last: Flow | None = None
        self._pending: set[Flow] = set()
        """The flows without an Observation from this run."""
        self._answered: set[Flow] = set()
        """Those of them that are answered: their pods haven't ended yet."""
        self._verdicts: dict[Flow, Verdict] = {}
        self._run_of: tuple[float, int, int] = (0.0, 0, 0)
        self._frame = 0
        self._ticker: Timer | None = None

    def compose(self) -> ComposeResult:
        """Header, title, table with what is said of the flow under the cursor, footer."""
        yield StatusBar(id="status")
        yield Static(id="title", markup=False)
        with Horizontal(id="body"):
            yield ObjectTable(id="flows", clock=self._session.clock)
            with Vertical(id="detail"):
                yield PathView(id="path", share=0.5)
                yield DocumentView(id="flow")
        yield Static(id="message")
        yield Footer()

    def on_mount(self) -> None:
        """Predict, and follow the session."""
        self._stop_watching = self._session.watch(self._flows)
        self._stop_listening = self._session.listen(self._refresh)
        hint = "Space marks a flow, Ctrl-Space up to here, a all; Enter probes the marked flows, or the current one"
        self._say(line((hint, DIM) if self._flows else ("no workload runs there: nothing to probe", WARN)))
        self.query_one(ObjectTable).focus()
        self._ticker = self.set_interval(0.12, self._tick, pause=True)
        self.set_interval(1.0, self._refresh)
        self._refresh()
        if self._at_once and not self._session.read_only:
            self._ask(self._flows)

    @property
    def link(self) -> Link | None:
        """The flow under the cursor; in its path and its text, what the cursor rests on there."""
        part = self.focused
        if isinstance(part, PathView | DocumentView) and part.link is not None:
            return part.link
        return self._current()

    def on_unmount(self) -> None:
        """Stop following."""
        self._stop_listening()
        self._stop_watching()

    def on_resize(self) -> None:
        """Hide the detail if there is no room beside the table."""
        self.set_class(self.size.width < (_SEVERAL_FROM if self._several else _BESIDE_FROM), "-narrow")
        self._refresh()

    # ---- showing

    def _refresh(self) -> None:
        if not self.is_there:
            return
        self._verdicts = {flow: self._session.verdict(flow) for flow in self._flows}
        self._flows.sort(key=lambda flow: probing.order(self._session, flow, self._verdicts[flow]))
        self.query_one(StatusBar).show(self._session)
        self._show_title()
        self._show_rows()
        self._show_flow()

    def _show_title(self) -> None:
        """Show where the flows come from, and how many observations disagree."""
        seen = self._session.observations
        fresh = [flow for flow in self._flows if flow in seen and not self._session.outdated(flow)]
        wrong = sum(seen[flow].agrees is False for flow in fresh)
        old = sum(flow in seen for flow in self._flows) - len(fresh)
        words: list[str | tuple[str, str]] = [f" Flows from {self._about}"]
        words += [f", the first {len(self._flows)}: a namespace (n) or a workload has fewer"] if self._cut else []
        words += [(f"   ≠ {wrong} DISAGREE{'S' if wrong == 1 else ''} with reality", BAD)] if wrong else []
        words += [(f"   ! {old} from before a change: r probes them again", WARN)] if old else []
        self.query_one("#title", Static).update(_content(line(*words)))

    def _show_rows(self) -> None:
        columns = probing.columns(with_source=self._several, with_decider=self._with_decider)
        self.query_one(ObjectTable).show(columns, [self._row(flow) for flow in self._flows])

    @property
    def _with_decider(self) -> bool:
        """Whether there is room for the deciding policy: on a narrow screen with sources, names need it; the detail has it."""
        return not self._several or self.size.width >= _DECIDER_FROM

    def _row(self, flow: Flow) -> Row:
        turning = _SPINNER[self._frame] if len(self._pending) <= _MOST_SPINNING else "…"
        running = turning if flow in self._pending else ""
        marked = flow in self._marked
        verdict = self._verdicts[flow]
        return probing.row_of(
            self._session,
            flow,
            verdict,
            marked=marked,
            running=running,
            with_source=self._several,
            with_decider=self._with_decider,
        )

    @on(ObjectTable.Highlighted)
    def _moved(self) -> None:
        self._show_flow()

    def _current(self) -> Flow | None:
        uid = self.query_one(ObjectTable).uid
        return next((flow for flow in self._flows if probing.flow_uid(flow) == uid), None)

    def _show_flow(self) -> None:
        flow = self._current()
        if flow is None:
            self.query_one(PathView).show(None)
            return
        session, verdict = self._session, self._verdicts[flow]
        self.query_one(PathView).show(known_path(session, flow, verdict))
        self.query_one("#flow", DocumentView).show(probing.about(session, flow, verdict))

    @on(PathView.Chosen)
    def _open(self, event: PathView.Chosen) -> None:
        open_link(self, self._session, event.item)

    def _say(self, message: Line) -> None:
        for place in self.query("#message").results(Static):  # none, when a probe that is stopped ends after its screen
            place.update(_content(message))

    def _tick(self) -> None:
        self._frame = (self._frame + 1) % len(_SPINNER)
        began, total, most_s = self._run_of
        done = total - len(self._pending - self._answered)
        self._say(probing.progress(done, total, monotonic() - began, most_s))
        if len(self._pending) <= _MOST_SPINNING:
            self._show_rows()

    # ---- actions

    def action_mark(self) -> None:
        """Mark the flow under the cursor, and move to the next."""
        flow = self._current()
        if flow is not None:
            self._marked ^= {flow}
            self._marked_last = flow
            self._refresh()
            self.query_one(ObjectTable).cursor += 1

    def action_mark_range(self) -> None:
        """Mark the flows from the last one that was marked to the one under the cursor; without one, only this."""
        flow = self._current()
        if flow is not None:
            start = self._marked_last if self._marked_last in self._flows else flow
            first, last = sorted((self._flows.index(start or flow), self._flows.index(flow)))
            self._marked |= set(self._flows[first : last + 1])
            self._marked_last = flow
            self._refresh()

    def action_mark_all(self) -> None:
        """Mark all flows, or none."""
        self._marked = set() if len(self._marked) == len(self._flows) else set(self._flows)
        self._refresh()

    @on(ObjectTable.Chosen)
    def _chosen(self) -> None:
        self.action_probe()

    def action_probe(self) -> None:
        """Probe the marked flows, or the one under the cursor, after a confirmation."""
        current = self._current()
        self._ask([flow for flow in self._flows if flow in self._marked] or ([current] if current else []))

    def action_again(self) -> None:
        """Repeat the probes whose verdicts or policies have changed."""
        old = [flow for flow in self._flows if self._session.outdated(flow)]
        if not old:
            self.notify("nothing to probe again: no policy has changed since a probe", timeout=3)
            return
        self._ask(old)

    def _ask(self, flows: list[Flow]) -> None:
        if self._pending:
            self.notify("a probe is running: Ctrl-C stops it", severity="warning")
            return
        if not flows:
            return
        if self._session.read_only:
            self.notify(f"nothing is probed: {self._session.read_only}", severity="error", markup=False)
            return
        plan = make_plan(self._session.engine, flows, self._session.settings.probe, any_method=self._session.label.sandbox)

        def answered(yes: bool | None) -> None:
            if yes:
                self._run(plan)

        self.app.push_screen(ConfirmScreen(probing.question(plan, self._session.label.context), yes="Probe"), answered)

    @work(exclusive=True, group="probe")
    async def _run(self, plan: Plan) -> None:
        """Run the plan. Rows are updated as observations arrive."""
        self._pending = {t.flow for batch in plan.batches for t in batch.targets} | {t.flow for t in plan.external}
        self._run_of = (monotonic(), len(self._pending), plan.seconds)
        self._say(probing.progress(0, len(self._pending), 0.0, plan.seconds))
        if self._ticker:
            self._ticker.resume()
        try:
            done = await self._session.probe(
                plan, Confirmation("confirmed on the probe screen"), self._one_done, self._answered.add
            )
        except MeshtuiError as error:
            self._say(line((f"✗ {error}", BAD)))
        except asyncio.CancelledError:
            self._say(line(("stopped; the probe pods are removed", WARN)))
            raise
        else:
            self._say(probing.summary(done))
        finally:
            self._pending.clear()
            self._answered.clear()
            self._marked.clear()  # Enter then probes what is under the cursor, and not all of them again
            if self._ticker:
                self._ticker.pause()
            self._refresh()

    def _one_done(self, observation: Observation) -> None:
        self._pending.discard(observation.flow)

    def action_why(self) -> None:
        """Explain the flow under the cursor."""
        from meshtui.screens.why import WhyScreen

        if (flow := self._current()) is not None:
            self.app.push_screen(WhyScreen(self._session, flow))

    def interrupt(self) -> bool:
        """Stop a running probe; its pods are removed. Returns whether one was running."""
        if not self._pending:
            return False
        self.workers.cancel_group(self, "probe")
        return True

    def action_back(self) -> None:
        """Go back; a running probe is stopped first, and its pods are removed."""
        self.interrupt()
        self.app.pop_screen()


def _content(message: Line) -> Content:
    return Document("", (Section("", (message,)),)).content().split("\n")[-1]
