"""``meshtui checkout``: buys one book, and prints every step with its evidence."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import uuid
from typing import Any

from pydantic import ValidationError

from meshtui.checkout.buy import Buyer
from meshtui.checkout.redact import redact_text
from meshtui.checkout.shop import find_gateway
from meshtui.checkout.trace import Explanation, StepState, Stock, Trace, TraceStep
from meshtui.cli.ask import confirmed
from meshtui.cli.command import Command
from meshtui.cli.source import open_session
from meshtui.model.errors import ReadOnlyError, UsageError
from meshtui.settings import Checkout, Settings

_GLYPHS = {
    StepState.WAITING: "…",
    StepState.RUNNING: "…",
    StepState.OK: "✓",
    StepState.FAILED: "✗",
    StepState.SKIPPED: "–",
}


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--book", metavar="UUID", help="which book, by inventory's id")
    parser.add_argument("--quantity", metavar="N", type=int, help="how many of it")
    parser.add_argument("--gateway", metavar="URL", help="where the bookstore answers, instead of asking the cluster")
    parser.add_argument("--yes", action="store_true", help="don't ask")
    parser.add_argument("-o", "--output", choices=["text", "json"], default="text")


def with_flags(settings: Settings, *, book: str | None, quantity: int | None, gateway: str | None) -> Settings:
    """Settings with what the command line says. Raises UsageError."""
    given = {"book": book, "quantity": quantity, "gateway": gateway}
    if book is not None:
        try:
            uuid.UUID(book)
        except ValueError as error:
            raise UsageError(f"--book {book!r} is no UUID") from error
    changes = {name: value for name, value in given.items() if value is not None}
    try:
        checkout = Checkout.model_validate(settings.checkout.model_dump() | changes)
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"--{'.'.join(str(part) for part in first['loc'])}: {first['msg']}") from error
    return settings.model_copy(update={"checkout": checkout})


async def _checkout(args: argparse.Namespace, settings: Settings) -> int:
    settings = with_flags(settings, book=args.book, quantity=args.quantity, gateway=args.gateway)
    async with open_session(settings) as session:
        if session.read_only:
            raise ReadOnlyError(f"nothing is bought: {session.read_only}")
        gateway = await find_gateway(settings, session.engine)
        said = redact_text(gateway)
        checkout = settings.checkout
        sys.stderr.write(f"gateway {said}, host {checkout.host}, context {session.label.context}\n")
        lines = [
            f"this buys {checkout.quantity} of book {checkout.book} there, as {checkout.username}: a real order.",
            "What is in that user's cart is thrown away first.",
        ]
        confirmation = confirmed(lines, session.read_only, yes=args.yes or session.label.sandbox)
        trace = await Buyer(gateway, settings, session.engine, session.api(), _progress).run(confirmation)
    if args.output == "json":
        sys.stdout.write(json.dumps(trace_to_json(trace), indent=2, ensure_ascii=False) + "\n")
    else:
        _print(trace)
    return 0 if trace.ok else 1


def _progress(trace: Trace) -> None:
    """What is being waited for, on a terminal's last line; the evidence of all steps is only there at the end."""
    if sys.stderr.isatty():
        step = next((step for step in trace.steps if step.state is StepState.RUNNING), None)
        sys.stderr.write(f"\r\x1b[K… {step.title}" if step and not trace.finished else "\r\x1b[K")
        sys.stderr.flush()


def _print(trace: Trace) -> None:
    lines = [text for step in trace.steps for text in step_lines(step)]
    sys.stdout.write("\n".join([*lines, *_summary(trace)]) + "\n")


