"""What ``c`` copies: a name, the command that sends a flow, the patch of a finding."""

from __future__ import annotations

import shlex

from meshtui.model.denial import Denial
from meshtui.model.finding import Finding
from meshtui.model.flow import Flow
from meshtui.session import Session
from meshtui.sources.edits import edit_to_yaml
from meshtui.ui.links import Link, named
from meshtui.ui.text import clean

MOST_COPIED = 74_000
"""The bytes of a text that every terminal takes (OSC 52: xterm and others stop at 100,000 in base64)."""


def command_of(link: Link, session: Session) -> tuple[str, str]:
    """The text for a link, and in a word or two what it is."""
    if isinstance(link, Denial):
        return (flow_command(link.flow, session), "the command") if link.flow is not None else (clean(link.raw), "the log line")
    if isinstance(link, Flow):
        return flow_command(link, session), "the command"
    if isinstance(link, Finding) and link.fix is not None:
        return "---\n".join(edit_to_yaml(edit) for edit in link.fix.edits), "the patch"
    return clean(named(link)), "the name"


def flow_command(flow: Flow, session: Session) -> str:
    """The command line that probes a flow in a cluster (that explains it where nothing may be probed), quoted for a shell."""
    port = f":{flow.port}" if flow.port is not None else ""
    words = ["meshtui", "explain" if session.read_only else "probe", str(flow.source), f"{flow.destination}{port}"]
    if flow.protocol != "TCP":
        words += ["--protocol", flow.protocol]
    if flow.http is not None:
        words += [] if flow.http.method == "GET" else ["--method", flow.http.method]
        words += [] if flow.http.path == "/" else ["--path", flow.http.path]
        words += ["--host", flow.http.host] if flow.http.host else []
        for name, value in flow.http.headers:
            words += ["--header", f"{name}:{value}"]
    for file in session.settings.filenames:
        words += ["-f", file]
    if session.settings.kubeconfig:
        words += ["--kubeconfig", session.settings.kubeconfig]
    if session.label.context and not session.settings.filenames and not session.label.sandbox:
        words += ["--context", session.label.context]
    return shlex.join(map(clean, words))  # what is pasted can't press keys in a terminal
