"""Denials on screen: as rows, in detail, as an empty state, and as counts in other tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from meshtui.engine.explain.denials import Agreement, Cause, DeniedCount, JudgedDenial
from meshtui.engine.explain.wording import in_words
from meshtui.model.denial import DenialKind
from meshtui.model.ids import ObjectRef
from meshtui.session import Session
from meshtui.ui.document import BAD, DIM, OK, STRONG, WARN, Document, Line, Section, facts, line
from meshtui.ui.pictures.spark import spark
from meshtui.ui.text import age
from meshtui.ui.verdicts import VERDICTS
from meshtui.ui.widgets.table import Cell, Column, Row

DENIED = Column("DENIED", keep=6, least=3, right=True, brief="DENY")
"""The column in other tables: the number of denials in the last 15 minutes (``WINDOW_S``), and a block for each 90 s of them."""
COLUMNS = (
    Column("LAST", keep=10, least=4, right=True),
    Column("COUNT", keep=8, least=5, right=True),
    Column("FROM", keep=8, least=11),
    Column("TO", keep=8, least=11),
    Column("PORT", keep=10, least=4, right=True),
    Column("CAUSE", keep=6, least=6),
    Column("WHAT", keep=4, least=6),
    Column("POLICY", keep=9, least=10),
    Column("", keep=8, least=1),
)
_KINDS = {
    DenialKind.REJECTED: ("✗ rejected", BAD),
    DenialKind.POLICY_CHANGE: ("✗ cut off", BAD),
    DenialKind.REFUSED: ("✗ got 401", BAD),
    DenialKind.TIMED_OUT: ("? timed out", WARN),
    DenialKind.HBONE_CLOSED: ("? not captured", WARN),
    DenialKind.FAILED: ("? failed", WARN),
    DenialKind.FORBIDDEN: ("✗ HTTP 403", BAD),
}
CAUSES = {
    Cause.POLICY: "policy",
    Cause.NO_IDENTITY: "no identity",
    Cause.NETWORK_POLICY: "network policy",
    Cause.NOT_CAPTURED: "not captured",
    Cause.NO_ANSWER: "no answer",
    Cause.CERTIFICATE: "certificate",
    Cause.STATE: "not known there",
    Cause.NOT_LISTENING: "nobody listens",
    Cause.PROXY_CLOSED: "waypoint away",
    Cause.DRAINING: "draining",
    Cause.UNKNOWN: "unknown",
}
"""The words for the causes of denials."""
_AGREEMENTS = {
    Agreement.AGREES: ("= agrees", OK),
    Agreement.DISAGREES: ("≠ DISAGREES", BAD),
    Agreement.CHANGED: ("* changed", WARN),
    Agreement.UNKNOWN: ("? unknown", DIM),
}


_NOT_READ, _NONE = Cell("-", DIM), Cell("0", DIM)


def denied_cell(denied: Mapping[ObjectRef, DeniedCount] | None, ref: ObjectRef) -> Cell:
    """Recent denials: of a workload as ``→sent ←received``, of a policy as ``logged ~predicted``; ``-`` if no log is read.

    If there is room, blocks behind the numbers show when they were.
    """
    if denied is None:
        return _NOT_READ
    count = denied.get(ref)
    if count is None:
        return _NONE
    parts = [
        f"{mark}{number}"
        for mark, number in (("→", count.outgoing), ("←", count.incoming), ("", count.logged), ("~", count.predicted))
        if number
    ]
    if not parts:
        return _NONE
    numbers = " ".join(parts)
    return Cell(f"{numbers} {spark(count.slots)}".rstrip(), BAD, short=numbers)


def _what(each: JudgedDenial) -> tuple[str, str]:
    """What happened, in a word with its tone: where a network policy may have refused it, no word of capture."""
    refused = each.denial.kind is DenialKind.HBONE_CLOSED and each.cause is Cause.NETWORK_POLICY
    return ("? refused", WARN) if refused else _KINDS[each.denial.kind]


def group_of(each: JudgedDenial) -> str:
    """The text of a denial that stays the same while it is repeated. It identifies the denial, and is searched by the filter."""
    d = each.denial
    named = f"{d.named.ref} {d.named.rule}" if d.named else ""
    method = d.http.method if d.http else ""
    by = str(each.decided_by.ref) if each.decided_by and not d.named else ""
    return f"{d.source} {d.destination}:{d.port} {d.identity} {_KINDS[d.kind][0]} {d.reason} {d.proxy} {named} {method}{_SEP}{by}"


_SEP = "\n"


def by_cause(judged: Iterable[JudgedDenial]) -> list[JudgedDenial]:
    """Denials grouped by their cause: the group with the newest first, and in each the newest first."""
    groups: dict[Cause, list[JudgedDenial]] = {}
    for each in sorted(judged, key=lambda one: one.denial.last, reverse=True):
        groups.setdefault(each.cause, []).append(each)
    return [each for group in groups.values() for each in group]


def row_of(each: JudgedDenial, now: datetime) -> Row:
    """A denial's row. Words that depend on a prediction are not part of its identity."""
    d = each.denial
    name = each.decided_by.ref.name if each.decided_by else "-"
    word, tone = _AGREEMENTS[each.agreement]
    return Row(
        group_of(each).rpartition(_SEP)[0],
        (
            Cell(age((now - d.last).total_seconds()), DIM),
            Cell(f"×{d.count}"),
            Cell(str(d.source or "unknown"), short=_short(str(d.source or "unknown"))),
            Cell(str(d.destination or "unknown"), short=_short(str(d.destination or "unknown"))),
            Cell(str(d.port or "?")),
            Cell(CAUSES[each.cause], DIM if each.cause is Cause.UNKNOWN else ""),
            Cell(*_what(each)),
            Cell(name if each.from_log or not each.decided_by else f"~ {name}", "" if each.from_log else DIM),
            Cell(word, tone, short=word[0]),
        ),
        marked=each.agreement is Agreement.DISAGREES,
    )


