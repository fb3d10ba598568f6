"""Documents for states without data. Each state has its own, with advice."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from meshtui.model.errors import ConfigError, MeshtuiError
from meshtui.model.snapshot import KindState, KindStatus
from meshtui.ui.document import BAD, DIM, STRONG, WARN, Document, Section, line
from meshtui.ui.frame import LOADING_MARK, loading

__all__ = ["COUNTED", "MARKS", "empty", "face", "failed", "loading"]


MARKS = {
    KindStatus.LOADING: LOADING_MARK,
    KindStatus.FORBIDDEN: "⊘",
    KindStatus.NOT_INSTALLED: "∅",
    KindStatus.STALE: "⚠",
    KindStatus.EXPIRED: "✗",
    KindStatus.UNREACHABLE: "✗",
    KindStatus.BROKEN: "✗",
}
"""How a title says in which state its kind is."""
COUNTED = frozenset({KindStatus.SYNCED, KindStatus.STALE})
"""The states in which the number of objects is known."""


def empty(kind: str, namespace: str, needle: str, nothing: str = "", *, wrong: str = "") -> Document:
    """The API server says that there are no such objects. ``nothing`` replaces that text; ``wrong``: what the filter is."""
    if needle and wrong:
        return Document("✗ Not a filter", (Section("", (line((wrong, BAD)), line("Esc clears the filter"))),))
    if needle:
        return Document(f"Nothing in {kind} matches “{needle}”", (Section("", (line("Esc clears the filter"),)),))
    where = f"in namespace {namespace}" if namespace else "in this cluster"
    lines = [line((nothing or f"the API server was asked, and there are none {where}", DIM))]
    if namespace:
        lines.append(line("n chooses another namespace, or all"))
    return Document(f"No {kind}", (Section("", tuple(lines)),))


def failed(error: MeshtuiError) -> Document:
    """The source can't be used."""
    title = "✗ No cluster to show" if isinstance(error, ConfigError) else "✗ The cluster can't be read"
    lines = [line((error.message, BAD))]
    if error.hint:
        lines.append(line(error.hint))
    lines.append(line(("r tries again, q quits", DIM)))
    return Document(title, (Section("", tuple(lines)),))


def _wait(state: KindState, now: datetime) -> str:
    return f"retrying in {max(0, int((state.retry_at - now).total_seconds()))} s" if state.retry_at else "retrying"


def _forbidden(kind: str, state: KindState, now: datetime) -> Document:
    who = "ask for a (Cluster)Role with this verb, or name a namespace that you may list: n, or -n on the command line"
    lines = (
        line(("missing verb: ", DIM), (f"{state.verb or 'list'} {kind}", STRONG)),
        line(state.message),
        line(who),
        line((_wait(state, now), DIM)),
    )
    return Document(f"⊘ Forbidden: you may not {state.verb or 'list'} {kind}", (Section("", lines),))


def _not_installed(kind: str, state: KindState, _now: datetime) -> Document:
    lines = (
        line(state.message),
        line("the other kinds work without it; verdicts count none of it"),
        line(("looking again every minute", DIM)),
    )
    return Document(f"∅ Not installed: {kind}", (Section("", lines),))


def _expired(_kind: str, state: KindState, now: datetime) -> Document:
    lines = (
        line((state.message, BAD)),
        line("log in again in another terminal (what you do before kubectl works), then press r"),
        line((_wait(state, now), DIM)),
    )
    return Document("✗ Your login has expired", (Section("", lines),))


def _unreachable(_kind: str, state: KindState, now: datetime) -> Document:
    lines = (
        line((state.message, BAD)),
        line((_wait(state, now), WARN), "; r tries now"),
    )
    return Document("✗ The API server can't be reached", (Section("", lines),))


def _broken(kind: str, state: KindState, now: datetime) -> Document:
    lines = (
        line((state.message, BAD)),
        line(f"nothing is known of {kind}: verdicts that depend on them are unknown"),
        line((_wait(state, now), WARN), "; r tries now"),
    )
    return Document(f"✗ Broken: the answer about {kind} can't be read", (Section("", lines),))


_FACES: dict[KindStatus, Callable[[str, KindState, datetime], Document]] = {
    KindStatus.FORBIDDEN: _forbidden,
    KindStatus.NOT_INSTALLED: _not_installed,
    KindStatus.EXPIRED: _expired,
    KindStatus.UNREACHABLE: _unreachable,
    KindStatus.BROKEN: _broken,
}


def face(kind: str, state: KindState, now: datetime) -> Document | None:
    """The document to show instead of a kind's table, or None if there is a table (also a stale one)."""
    if state.status is KindStatus.LOADING:
        return loading(kind)
    drawn = _FACES.get(state.status)
    return drawn(kind, state, now) if drawn else None
