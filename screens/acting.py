"""The base class of screens on which the cursor rests on links: the same keys act on the same things everywhere."""

from __future__ import annotations

from collections.abc import Iterable

from textual import on, work
from textual.app import SuspendNotSupported

from meshtui.engine.path.relations import PROBED, flows_from, flows_from_all, workload_endpoint
from meshtui.model.denial import Denial
from meshtui.model.errors import MeshtuiError
from meshtui.model.finding import Finding
from meshtui.model.flow import EndpointKind, Flow, FlowEndpoint
from meshtui.model.ids import ObjectRef
from meshtui.model.snapshot import Snapshot
from meshtui.model.workload import Workload
from meshtui.screens.follow import describe, follow
from meshtui.ui.action_screen import ActionScreen
from meshtui.ui.copying import MOST_COPIED, command_of
from meshtui.ui.links import Link
from meshtui.ui.saving import saved
from meshtui.ui.widgets.document_view import DocumentView


class LinkScreen(ActionScreen):
    """Each action acts on ``link``, and says so if it has nothing to act on."""

    @property
    def link(self) -> Link | None:
        """What the cursor rests on."""
        return None

    @on(DocumentView.Followed)
    def _followed(self, event: DocumentView.Followed) -> None:
        self.open_link(event.link)

    # ---- what a link is about

    def flow_of_link(self) -> Flow | None:
        """The flow that the link is about."""
        link = self.link
        if isinstance(link, Denial):
            return link.flow
        return link if isinstance(link, Flow) else None

    def _object(self) -> ObjectRef | None:
        """The object of a link: itself, what decides a flow, the first object of a finding, what the log names of a denial."""
        link = self.link
        if isinstance(link, ObjectRef):
            return link
        if isinstance(link, Finding):
            return link.objects[0] if link.objects else None
        if isinstance(link, Denial) and link.named is not None:
            return link.named.ref
        flow = self.flow_of_link()
        decider = self._session.verdict(flow).decided_by if flow is not None else None
        return decider.ref if decider is not None else None

    def workload_of_link(self) -> Workload | None:
        """The workload of a link: itself, that of a pod, the source of a flow, the first one of a finding."""
        link, flow, snapshot = self.link, self.flow_of_link(), self._session.snapshot
        refs = link.objects if isinstance(link, Finding) else (link,) if isinstance(link, ObjectRef) else ()
        source = workload_ref(snapshot, flow.source) if flow is not None else None
        refs += () if source is None else (source,)
        return next((found for ref in refs if (found := _workload(snapshot, ref)) is not None), None)

    # ---- actions

    def action_why(self) -> None:
        """Explain the flow; of a workload, ask which one."""
        from meshtui.screens.why import WhyScreen

        flow = self.flow_of_link()
        if flow is not None:
            self.app.push_screen(WhyScreen(self._session, flow))
        elif (workload := self.workload_of_link()) is not None:
            self._type_flow(workload)
        else:
            self.notify("why is asked of a flow or a workload: 2, then w (or f, and type it)", severity="warning")

    def action_probe(self) -> None:
        """Probe the flow, or the flows of the workload or namespace."""
        flow, ref, snapshot = self.flow_of_link(), self.link, self._session.snapshot
        workload = self.workload_of_link()
        if flow is not None:
            self._probe(str(flow.source), [flow], at_once=True)
        elif workload is not None:
            self._probe(str(workload.ref), flows_from(snapshot, workload, PROBED))
        elif isinstance(ref, ObjectRef) and ref.kind == "Namespace":
            self._probe(str(ref), flows_from_all(snapshot, ref.name, PROBED), at_once=True)
        else:
            self.notify(
                "probes start from a flow, a workload, a namespace or a node: 2, 1 or 6, then p; P probes all", severity="warning"
            )

    def _probe(self, about: str, flows: Iterable[Flow], *, at_once: bool = False) -> None:
        from meshtui.screens.probe import ProbeScreen

        self.app.push_screen(ProbeScreen(self._session, about, flows, at_once=at_once))

    def action_flow(self) -> None:
        """Type a flow, beginning with this one, or from this workload; of a finding, show its fix."""
        from meshtui.screens.flow import FlowScreen, written_ends

        flow = self.flow_of_link()
        if isinstance(self.link, Finding):
            self.action_fix()
        elif flow is not None:
            self.app.push_screen(FlowScreen(self._session, *written_ends(flow)))
        else:
            self._type_flow(self.workload_of_link())

    def _type_flow(self, workload: Workload | None) -> None:
        from meshtui.screens.flow import FlowScreen

        self.app.push_screen(FlowScreen(self._session, str(workload_endpoint(workload.ref)) if workload is not None else ""))

    def action_fix(self) -> None:
        """Show the fix of the finding."""
        from meshtui.screens.fix import FixScreen

        finding = self.link
        if not isinstance(finding, Finding):
            self.notify("fixes belong to findings: 5, then f", severity="warning")
        elif finding.fix is None:
            self.notify(f"{finding.rule} has no change that is safe to propose: Enter says more", severity="warning")
        else:
            self.app.push_screen(FixScreen(self._session, finding))

    def action_yaml(self) -> None:
        """The object as YAML; of a flow, what decides it."""
        from meshtui.screens.yaml import YamlScreen

        ref = self._object()
        if ref is not None:
            self.app.push_screen(YamlScreen(self._session, ref))
        elif self.flow_of_link() is not None:
            self.notify("no policy decides this flow", severity="warning")
        else:
            self.notify("nothing here is an object", severity="warning")

    @work(exclusive=True, group="edit")
    async def action_edit_object(self) -> None:
        """Edit the object, and show the change as a fix: dry run, what it opens and closes, a question.

        A text that can't be used is saved, so that nobody has to write it again.
        """
        from meshtui.screens.fix import FixScreen
        from meshtui.ui.editing import changed_by_hand, edited_text

        ref = self._object()
        if ref is None or self._session.cannot_apply:
            why = self._session.cannot_apply if ref is not None else "nothing here is an object"
            self.notify(f"nothing is edited: {why}", severity="error", markup=False)
            return
        changed = text = ""
        try:
            text = changed = await self._session.source.manifest(ref)
            with self.app.suspend():
                changed = edited_text(text, f"{ref.kind}-{ref.name}")
            finding = changed_by_hand(ref, text, changed, await self._session.source.manifest(ref))
        except SuspendNotSupported:
            self.notify("nothing is edited: no editor can be opened from here", severity="error")
        except MeshtuiError as error:
            self.notify(str(error), severity="error", markup=False)
            if changed != text:
                self.write_file(changed, f"{ref.kind}-{ref.name}", "yaml")
        else:
            if finding is None:
                self.notify("nothing was changed", timeout=3)
            else:
                self.app.push_screen(FixScreen(self._session, finding))

    def action_describe(self) -> None:
        """Everything about the object."""
        ref = self._object()
        if ref is not None:
            describe(self, self._session, ref)

    def action_logs(self) -> None:
        """Show the ztunnels' log lines about the workload; of a flow, about its source."""
        from meshtui.screens.logs import LogScreen

        workload = self.workload_of_link()
        if workload is None:
            self.notify("the ztunnel log is kept by workload: 2, then l", severity="warning")
            return
        self.app.push_screen(LogScreen(self._session, workload))

    def action_copy(self) -> None:
        """Copy the name; of a flow, the command that explains it; of a finding, its patch."""
        link = self.link
        if link is None:
            self.notify("nothing here can be copied", severity="warning")
            return
        text, what = command_of(link, self._session)
        self.copy(text, what)

    def copy(self, text: str, what: str) -> None:
        """Copy a text through the terminal, and say what was copied. One that is too long for that is saved."""
        if len(text.encode()) > MOST_COPIED:
            self.notify(f"{what} is too long for a terminal's clipboard", severity="warning", markup=False)
            self.write_file(text, what, "txt")
            return
        self.app.copy_to_clipboard(text)
        self.notify(f"copied {what}: {text.splitlines()[0][:60] if text else ''}", timeout=3, markup=False)

    def write_file(self, text: str, name: str, suffix: str) -> None:
        """Save a text as a file, and say where."""
        try:
            path = saved(text, name, suffix, self._session.clock())
        except OSError as error:
            self.notify(f"nothing is saved: {error}", severity="error", markup=False)
            return
        self.notify(f"saved {path}", timeout=6, markup=False)

    def open_link(self, link: Link) -> None:
        """Open what a link leads to."""
        follow(self, self._session, link)


def _workload(snapshot: Snapshot, ref: ObjectRef) -> Workload | None:
    """A workload, or that of a pod."""
    pod = snapshot.pod_by_key.get(f"{ref.namespace}/{ref.name}") if ref.kind == "Pod" else None
    return snapshot.workloads.get(ref if pod is None else snapshot.owner_of(pod))


def workload_ref(snapshot: Snapshot, end: FlowEndpoint) -> ObjectRef | None:
    """The workload that a flow's end is, or of which it is a pod; None for others."""
    if end.kind is EndpointKind.WORKLOAD:
        found = (ref for ref in snapshot.workloads if (ref.namespace, ref.name) == (end.namespace, end.name))
        return next((ref for ref in found if ref.kind.lower() == end.owner_kind.lower()), None)
    if end.kind is EndpointKind.POD:
        pod = snapshot.pod_by_key.get(f"{end.namespace}/{end.name}")
        return snapshot.owner_of(pod) if pod is not None else None
    return None
