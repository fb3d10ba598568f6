"""``meshtui denials``: recent denials from the proxies' logs, each with the deciding policy."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from meshtui.cli.command import command, switch, value

if TYPE_CHECKING:
    from datetime import datetime

    from meshtui.cli.answer import Answer
    from meshtui.engine.explain.denials import JudgedDenial
    from meshtui.session import Session
    from meshtui.settings import Settings
    from meshtui.sources.kubernetes.denials import DenialLog

_LONGEST_S = 86400
_MARKS = {
    "agrees": "= the prediction agrees",
    "disagrees": "≠ DISAGREES WITH THE PREDICTION",
    "changed": "* changed since",
    "unknown": "? not predicted",
}


@dataclass(frozen=True, slots=True)
class Words:
    """The parsed arguments."""

    since: int
    follow: bool
    output: str


class _Span(click.ParamType[int]):
    """A duration of whole seconds, up to a day: ``90s``, ``10m``, ``1h30m``."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The duration in seconds."""
        from meshtui.cli.durations import seconds_of
        from meshtui.model.errors import UsageError

        if isinstance(value, int):
            return value
        try:
            seconds = int(seconds_of(value))
        except UsageError as error:
            self.fail(error.message, param, ctx)
        if not 1 <= seconds <= _LONGEST_S:
            self.fail(f"{value!r}: between 1s and 24h", param, ctx)
        return seconds


PARAMS = [
    value("--since", "TIME", "how far back: 90s, 10m, 1h (default 10m)", type=_Span(), default=600),
    switch("--follow", "go on, and print each group again when it grows (-o text or jsonl)"),
]


def _run(words: Words, settings: Settings) -> int:
    import asyncio

    from meshtui.model.errors import UsageError

    if settings.filenames:
        raise UsageError("manifests have no logs", "leave out -f, and name a cluster")
    if words.follow and words.output not in {"text", "jsonl"}:
        raise UsageError(f"--follow has no end, and {words.output} needs one", "-o text or jsonl")
    return asyncio.run(_follow(words, settings) if words.follow else _once(words, settings))


async def _once(words: Words, settings: Settings) -> int:
    from meshtui.cli.formats import write
    from meshtui.cli.source import open_session
    from meshtui.engine.explain.denials import Agreement
    from meshtui.model.errors import ClusterError

    async with open_session(settings) as session:
        log = await session.denials.read(words.since)
        if not log.readable:
            raise ClusterError("; ".join(log.problems) or "no ztunnel's log can be read")
        start = session.clock().timestamp() - words.since
        wanted = [each for each in in_namespace(session) if each.denial.last.timestamp() >= start]
        write(answer(wanted), words.output)
        _complain(log)
        if not wanted and words.output == "text":
            sys.stderr.write("nothing was denied, as far as the logs say\n")
    if any(each.agreement is Agreement.DISAGREES for each in wanted):
        return 1
    return 4 if log.problems or log.unreadable else 0


def answer(judged: Iterable[JudgedDenial]) -> Answer:
    """The denials as an Answer, the latest first."""
    from meshtui.cli.answer import Answer, Column, end_name, key, object_name

    found = list(judged)
    rows = [denial_to_json(each) for each in found]
    columns = (
        Column("LAST", key("time")),
        Column("COUNT", key("count")),
        Column("FROM", lambda row: end_name(row["from"])),
        Column("TO", lambda row: end_name(row["to"])),
        Column("IDENTITY", key("source_identity"), wide=True),
        Column("LOGGED BY", key("logged_by"), wide=True),
        Column("DECIDED BY", lambda row: object_name(row["decided_by"])),
        Column("CAUSE", key("cause")),
        Column("AGREEMENT", key("agreement")),
        Column("REASON", key("reason")),
    )
    return Answer(rows, rows, columns, own={"text": lambda: "".join(map(_text_of, found))})


async def _follow(words: Words, settings: Settings) -> int:
    import asyncio

    from meshtui.cli.formats import write
    from meshtui.cli.source import in_scope, source_for
    from meshtui.session import Session

    session = Session(source_for(settings), settings)
    news = asyncio.Event()
    session.denials.listen(news.set)
    session.listen(news.set)
    session.start()
    from meshtui.model.plain import clean

    counts: dict[object, int] = {}
    said: set[str] = set()
    try:
        while True:
            await news.wait()
            news.clear()
            if session.error is not None:
                raise session.error
            if not session.settled:
                continue
            in_scope(session.snapshot, settings)
            session.denials.follow(words.since)
            await session.denials.judge()
            fresh = [each for each in in_namespace(session) if counts.get(_group(each)) != each.denial.count]
            counts = {_group(each): each.denial.count for each in session.denials.judged}
            write(answer(reversed(fresh)), words.output)
            sys.stdout.flush()
            if session.denials.log is not None:
                problems = set(session.denials.log.problems) if session.denials.log.logs else set()
                for problem in sorted(problems - said):
                    sys.stderr.write(f"meshtui: {clean(problem)}\n")
                said = problems
    finally:
        await session.stop()