def _short(reference: str) -> str:
    """``NS/NAME`` for ``NS/KIND/NAME``."""
    parts = reference.split("/")
    return f"{parts[0]}/{parts[2]}" if len(parts) == 3 else reference


def about(each: JudgedDenial, now: datetime) -> Document:
    """Everything about one denial: the log line, the prediction, and whether they agree."""
    d = each.denial
    sections = []
    word, tone = _AGREEMENTS[each.agreement]
    if each.agreement is Agreement.DISAGREES:
        sections.append(Section("", (line((f"{word}: {each.note}", BAD)),)))
    said: list[Line] = [
        line((_what(each)[0], BAD if d.kind.certain else WARN), f" ×{d.count}, says the {d.proxy}"),
        line("cause: ", (CAUSES[each.cause], DIM if each.cause is Cause.UNKNOWN else STRONG)),
        line(d.reason),
    ]
    if d.named:
        rule = f" {d.named.rule}" if d.named.rule else ""
        said.append(line("it names ", (f"{d.named.ref}{rule}", STRONG)))
    elif d.kind.certain:
        said.append(line(("it names no policy", DIM)))
    sections.append(Section("The log says", tuple(said)))
    sections.append(Section("Who", _who(each)))
    sections.append(Section("Predicted for this flow now", _predicted(each, word, tone)))
    clock = f"{d.last.astimezone(now.tzinfo):%H:%M:%S}, {age((now - d.last).total_seconds())} ago"
    times = facts(("first", f"{d.first.astimezone(now.tzinfo):%H:%M:%S}"), ("last", clock))
    sections.append(Section("When", times))
    sections.append(Section("The last line", (line((d.raw.replace("\t", " "), DIM)),)))
    return Document(f"{d.source or 'unknown'} → {d.destination or 'unknown'}:{d.port or '?'}", tuple(sections))


