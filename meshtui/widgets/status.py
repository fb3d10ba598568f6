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
_NAMES = 3
"""Kinds that the banner names."""


class StatusBar(Static):
    """One line: context, cluster, user, read-only or not, freshness; and under it a banner when the data isn't live."""

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
        apart = len(session.snapshot.own_probes)
        if apart:  # they stand in no pane: somebody who imitates one must not vanish
            parts.append(Content.styled(f"{apart} probe pod{'s' if apart > 1 else ''} apart", "$text-warning"))
        parts.append(Content.styled("read-only", "bold $text-warning") if session.read_only else Content("read-write"))
        found = [Content.styled(text, _TONES[tone]) for text, tone in marks(session).counts] if session.settled else []
        if found:
            parts.append(Content(" ").join(found))
        text, tone = _freshness(session, terse=terse)
        parts.append(Content.styled(text, tone))
        warnings = banner(session)
        self.set_class(bool(warnings), "-not-live")
        header = Content(" · ").join(parts)
        self._say(Content("\n").join([header, *(Content.styled(f" {clean(text)}", "bold") for text in warnings)]))

    def _say(self, content: Content) -> None:
        if self._said is None or not self._said.is_same(content):
            grows = self._said is None or len(self._said.plain.split("\n")) != len(content.plain.split("\n"))
            self._said = content
            self.update(content, layout=grows)


def banner(session: Session) -> tuple[str, ...]:
    """What stands over the body while what it shows isn't live: what happened, how old the data is, and why; else nothing."""
    if session.error is not None:
        if not session.has_data:
            return ()  # there is nothing under it, and the body itself says why
        known = f"what is shown was known {_age(session)}" if session.snapshot.taken_at else "nothing was read before"
        return f"✗ NOT LIVE: the source has ended; {known}; r starts it again", f"  {session.error}"
    if session.stopped:
        name, why = next(iter(session.stopped.items()))
        return f"✗ NOT LIVE: {', '.join(session.stopped)} stopped, and stay as they are; start meshtui again", f"  {name}: {why}"
    broken = _in_state(session, KindStatus.BROKEN)
    if not broken:
        return _sandbox_trouble(session)
    names = ", ".join(broken[:_NAMES]) + (f" and {len(broken) - _NAMES} more" if len(broken) > _NAMES else "")
    states = [session.snapshot.kind_state(name) for name in broken]
    since, now = min((state.since for state in states if state.since), default=None), session.clock()
    when = f" since {since.astimezone(now.tzinfo):%H:%M:%S} ({age((now - since).total_seconds())})" if since else ""
    return f"✗ NOT LIVE: {names} can't be read{when}, what is shown of it is older; r tries now", f"  {states[0].message}"


def _sandbox_trouble(session: Session) -> tuple[str, ...]:
    """What doesn't start in the embedded cluster, with its own words: there it is a fault of this machine, or of meshtui."""
    if not session.label.sandbox:
        return ()
    failing = sorted((pod for pod in session.snapshot.pods.values() if pod.trouble), key=lambda pod: pod.key)
    if not failing:
        return ()
    more = f" (and {len(failing) - 1} more)" if len(failing) > 1 else ""
    return f"✗ the sandbox: {failing[0].key} doesn't start{more}", f"  {failing[0].trouble}"


def _age(session: Session) -> str:
    taken, now = session.snapshot.taken_at, session.clock()
    return f"{age((now - taken).total_seconds())} ago, at {taken.astimezone(now.tzinfo):%H:%M:%S}" if taken else "before"


def _in_state(session: Session, *wanted: KindStatus) -> list[str]:
    """The kinds in some states, Pod first: it is what everything hangs on."""
    found = (name for name, state in session.snapshot.kinds.items() if state.status in wanted)
    return sorted(found, key=lambda name: (name != "Pod", name))


def _freshness(session: Session, *, terse: bool) -> tuple[str, str]:
    """How fresh the data is, and in which tone to say it."""
    if session.error is not None:
        return "✗ not live: the source has ended" if session.has_data else "✗ no data", "bold $text-error"
    if session.stopped:
        return f"✗ not live: {next(iter(session.stopped))}", "bold $text-error"
    now, health = session.clock(), session.health()
    broken = _in_state(session, KindStatus.BROKEN)
    if broken:
        return f"✗ not live: {broken[0] if len(broken) == 1 else f'{len(broken)} kinds'} broken", "bold $text-error"
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
    if session.snapshot.kind_state("Pod").status is KindStatus.FORBIDDEN:
        return "⊘ pods forbidden", "bold $text-warning"
    old = _in_state(session, KindStatus.STALE, KindStatus.UNREACHABLE, KindStatus.EXPIRED)
    if old:
        return f"⚠ {old[0] if len(old) == 1 else f'{len(old)} kinds'} not live", "bold $text-warning"
    changed = _age(session).partition(",")[0] if session.snapshot.taken_at else "?"
    return "● live" if terse else f"● live, event {changed}", "$text-success"