def in_namespace(session: Session) -> list[JudgedDenial]:
    """The denials from or to the session's namespace; all if it has none."""
    if not session.namespace:
        return session.denials.judged
    return [
        each
        for each in session.denials.judged
        if session.namespace in {end.namespace for end in (each.denial.source, each.denial.destination) if end}
    ]


def _group(each: JudgedDenial) -> object:
    d = each.denial
    return d.source, d.destination, d.port, d.identity, d.kind, d.reason, d.proxy, d.named, d.http.method if d.http else ""


def _complain(log: DenialLog) -> None:
    """Print on stderr what may be missing from the answer."""
    from meshtui.model.plain import clean

    for problem in log.problems:
        sys.stderr.write(f"meshtui: {clean(problem)}\n")
    if log.unreadable:
        samples = [f"{state.pod}: {state.sample}" for state in log.logs if state.sample]
        sys.stderr.write(f"meshtui: {log.unreadable} line(s) couldn't be read, the last of {clean(samples[-1])}\n")


def _text_of(each: JudgedDenial) -> str:
    from meshtui.model.plain import clean

    return "".join(f"{clean(line)}\n" for line in _text(each))


def _text(each: JudgedDenial) -> list[str]:
    d = each.denial
    source = str(d.source) if d.source else "an unknown client"
    destination = str(d.destination) if d.destination else "an unknown destination"
    request = f"  {d.http.method} {d.http.path}" if d.http else ""
    lines = [f"{_time(d.last, 'seconds')}  ×{d.count}  {source} → {destination}:{d.port or '?'}{request}"]
    lines.append(f"    {d.proxy}: {d.reason}")
    if d.proxy == "ztunnel":
        lines.append(f"    as {d.identity}" if d.identity else "    plaintext: no identity")
    if each.decided_by:
        rule = f" {each.decided_by.rule}" if each.decided_by.rule else ""
        how = "named in the log" if each.from_log else "predicted; the log names no policy"
        lines.append(f"    decided by {each.decided_by.ref}{rule} ({how})")
    if each.cause.value != "policy":
        lines.append(f"    cause: {each.cause.value.replace('_', ' ')}")
    lines.append(f"    {_MARKS[each.agreement.value]}{': ' + each.note if each.note else ''}")
    return lines


def _time(at: datetime, precision: str = "milliseconds") -> str:
    from datetime import UTC

    return at.astimezone(UTC).isoformat(timespec=precision).replace("+00:00", "Z")


def denial_to_json(each: JudgedDenial) -> dict[str, Any]:
    """One line of the JSON answer (docs/contracts.md, denials)."""
    from meshtui.cli.flowfile import decider_to_json, endpoint_to_json, verdict_to_json

    d = each.denial
    verdict = each.verdict
    return {
        "time": _time(d.last),
        "first": _time(d.first),
        "from": endpoint_to_json(d.source) if d.source else None,
        "to": {**endpoint_to_json(d.destination), "port": d.port} if d.destination else None,
        "source_identity": d.identity or None,
        "kind": d.kind.value,
        "cause": each.cause.value,
        "reason": d.reason,
        "count": d.count,
        "decided_by": decider_to_json(each.decided_by),
        "evidence": each.evidence,
        "predicted": verdict_to_json(verdict) if verdict else None,
        "agreement": each.agreement.value,
        "note": each.note,
        "logged_by": d.proxy,
        "http": {"method": d.http.method, "path": d.http.path, "host": d.http.host} if d.http else None,
        "source_pod": d.pods[0],
        "destination_pod": d.pods[1],
    }


COMMAND = command(
    "denials",
    "what is being denied right now, as the proxies' logs say, and by which policy",
    PARAMS,
    Words,
    _run,
    refused=("filenames",),
    outputs=("text", "table", "wide", "json", "jsonl", "yaml", "csv"),
    exits={
        1: "a denial that the policies don't explain",
        3: "the cluster can't be reached or refuses, or no log can be read",
        4: "some logs, or lines of them, couldn't be read",
    },
)
