"""A dialog to choose one of the flows between two workloads."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen, Screen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from meshtui.engine.path.relations import workload_endpoint
from meshtui.model.flow import Flow
from meshtui.session import Session
from meshtui.ui.actions import bindings
from meshtui.ui.reach import flows_between, workload_ref
from meshtui.ui.text import clean
from meshtui.ui.verdicts import VERDICTS


def open_pair(screen: Screen[None], session: Session, source: str, destination: str) -> None:
    """Explain the flow between two workloads (NAMESPACE/KIND/NAME); if there are several, ask which."""
    from meshtui.screens.why import WhyScreen

    if source == destination and len(getattr(session.snapshot.workloads.get(workload_ref(source)), "pods", ())) < 2:
        screen.notify("a pod always reaches itself", timeout=3)
        return
    flows = flows_between(session.snapshot, session.engine.resolver, workload_ref(source), workload_ref(destination))
    if not flows:
        from meshtui.screens.flow import FlowScreen

        screen.notify("it declares no port: type one", timeout=3)
        start, end = workload_endpoint(workload_ref(source)), workload_endpoint(workload_ref(destination))
        screen.app.push_screen(FlowScreen(session, str(start), f"{end}:"))
        return
    if len(flows) == 1:
        screen.app.push_screen(WhyScreen(session, flows[0]))
        return

    def chosen(flow: Flow | None) -> None:
        if flow is not None:
            screen.app.push_screen(WhyScreen(session, flow))

    screen.app.push_screen(ChooseFlowScreen(session, flows), chosen)


class ChooseFlowScreen(ModalScreen[Flow | None]):
    """Returns one of some flows, or None."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("choose_flow")

    def __init__(self, session: Session, flows: list[Flow]) -> None:
        super().__init__()
        self._session = session
        self._flows = flows

    def compose(self) -> ComposeResult:
        """A list of flows with their verdicts."""
        options = []
        for number, flow in enumerate(self._flows):
            word, _ = VERDICTS[self._session.verdict(flow).decision]
            options.append(Option(Content(clean(f"{word:<10} {flow.destination}:{flow.port} ({flow.protocol})")), id=str(number)))
        with Vertical(id="dialog"):
            yield Static(Content(clean(f"From {self._flows[0].source}: which one?")), classes="title")
            yield OptionList(*options)
            yield Static("Enter explains · Esc goes back", classes="hint")

    def on_mount(self) -> None:
        """Focus the list."""
        self.query_one(OptionList).focus()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Return the chosen flow."""
        self.dismiss(self._flows[int(event.option.id or 0)])
