"""The fix of a finding: the patch, and what it opens and closes; to be applied, probed, and undone."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.widgets import Static

from meshtui.model.errors import MeshtuiError
from meshtui.model.finding import Finding
from meshtui.remediate.fixing import Done, Proposal, carry_out, probe_again, propose, take_back
from meshtui.screens.confirm import ConfirmScreen
from meshtui.screens.yaml import open_link
from meshtui.session import Session
from meshtui.sources.kubernetes.writes import Confirmation
from meshtui.ui.action_screen import ActionScreen
from meshtui.ui.actions import bindings
from meshtui.ui.document import BAD, DIM, OK, WARN, Document, Line, Section, line
from meshtui.ui.fixing_words import fix_document, question, undo_question
from meshtui.ui.flow_path import path_of, path_of_fix
from meshtui.ui.pictures.path import PathData
from meshtui.ui.widgets.document_view import DocumentView
from meshtui.ui.widgets.footer import Footer
from meshtui.ui.widgets.path_view import PathView
from meshtui.ui.widgets.status import StatusBar


class FixScreen(ActionScreen):
    """One fix, from the patch to the probes after it. It stays on its finding, whatever the session finds later."""

    PLACE = "fix"
    BINDINGS: ClassVar[list[BindingType]] = bindings("fix")
    VERTICAL_BREAKPOINTS = [(0, "-low"), (32, "-tall")]  # noqa: RUF012  (as Textual declares it)

    def __init__(self, session: Session, finding: Finding) -> None:
        super().__init__(session)
        self._finding = finding
        self._done: Done | None = next((d for d in reversed(session.fixes) if d.proposal.finding == finding), None)
        self._proposal: Proposal | None = self._done.proposal if self._done else None
        self._stage: Line = line(("… working out what it would open and close", WARN))
        self._busy = False

    def compose(self) -> ComposeResult:
        """Header, the path of a flow that it changes, text, a line that says what to press, footer."""
        yield StatusBar(id="status")
        yield PathView(id="path", share=0.4)
        yield DocumentView(id="text")
        yield Static(id="message")
        yield Footer()

    def on_mount(self) -> None:
        """Follow the session, and compute the fix."""
        self._stop_listening = self._session.listen(self._show_status)
        self.query_one(DocumentView).focus()
        if self._done is not None:
            self._stage = self._stage_of(self._done)
        self._refresh()
        if self._done is None:
            self._propose()

    def on_unmount(self) -> None:
        """Stop following."""
        self._stop_listening()

    # ---- showing

    def _show_status(self) -> None:
        if self.is_there:
            self.query_one(StatusBar).show(self._session)

    def _refresh(self) -> None:
        if not self.is_there:
            return
        self._show_status()
        self.query_one(PathView).show(self._path())
        self.query_one(DocumentView).show(fix_document(self._session, self._finding, self._proposal, self._done, self._stage))
        message = Document("", (Section("", (self._what_to_press(),)),)).content().split("\n")[-1]
        self.query_one("#message", Static).update(message)

    def _path(self) -> PathData | None:
        """The path of the first flow that the fix changes, and what it is expected to be then."""
        promised = next(iter(self._proposal.promised.items()), None) if self._proposal is not None else None
        if promised is None:
            return None
        session, (flow, decision) = self._session, promised
        verdict = session.verdict(flow)
        if self._done is None or not self._done.applied:
            return path_of_fix(flow, decision, verdict, session.snapshot)
        seen = next((each for each in self._done.observations if each.flow == flow), None)
        old, now = session.outdated(flow), session.clock()
        return path_of(flow, verdict, session.snapshot, seen, old=old, expected=decision.value, now=now)

    @on(PathView.Chosen)
    def _open(self, event: PathView.Chosen) -> None:
        open_link(self, self._session, event.item)

    def _what_to_press(self) -> Line:
        if self._busy:
            return line(("… Ctrl-C stops waiting and probing", DIM))
        if self._proposal is None:
            return line(("there is nothing to apply yet; r works it out again", DIM))
        if self._done is not None and self._done.applied:
            return line("u undoes it; r probes again what it promised")
        if self._session.cannot_apply:
            return line((f"not applied from here: {self._session.cannot_apply}", WARN))
        return line("a applies it, after a question")

    def _say(self, text: str, tone: str = WARN) -> None:
        self._stage = line((text, tone))
        self._refresh()

    # ---- proposing

    @work(exclusive=True, group="fix")
    async def _propose(self) -> None:
        try:
            self._proposal = await propose(self._session, self._finding)
        except MeshtuiError as error:
            self._say(f"✗ {error}", BAD)
            return
        self._stage = line(("not applied yet", DIM))
        self._refresh()

    # ---- applying

    def action_apply(self) -> None:
        """Apply the fix after a confirmation, and probe its effects."""
        proposal = self._proposal
        if self._busy:
            return
        if proposal is None:
            self.notify("there is nothing to apply yet: r works it out again", severity="warning")
            return
        if self._session.cannot_apply:
            self.notify(f"nothing is changed: {self._session.cannot_apply}", severity="error", markup=False)
            return
        if self._done is not None and self._done.applied:
            self.notify("it is applied: u undoes it", severity="warning")
            return

        def answered(yes: bool | None) -> None:
            if yes:
                self._carry_out(proposal)

        context = self._session.label.context
        self.app.push_screen(ConfirmScreen(question(proposal, context), yes="Apply"), answered)

    @work(exclusive=True, group="fix")
    async def _carry_out(self, proposal: Proposal) -> None:
        done = Done(proposal)
        self._busy = True
        try:
            confirmation = Confirmation("confirmed on the fix screen")
            self._done = await carry_out(self._session, proposal, confirmation, lambda text: self._say(f"… {text}"), done)
            self._stage = self._stage_of(self._done)
        except asyncio.CancelledError:
            self._done = done if done.applied or done.error is not None else None
            stopped = line(("! stopped: applied, but not probed" if self._done else "! stopped: nothing was applied", WARN))
            self._stage = stopped if done.error is None else self._stage_of(done)
            raise
        finally:
            self._busy = False
            self._refresh()

    def _stage_of(self, done: Done) -> Line:
        """The result in one line."""
        if done.error is not None:
            return line((f"✗ {done.error}", BAD))
        if done.unprobed is not None:
            return line((f"! applied, not probed: {done.unprobed}", WARN))
        wrong = sum(seen.agrees is False for seen in done.observations)
        right = sum(seen.agrees is True for seen in done.observations)
        if wrong:
            return line((f"≠ applied, and {wrong} of {len(done.observations)} flows DISAGREE with what was promised", BAD))
        if done.unseen:
            return line(("! applied, but not everything was seen in time", WARN))
        probed = f": {right} of {len(done.observations)} probed flows are as predicted" if done.observations else ""
        return line((f"✓ applied{probed}", OK))

    def action_again(self) -> None:
        """Probe the effects again; before the fix is applied, compute it again."""
        if self._busy:
            return
        if self._done is None or not self._done.applied:
            self._say("… working out what it would open and close")
            self._propose()
        elif self._session.read_only:
            self.notify(f"nothing is probed: {self._session.read_only}", severity="error", markup=False)
        else:
            self._probe_again(self._done)

    @work(exclusive=True, group="fix")
    async def _probe_again(self, done: Done) -> None:
        self._busy = True
        try:
            confirmation = Confirmation("asked for again on the fix screen")
            await probe_again(self._session, done, confirmation, lambda text: self._say(f"… {text}"))
            self._stage = self._stage_of(done)
        except asyncio.CancelledError:
            self._stage = line(("! stopped: not probed again", WARN))
            raise
        finally:
            self._busy = False
            self._refresh()

    # ---- undoing

    def action_undo(self) -> None:
        """Restore the old objects after a confirmation."""
        done = self._done
        if self._busy or done is None or not done.applied:
            if not self._busy:
                self.notify("there is nothing to undo", timeout=3)
            return

        def answered(yes: bool | None) -> None:
            if yes:
                self._take_back(done)

        self.app.push_screen(ConfirmScreen(undo_question(done, self._session.label.context), yes="Undo"), answered)

    @work(exclusive=True, group="fix")
    async def _take_back(self, done: Done) -> None:
        self._busy = True
        try:
            confirmation = Confirmation("confirmed on the fix screen")
            await take_back(self._session, done, confirmation, lambda text: self._say(f"… {text}"))
        except MeshtuiError as error:
            self._stage = line((f"✗ not undone: {error}", BAD))
        except asyncio.CancelledError:
            self._done = done if done.applied else None
            self._stage = line(
                ("! stopped: not everything is undone" if done.applied else "! stopped: undone, not waited for", WARN)
            )
            raise
        else:
            self._done = None
            self._stage = line(("✓ undone: the objects are as they were", OK))
        finally:
            self._busy = False
            self._refresh()

    # ---- other keys

    def action_yaml(self) -> None:
        """The first object as YAML."""
        from meshtui.screens.yaml import YamlScreen

        if self._finding.objects:
            self.app.push_screen(YamlScreen(self._session, self._finding.objects[0]))

    def interrupt(self) -> str:
        """Stop waiting and probing; objects that are being changed are all changed first. Returns what to say of that."""
        if not self._busy:
            return ""
        self.workers.cancel_group(self, "fix")
        return "stopping: objects that are being changed are all changed first"

    def action_back(self) -> None:
        """Go back, unless a change is in progress."""
        if self._busy:
            self.notify("it is being applied: a moment", severity="warning", timeout=3)
            return
        self.app.pop_screen()
