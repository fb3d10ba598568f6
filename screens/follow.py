"""Where links lead: a flow to its explanation, an object to its description or its YAML, a finding to its fix."""

from __future__ import annotations

from textual.screen import Screen

from meshtui.engine.policy.own import policies_of_network
from meshtui.model.denial import Denial
from meshtui.model.finding import Finding
from meshtui.model.ids import ObjectRef
from meshtui.model.snapshot import Snapshot
from meshtui.session import Session
from meshtui.ui.links import Link
from meshtui.ui.panes import panes
from meshtui.ui.view import View


def follow(screen: Screen[None], session: Session, link: Link) -> None:
    """Open the screen to which a link leads; a finding without a fix leads to its first object."""
    from meshtui.screens.fix import FixScreen
    from meshtui.screens.why import WhyScreen

    if isinstance(link, ObjectRef):
        describe(screen, session, link)
    elif isinstance(link, Finding):
        if link.fix is not None:
            screen.app.push_screen(FixScreen(session, link))
        elif link.objects:
            describe(screen, session, link.objects[0])
        else:
            screen.notify(f"{link.rule} names no object", severity="warning", markup=False)
    else:
        flow = link.flow if isinstance(link, Denial) else link
        if flow is not None:
            screen.app.push_screen(WhyScreen(session, flow))
        else:
            screen.notify("the ends of this denial aren't known: D shows what the log says", severity="warning")


def describe(screen: Screen[None], session: Session, ref: ObjectRef) -> None:
    """Open everything about an object: its pane's detail where a pane has it, else its YAML."""
    from meshtui.screens.describe import DescribeScreen
    from meshtui.screens.yaml import YamlScreen

    found = place_of(session.snapshot, ref)
    if found is None:
        screen.app.push_screen(YamlScreen(session, ref))
    else:
        pane = next(pane for pane in panes() if pane.id == found[0])
        screen.app.push_screen(DescribeScreen(View(session), pane, found[1]))


def describe_finding(screen: Screen[None], session: Session, finding: Finding) -> None:
    """Open everything that a finding says."""
    from meshtui.screens.describe import DescribeScreen

    view = View(session)
    uid = next((uid for uid, each in view.marks().by_uid.items() if each == finding), "")
    if uid:
        screen.app.push_screen(DescribeScreen(view, next(pane for pane in panes() if pane.id == "findings"), uid))
    else:
        screen.notify(f"{finding.rule} is gone: it is fixed", severity="warning", markup=False)


def place_of(snapshot: Snapshot, ref: ObjectRef) -> tuple[str, str] | None:
    """The pane that has an object, and the UID of its row there; None if no pane has it."""
    if ref.kind == "Namespace":
        namespace = snapshot.namespace_by_name.get(ref.name)
        return ("namespaces", namespace.meta.uid) if namespace is not None else None
    if ref.kind == "Service":
        service = next((each for each in snapshot.services.values() if each.meta.ref == ref), None)
        return ("services", service.meta.uid) if service is not None else None
    if ref.kind == "Node":
        return "mesh", ref.name
    if ref in snapshot.workloads:
        return "workloads", snapshot.workloads[ref].uid
    for policy in snapshot.authorization_policies.values():
        if policy.meta.ref == ref:
            return "authorizationpolicies", policy.meta.uid
    for other in policies_of_network(snapshot):
        if other.meta.ref == ref:
            return "networkpolicies", other.meta.uid
    if ref.kind == "Pod":
        pod = snapshot.pod_by_key.get(f"{ref.namespace}/{ref.name}")
        return place_of(snapshot, snapshot.owner_of(pod)) if pod is not None else None
    return None
