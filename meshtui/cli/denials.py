"""``meshtui denials``: what is being denied right now, from the proxies' logs, each with the policy that decides it."""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from meshtui.cli.command import Command
from meshtui.cli.flowfile import decider_to_json, endpoint_to_json, verdict_to_json
from meshtui.cli.source import open_session, source_for
from meshtui.engine.explain.denials import Agreement, JudgedDenial
from meshtui.model.errors import ClusterError, UsageError

if TYPE_CHECKING:
    from meshtui.session import Session
    from meshtui.settings import Settings
    from meshtui.sources.denials import DenialLog

_UNITS = {"s": 1, "m": 60, "h": 3600}
_LONGEST_S = 86400
_MARKS = {
    Agreement.AGREES: "= the prediction agrees",
    Agreement.DISAGREES: "≠ DISAGREES WITH THE PREDICTION",
    Agreement.CHANGED: "* changed since",
    Agreement.UNKNOWN: "? not predicted",
}


def _seconds(text: str) -> int:
    """``90s``, ``10m``, ``1h30m`` in seconds."""
    if not re.fullmatch(r"(\d+[smh])+", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no time: write 90s, 10m, 1h")
    seconds = sum(int(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+)([smh])", text))
    if not 1 <= seconds <= _LONGEST_S:
        raise argparse.ArgumentTypeError(f"{text!r}: between 1s and 24h")
    return seconds


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--since", type=_seconds, default=600, metavar="TIME", help="how far back: 90s, 10m, 1h (default 10m)")
    parser.add_argument("--follow", action="store_true", help="go on, and print each group again when it grows")
    parser.add_argument("-o", "--output", choices=["text", "jsonl"], default="text")


def _run(args: argparse.Namespace, settings: Settings) -> int:
    if settings.filenames:
        raise UsageError("manifests have no logs", "leave out -f, and name a cluster")
    return asyncio.run(_follow(args, settings) if args.follow else _once(args, settings))


async def _once(args: argparse.Namespace, settings: Settings) -> int:
    async with open_session(settings) as session:
        log = await session.denials.read(args.since)
        if not log.readable:
            raise ClusterError("; ".join(log.problems) or "no ztunnel's log can be read")
        start = session.clock().timestamp() - args.since
        wanted = [each for each in in_namespace(session) if each.denial.last.timestamp() >= start]
        _write(wanted, args.output)
        _complain(log)
        if not wanted and args.output == "text":
            sys.stderr.write("nothing was denied, as far as the logs say\n")
    if any(each.agreement is Agreement.DISAGREES for each in wanted):
        return 1
    return 4 if log.problems or log.unreadable else 0


async def _follow(args: argparse.Namespace, settings: Settings) -> int:
    from meshtui.session import Session

    session = Session(source_for(settings), settings)
    news = asyncio.Event()
    session.denials.listen(news.set)
    session.listen(news.set)
    session.start()
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
            session.denials.follow(args.since)
            await session.denials.judge()
            fresh = [each for each in in_namespace(session) if counts.get(_group(each)) != each.denial.count]
            counts = {_group(each): each.denial.count for each in session.denials.judged}
            _write(reversed(fresh), args.output)
            if session.denials.log is not None:
                problems = set(session.denials.log.problems) if session.denials.log.logs else set()
                for problem in sorted(problems - said):
                    sys.stderr.write(f"meshtui: {_plain(problem)}\n")
                said = problems
    finally:
        await session.stop()


def in_namespace(session: Session) -> list[JudgedDenial]:
    """The denials of which an end is in the session's namespace, if it has one."""
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
    """Say on stderr what is missing from the answer."""
    for problem in log.problems:
        sys.stderr.write(f"meshtui: {_plain(problem)}\n")
    if log.unreadable:
        samples = [f"{state.pod}: {state.sample}" for state in log.logs if state.sample]
        sys.stderr.write(f"meshtui: {log.unreadable} line(s) couldn't be read, the last of {_plain(samples[-1])}\n")


def _write(judged: Iterable[JudgedDenial], output: str) -> None:
    for each in judged:
        if output == "jsonl":
            sys.stdout.write(json.dumps(denial_to_json(each), ensure_ascii=False) + "\n")
        else:
            sys.stdout.write("\n".join(map(_plain, _text(each))) + "\n")
    sys.stdout.flush()


def _plain(text: str) -> str:
    """Text from a log, safe for a terminal: what isn't printable becomes an escape."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


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
    lines.append(f"    {_MARKS[each.agreement]}{': ' + each.note if each.note else ''}")
    return lines


def _time(at: datetime, precision: str = "milliseconds") -> str:
    return at.astimezone(UTC).isoformat(timespec=precision).replace("+00:00", "Z")


def denial_to_json(each: JudgedDenial) -> dict[str, Any]:
    """One line (contracts, JSON answers), with more about where each word comes from."""
    d = each.denial
    verdict = each.verdict
    return {
        "time": _time(d.last),
        "first": _time(d.first),
        "from": endpoint_to_json(d.source) if d.source else None,
        "to": {**endpoint_to_json(d.destination), "port": d.port} if d.destination else None,
        "source_identity": d.identity or None,
        "kind": d.kind.value,
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


COMMAND = Command("denials", "what is being denied right now, as the proxies' logs say, and by which policy", _arguments, _run)
