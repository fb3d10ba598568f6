"""The header: context, user, read-only or not, and how current the data is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rich.cells import cell_len
from textual.content import Content
from textual.widgets import Static

from meshtui.model.snapshot import KindStatus
from meshtui.session import Session
from meshtui.ui.action_screen import ActionScreen
from meshtui.ui.columns import level, shorten
from meshtui.ui.document import BAD, DIM, OK, STYLES, WARN
from meshtui.ui.finding_marks import Marks
from meshtui.ui.frame import LOADING_WORDS, NAME, NARROW_BELOW
from meshtui.ui.text import age, clean

_APART = 3
"""The cells of a separator."""
_LEAST = 6
"""The cells that a shortened name keeps before the last one is left out."""
_NAMES = 3
"""Maximum number of kinds that the banner names, and of namespaces that the header names."""


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of the header. One with ``cut`` may lose the middle of its text; then those with a higher ``cut`` are left out."""

    text: str
    style: str = ""
    name: str = ""
    cut: int = 0


class StatusBar(Static):
    """One line with context, cluster, user, mode and freshness; below it a banner if the data isn't live.

    Where it doesn't fit, the names in its middle are shortened. Its right end (findings, freshness) is never cut.
    """

    _said: Content | None = None
    _marks = Marks()
    _session: Session | None = None

    def on_resize(self) -> None:
        """Shorten for the new width."""
        if self._session is not None:
            self.show(self._session)

    def show(self, session: Session) -> None:
        """Say what the session knows now."""
        self._session = session
        self._marks = self._marks.of(session.looking.report)
        width = self.size.width or self.app.size.width  # a drill beside it leaves less than the terminal has
        warnings = banner(session)
        self.set_class(bool(warnings), "-not-live")
        lines = [self._header(session, width), *(Content.styled(f" {clean(text)}", "bold") for text in warnings)]
        lines += [Content.styled(f" {clean(text)}", STYLES[WARN]) for text in _left_out(session)]
        self._say(Content("\n").join(lines))

    def _header(self, session: Session, width: int) -> Content:
        label = session.label
        terse = width < NARROW_BELOW  # what goes without saying is left out
        parts = [_Part("sandbox", "bold $text-accent")] if label.sandbox else []
        for name, value, cut in (("context", label.context, 2), ("cluster", label.cluster, 4), ("user", label.user, 3)):
            if value and not (name == "cluster" and value == label.context):
                parts.append(_Part(value, name="" if terse else f"{name} ", cut=cut))
        if session.namespace:
            parts.append(_Part(session.namespace, name="namespace ", cut=1))
        way = [screen.crumb for screen in self.app.screen_stack if isinstance(screen, ActionScreen)]
        if len(way) > 1:
            parts.append(_Part(" ▸ ".join(way), "$text-accent"))
        seen = session.snapshot.kind_state("Pod").scope or session.snapshot.kind_state("Namespace").scope
        if seen:
            names = seen.split(", ")
            said = f"{len(names)} namespaces" if len(names) > (1 if terse else _NAMES) else seen
            parts.append(_Part(f"sees only {said}", STYLES[WARN]))
        apart = len(session.snapshot.own_probes)
        if apart:  # no pane has them, so a pod that imitates a probe has to be visible here
            parts.append(_Part(f"{apart} probe pod{'s' if apart > 1 else ''} apart", STYLES[WARN]))
        parts.append(_Part("read-only", "bold $text-warning") if session.read_only else _Part("read-write"))
        end = [Content.styled(text, STYLES[tone]) for text, tone in self._marks.counts] if session.settled else []
        text, tone = _freshness(session, terse=terse)
        right = [*([Content(" ").join(end)] if end else []), Content.styled(text, tone)]
        room = width - sum(part.cell_length + _APART for part in (NAME, *right)) + _APART
        middle = [
            Content.styled(part.name, STYLES[DIM]).append(Content.styled(part.text, part.style)) for part in _fitted(parts, room)
        ]
        joined = Content(" · ").join(middle).truncate(max(1, room - _APART), ellipsis=True)
        return Content(" · ").join([NAME, joined, *right])

    def _say(self, content: Content) -> None:
        if self._said is None or not self._said.is_same(content):
            grows = self._said is None or len(self._said.plain.split("\n")) != len(content.plain.split("\n"))
            self._said = content
            self.update(content, layout=grows)


def _fitted(parts: Sequence[_Part], width: int) -> list[_Part]:
    """The parts in ``width`` cells, each behind a separator: names are shortened, and left out if that isn't enough."""
    parts = [replace(part, text=clean(part.text)) for part in parts]
    while True:
        names = [part for part in parts if part.cut]
        fixed = sum(_APART + cell_len(part.name) + (0 if part.cut else cell_len(part.text)) for part in parts)
        sizes = level([cell_len(part.text) for part in names], _LEAST, width - fixed)
        if fixed + sum(sizes) <= width or not names:
            short = iter(sizes)
            return [replace(part, text=shorten(part.text, next(short))) if part.cut else part for part in parts]
        if any(part.name for part in names):
            parts = [replace(part, name="") for part in parts]
        else:
            parts.remove(max(names, key=lambda part: part.cut))