def _who(each: JudgedDenial) -> tuple[Line, ...]:
    d = each.denial
    lines = []
    if d.identity:
        lines.append(line("as ", (d.identity, STRONG)))
    elif d.proxy == "ztunnel" and d.kind.certain:
        lines.append(line(("plaintext: no identity", WARN)))
    else:
        lines.append(line(("the line doesn't name an identity", DIM)))
    lines.append(line((f"{d.pods[0] or 'unknown'} → {d.pods[1] or 'unknown'}", DIM)))
    if d.http:
        lines.append(line(f"{d.http.method} {d.http.path}", (f"  host {d.http.host}", DIM)))
    return tuple(lines)


def _predicted(each: JudgedDenial, word: str, tone: str) -> tuple[Line, ...]:
    verdict = each.verdict
    if verdict is None:
        return (line((each.note or "not judged yet", DIM)),)
    glyph, verdict_tone = VERDICTS[verdict.decision]
    lines = [line((glyph, verdict_tone), f": {verdict.outcome} ({verdict.layer.value})")]
    if each.decided_by and not each.from_log:
        rule = f" {each.decided_by.rule}" if each.decided_by.rule else ""
        lines.append(line("decided by ", (f"{each.decided_by.ref}{rule}", STRONG), (" (predicted)", DIM)))
    if verdict.reason:
        lines.append(line((in_words(verdict.reason), DIM)))
    if each.agreement is not Agreement.DISAGREES:  # that is said on top
        lines.append(line((word, tone), f": {each.note}" if each.note else ""))
    return tuple(lines)


def title(session: Session, shown: Sequence[JudgedDenial]) -> Line:
    """The title: the number of denials, whose logs they are from, and how many disagree or couldn't be parsed."""
    log = session.denials.log
    if log is None:
        return line(("Denials", STRONG))
    roles = [state.role for state in log.logs if state.reading]
    parts = [f"{roles.count(role)} {role}{'s' if roles.count(role) != 1 else ''}" for role in dict.fromkeys(roles)]
    disagree = sum(each.agreement is Agreement.DISAGREES for each in shown)
    causes = Counter[Cause]()
    for each in shown:
        causes[each.cause] += each.denial.count
    counts = ", ".join(f"{number} {CAUSES[cause]}" for cause, number in causes.most_common())
    words: list[str | tuple[str, str]] = [
        (f" Denials: {sum(each.denial.count for each in shown)}", STRONG),
        *([f" ({counts})"] if len(causes) > 1 else []),
        *([(f" · ≠ {disagree} DISAGREE with the prediction", BAD)] if disagree else []),
        (f" · logs of {', '.join(parts) or 'nobody'}", DIM),
        *([(f" · {log.unreadable} line(s) unreadable", WARN)] if log.unreadable else []),
        *([(f" · {log.own} line(s) of own probes left out", DIM)] if log.own else []),
    ]
    return line(*words)


def face(session: Session, needle: str) -> Document:
    """The document to show if there are no denials."""
    log = session.denials.log
    if needle:
        return Document(f"No denial matches “{needle}”", (Section("", (line("Esc clears the filter"),)),))
    if not session.snapshot.live and not session.loading:
        return Document("No logs", (Section("", (line("these are manifests: denials are in the logs of a cluster"),)),))
    if log is not None and log.problems and not log.readable and not session.loading:
        lines = [line((problem, BAD)) for problem in log.problems]
        hint = "who may read them: a Role with get on pods/log in the ztunnels' namespace; r tries again now"
        return Document("⊘ The ztunnels' logs can't be read", (Section("", (*lines, line(hint))),))
    if log is None or not log.readable:
        return Document("… Reading the logs", (Section("", (line(("the ztunnels' logs are on their way", DIM)),)),))
    where = f" in namespace {session.namespace}" if session.namespace else ""
    lines = [line((f"the logs of {sum(state.reading for state in log.logs)} proxies are followed, 15 minutes back", DIM))]
    lines += [line((f"there may be more: {problem}", WARN)) for problem in log.problems]
    return Document(f"✓ Nothing denied{where}", (Section("", tuple(lines)),))
