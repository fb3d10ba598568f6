"""The path of a flow with everything that the session knows about it."""

from __future__ import annotations

from meshtui.model.flow import Flow
from meshtui.model.verdict import Verdict
from meshtui.session import Session
from meshtui.ui.flow_path import path_of
from meshtui.ui.pictures.path_data import PathData


def known_path(session: Session, flow: Flow, verdict: Verdict) -> PathData:
    """Predicted, observed and, where the file of expectations names this flow, expected."""
    return path_of(
        flow,
        verdict,
        session.snapshot,
        session.observations.get(flow),
        old=session.outdated(flow),
        expected=session.expecting.of(flow),
        now=session.clock(),
    )