def _left_out(session: Session) -> tuple[str, ...]:
    """What was read of manifests, and below it what was skipped; empty where everything was read."""
    reading = session.snapshot.reading
    if reading is None or not reading.partial:
        return ()
    read = "; ".join(text for text in (reading.amount, reading.not_evaluated) if text)
    return tuple(text for text in (read, reading.left_out) if text)


def banner(session: Session) -> tuple[str, ...]:
    """The banner if the data isn't live: what happened, the age of the data, and the reason; else empty."""
    if session.error is not None:
        if not session.has_data:
            return ()  # there is no data, and the body shows the reason
        known = f"what is shown was known {_age(session)}" if session.snapshot.taken_at else "nothing was read before"
        return f"✗ NOT LIVE: the source has ended; {known}; r starts it again", f"  {session.error}"
    if session.stopped:
        name, why = next(iter(session.stopped.items()))
        return f"✗ NOT LIVE: {', '.join(session.stopped)} stopped, and stay as they are; start meshtui again", f"  {name}: {why}"
    broken = _in_state(session, KindStatus.BROKEN)
    if not broken:
        return _lost(session) or _sandbox_trouble(session)
    names = ", ".join(broken[:_NAMES]) + (f" and {len(broken) - _NAMES} more" if len(broken) > _NAMES else "")
    states = [session.snapshot.kind_state(name) for name in broken]
    since, now = min((state.since for state in states if state.since), default=None), session.clock()
    when = f" since {since.astimezone(now.tzinfo):%H:%M:%S} ({age((now - since).total_seconds())})" if since else ""
    return f"✗ NOT LIVE: {names} can't be read{when}, what is shown of it is older; r tries now", f"  {states[0].message}"


def _lost(session: Session) -> tuple[str, ...]:
    """The banner of a lost connection, or of an expired login: since when, and how old is what is shown."""
    health = session.health()
    words = {
        KindStatus.STALE: "the connection is lost",
        KindStatus.UNREACHABLE: "the API server can't be reached",
        KindStatus.EXPIRED: "the login has expired",
    }
    if health.status not in words or session.loading:
        return ()
    now = session.clock()
    since = (
        f" since {health.since.astimezone(now.tzinfo):%H:%M:%S} ({age((now - health.since).total_seconds())})"
        if health.since
        else ""
    )
    known = f"what is shown was known {_age(session)}" if session.snapshot.taken_at else "nothing was read before"
    said = (f"  {health.message}",) if health.message else ()
    return f"✗ NOT LIVE: {words[health.status]}{since}; {known}; r tries now", *said


def _sandbox_trouble(session: Session) -> tuple[str, ...]:
    """What can't start in the embedded cluster, with its message.

    The cause is this machine or meshtui, not the user's cluster.
    """
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
    """The kinds in some states, Pod first, since most verdicts depend on it."""
    found = (name for name, state in session.snapshot.kinds.items() if state.status in wanted)
    return sorted(found, key=lambda name: (name != "Pod", name))


def _freshness(session: Session, *, terse: bool) -> tuple[str, str]:
    """The freshness of the data as text, and its tone."""
    if session.error is not None:
        return "✗ not live: the source has ended" if session.has_data else "✗ no data", STYLES[BAD]
    if session.stopped:
        return f"✗ not live: {next(iter(session.stopped))}", STYLES[BAD]
    now, health = session.clock(), session.health()
    broken = _in_state(session, KindStatus.BROKEN)
    if broken:
        return f"✗ not live: {broken[0] if len(broken) == 1 else f'{len(broken)} kinds'} broken", STYLES[BAD]
    wait_s = max(0, int((health.retry_at - now).total_seconds())) if health.retry_at else 0
    since = f"{health.since.astimezone(now.tzinfo):%H:%M:%S}" if health.since else "?"
    troubles = {
        KindStatus.LOADING: (LOADING_WORDS, STYLES[WARN]),
        KindStatus.STALE: (f"⚠ stale since {since}" + ("" if terse else f", retrying in {wait_s} s"), "bold $text-warning"),
        KindStatus.UNREACHABLE: (f"✗ unreachable, retrying in {wait_s} s", STYLES[BAD]),
        KindStatus.EXPIRED: ("✗ login expired", STYLES[BAD]),
    }
    if health.status in troubles:
        return troubles[health.status]
    if not session.snapshot.live:
        reading = session.snapshot.reading
        return ("manifests" if reading is None or reading.partial else clean(reading.amount)), STYLES[DIM]
    if session.snapshot.kind_state("Pod").status is KindStatus.FORBIDDEN:
        return "⊘ pods forbidden", "bold $text-warning"
    old = _in_state(session, KindStatus.STALE, KindStatus.UNREACHABLE, KindStatus.EXPIRED)
    if old:
        return f"⚠ {old[0] if len(old) == 1 else f'{len(old)} kinds'} not live", "bold $text-warning"
    changed = _age(session).partition(",")[0] if session.snapshot.taken_at else "?"
    return "● live" if terse else f"● live, event {changed}", STYLES[OK]