def step_lines(step: TraceStep) -> list[str]:
    """One step as text: what, how it ended, who called whom, the evidence."""
    status = str(step.status) if step.status is not None else step.cause
    took = f"{step.elapsed_ms:.0f} ms" if step.elapsed_ms is not None else ""
    head = f"{_GLYPHS[step.state]} {step.state.value:<8} {step.title:<20} {step.method:<5}{status:<10}{took:>9}  {step.url}"
    lines = [head.rstrip()]
    if step.source or step.source_identity:
        sender = step.source_identity or step.source
        receiver = step.destination_identity or step.destination
        lines.append(f"    {sender} → {receiver}, {mtls_words(step.mtls)}")
    lines += [f"    {text}" for text in (step.note, step.error) if text]
    if step.state is StepState.FAILED and step.response:
        lines.append(f"    answer: {step.response if isinstance(step.response, str) else json.dumps(step.response)}")
    lines += [f"    | {raw}" for raw in (*step.evidence, *step.log_lines)]
    return ["".join(c if c.isprintable() else " " for c in text) for text in lines]


def mtls_words(mtls: bool | None) -> str:
    """Whether the connection was encrypted and authenticated, in words."""
    return {True: "mTLS", False: "plaintext", None: "mTLS not seen"}[mtls]


def _summary(trace: Trace) -> list[str]:
    lines = [""]
    for name, stock in (("before", trace.before), ("after", trace.after)):
        words = f"{stock.reserved} of {stock.quantity} reserved" if stock else "unknown"
        lines.append(f"stock {name:<7} {words}")
    lines.append(f"change        {'unknown' if trace.moved is None else f'{trace.moved:+d} reserved'} (bought {trace.quantity})")
    lines += [f"note: {note}" for note in trace.notes]
    if trace.ok:
        return [*lines, f"✓ ok: order {trace.order_id}"]
    explanation = trace.explanation
    if explanation is None:
        return [*lines, "✗ failed"]
    lines.append(f"✗ failed: {explanation.summary}")
    lines += [f"    {why}" for why in explanation.why]
    for look in explanation.look_at:
        lines += [f"  look at {look.ref}: {look.why}", f"    {look.command}"]
    return ["".join(c if c.isprintable() else " " for c in text) for text in lines]


def trace_to_json(trace: Trace) -> dict[str, Any]:
    """One checkout (contracts, JSON answers), with more about each step."""
    return {
        "ok": trace.ok,
        "steps": [_step_to_json(step) for step in trace.steps],
        "stock": {"before": _stock_to_json(trace.before), "after": _stock_to_json(trace.after)},
        "order_id": trace.order_id or None,
        "event_id": trace.event_id or None,
        "change": trace.moved,
        "gateway": trace.gateway,
        "host": trace.host,
        "book": trace.book,
        "bought": trace.bought or None,
        "quantity": trace.quantity,
        "explanation": _explanation_to_json(trace.explanation),
        "notes": list(trace.notes),
    }


def _step_to_json(step: TraceStep) -> dict[str, Any]:
    return {
        "name": step.name,
        "state": step.state.value,
        "method": step.method or None,
        "url": step.url or None,
        "status": step.status,
        "elapsed_ms": None if step.elapsed_ms is None else round(step.elapsed_ms, 1),
        "headers": dict(step.headers),
        "request": step.request,
        "response": step.response,
        "answered_by": step.answered_by or None,
        "source": step.source or None,
        "destination": step.destination or None,
        "source_identity": step.source_identity or None,
        "destination_identity": step.destination_identity or None,
        "mtls": step.mtls,
        "evidence": list(step.evidence),
        "log": list(step.log_lines),
        "cause": step.cause or None,
        "error": step.error or None,
        "note": step.note or None,
    }


def _stock_to_json(stock: Stock | None) -> dict[str, Any] | None:
    return {"book_id": stock.book_id, "quantity": stock.quantity, "reserved": stock.reserved} if stock else None


def _explanation_to_json(explanation: Explanation | None) -> dict[str, Any] | None:
    if explanation is None:
        return None
    return {
        "code": explanation.code,
        "summary": explanation.summary,
        "why": list(explanation.why),
        "look_at": [
            {
                "kind": look.ref.kind,
                "namespace": look.ref.namespace,
                "name": look.ref.name,
                "why": look.why,
                "command": look.command,
            }
            for look in explanation.look_at
        ],
    }


def _run(args: argparse.Namespace, settings: Settings) -> int:
    return asyncio.run(_checkout(args, settings))


COMMAND = Command("checkout", "buy one book, and see each step, the reserve call and the stock", _arguments, _run)
