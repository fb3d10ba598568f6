"""The header: where we are, as whom, whether anything can be changed, and how fresh the data is."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static

from meshtui.model.snapshot import KindStatus
from meshtui.session import Session
from meshtui.widgets.document import BAD, DIM, WARN
from meshtui.widgets.finding_marks import marks
from meshtui.widgets.text import age, clean

_TONES = {BAD: "bold $text-error", WARN: "$text-warning", DIM: "dim"}
_TERSE_BELOW = 100
"""Columns below which the header leaves out what goes without saying."""


class StatusBar(Static):
    """One line: context, cluster, user, read-only or not, freshness."""

    _said: Content | None = None

    def show(self, session: Session) -> None:
        """Say what the session knows now."""
        label = session.label
        terse = self.app.size.width < _TERSE_BELOW
        parts = [Content.styled(" meshtui", "bold")]
        if label.sandbox:
            parts.append(Content.styled("sandbox", "bold $text-accent"))
        for name, value in (("context", label.context), ("cluster", label.cluster), ("user", label.user)):
            if value and not (name == "cluster" and value == label.context):
                parts.append(Content.styled("" if terse else f"{name} ", "dim").append(Content(clean(value))))
        if session.namespace:
            parts.append(Content.styled("namespace ", "dim").append(Content(clean(session.namespace))))
        seen = session.snapshot.kind_state("Pod").scope or session.snapshot.kind_state("Namespace").scope
        if seen:
            names = seen.split(", ")
            said = f"{len(names)} namespaces" if terse and len(names) > 1 else seen
            parts.append(Content.styled(clean(f"sees only {said}"), "$text-warning"))
        parts.append(Content.styled("read-only", "bold $text-warning") if session.read_only else Content("read-write"))
        found = [Content.styled(text, _TONES[tone]) for text, tone in marks(session).counts] if session.settled else []
        if found:
            parts.append(Content(" ").join(found))
        text, tone = _freshness(session, terse=terse)
        parts.append(Content.styled(text, tone))
        self._say(Content(" · ").join(parts))

    def _say(self, content: Content) -> None:
        if self._said is None or not self._said.is_same(content):
            self._said = content
            self.update(content, layout=False)  # one line, whatever it says


def _freshness(session: Session, *, terse: bool) -> tuple[str, str]:
    """How fresh the data is, and in which tone to say it."""
    if session.error is not None:
        return "✗ no data", "bold $text-error"
    now, health = session.clock(), session.health()
    wait_s = max(0, int((health.retry_at - now).total_seconds())) if health.retry_at else 0
    since = f"{health.since.astimezone(now.tzinfo):%H:%M:%S}" if health.since else "?"
    troubles = {
        KindStatus.LOADING: ("… loading", "$text-warning"),
        KindStatus.STALE: (f"⚠ stale since {since}" + ("" if terse else f", retrying in {wait_s} s"), "bold $text-warning"),
        KindStatus.UNREACHABLE: (f"✗ unreachable, retrying in {wait_s} s", "bold $text-error"),
        KindStatus.EXPIRED: ("✗ login expired", "bold $text-error"),
    }
    if health.status in troubles:
        return troubles[health.status]
    if not session.snapshot.live:
        return "manifests", "dim"
    taken = session.snapshot.taken_at
    changed = f"{age((now - taken).total_seconds())} ago" if taken else "?"
    return "● live" if terse else f"● live, event {changed}", "$text-success"
