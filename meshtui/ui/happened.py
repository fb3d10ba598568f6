"""The strip of the main screen and the journal, in words: what happened to the cluster, and what was done to it."""

from __future__ import annotations

from datetime import datetime, timedelta

from meshtui.model.change import DELETED
from meshtui.model.denial import WINDOW_S
from meshtui.model.verdict import Decision
from meshtui.session import Session
from meshtui.session.happenings import Happening
from meshtui.ui.document import BAD, DIM, OK, PLAIN, WARN, Document, Line, Section, Word, line
from meshtui.ui.links import Link
from meshtui.ui.verdicts import VERDICTS

_MOST_DENIALS = 20


def strip(session: Session, most: int) -> list[Line]:
    """The newest denials, changes of policies and own deeds, newest first, at most ``most`` lines."""
    now = session.clock()
    found = [*_denials(session, now), *((each.at, _change(each)) for each in session.happenings.items)]
    found += [(deed.at, line((deed.what, BAD if deed.failed else PLAIN), (f": {deed.outcome}", DIM))) for deed in session.journal]
    found.sort(key=lambda pair: pair[0], reverse=True)
    return [_timed(at, words, now) for at, words in found[:most]]


def journal(session: Session) -> Document:
    """What was done to the cluster in this session, the newest first."""
    now = session.clock()
    lines: list[Line] = []
    for deed in reversed(session.journal):
        undo = f"  {deed.undo}" if deed.undo else ""
        said = line((f"{'✗' if deed.failed else '✓'} ", BAD if deed.failed else OK), deed.what, (f": {deed.outcome}", DIM), undo)
        lines.append(_timed(deed.at, said, now))
    if not lines:
        lines.append(line(("nothing was done to the cluster in this session: probes, fixes and purchases stand here", DIM)))
    return Document("Journal", (Section("", tuple(lines)),))


def _timed(at: datetime, words: Line, now: datetime) -> Line:
    return (*line((f"{at.astimezone(now.tzinfo):%H:%M:%S} ", DIM)), *words)


def _denials(session: Session, now: datetime) -> list[tuple[datetime, Line]]:
    found = []
    start = now - timedelta(seconds=WINDOW_S)
    for judged in session.denials.judged[:_MOST_DENIALS]:
        denial = judged.denial
        if denial.last < start:
            continue
        port = f":{denial.port}" if denial.port is not None else ""
        who = f"{denial.source or denial.identity or 'unknown'} → {denial.destination or 'unknown'}{port}"
        link: Link = denial.flow or denial
        count = denial.since(start)
        words = line(("✗ denied ", BAD), Word(who, PLAIN, link), (f" ×{count}" if count > 1 else "", DIM))
        found.append((denial.last, words))
    return found


def _change(each: Happening) -> Line:
    cause = each.cause
    by = f" by {cause.by}" if cause.by and cause.what != DELETED else ""
    name = Word(str(cause.ref), PLAIN, cause.ref if cause.what != DELETED else None)
    words = [*line(name, (f" {cause.what}{by}", WARN))]
    if each.turned is None:
        return tuple(words)
    if not each.turned:
        return (*words, *line((": no verdict turned", DIM)))
    parts = []
    for decision in Decision:
        count = each.turned[decision]
        if count:
            glyph, tone = VERDICTS[decision][0][0], VERDICTS[decision][1]
            parts.append(Word(f" {count} flow{'s' if count > 1 else ''} turned {glyph}", tone, each.flow))
    return (*words, Word(":"), *parts)
