"""One checkout as text and as JSON (docs/contracts.md, checkout)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from meshtui.cli.answer import Answer, Column, key
from meshtui.cli.jsontext import json_text
from meshtui.journeys.bookstore.trace import Explanation, LookAt, StepReport, StepState, Stock, Trace
from meshtui.journeys.report import Further
from meshtui.model.plain import clean

_GLYPHS = {
    StepState.WAITING: "…",
    StepState.RUNNING: "…",
    StepState.OK: "✓",
    StepState.FAILED: "✗",
    StepState.SKIPPED: "–",
}


def as_text(trace: Trace) -> str:
    """Every step with its evidence, then the stock and the result."""
    lines = [text for step in trace.steps for text in step_lines(step)] + further_lines(trace.further)
    return "\n".join([*lines, *_summary(trace)]) + "\n"


def answer(trace: Trace) -> Answer:
    """The checkout as an Answer with all formats; rows are steps."""
    document = trace_to_json(trace)
    columns = (
        Column("STEP", key("name")),
        Column("STATE", key("state")),
        Column("STATUS", key("status")),
        Column("MS", key("elapsed_ms")),
        Column("FROM", key("source_identity"), wide=True),
        Column("TO", key("destination_identity"), wide=True),
        Column("URL", key("url")),
    )
    return Answer(document, document["steps"], columns, own={"text": lambda: as_text(trace)})


def step_lines(step: StepReport) -> list[str]:
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
        lines.append(f"    answer: {step.response if isinstance(step.response, str) else json_text(step.response)}")
    lines += [f"    | {raw}" for raw in (*step.evidence, *step.log_lines)]
    return [clean(text) for text in lines]


def further_lines(further: Sequence[Further]) -> list[str]:
    """What the services called beyond the steps, as the ztunnels logged it."""
    lines = [text for each in further for text in step_lines(each.step)]
    return ["further calls of the services:", *lines] if lines else []


def further_to_json(further: Further) -> dict[str, Any]:
    """One further call (docs/contracts.md, checkout)."""
    step = further.step
    return {
        "source": step.source,
        "destination": step.destination,
        "state": step.state.value,
        "connections": further.connections,
        "failed": further.failed,
        "source_identity": step.source_identity or None,
        "destination_identity": step.destination_identity or None,
        "mtls": step.mtls,
        "outcome": step.cause or None,
        "cause": further.reason or None,
        "error": step.error or None,
        "evidence": list(step.evidence),
        "look_at": [look_to_json(look) for look in further.look_at],
    }


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
    return [clean(text) for text in lines]


def trace_to_json(trace: Trace) -> dict[str, Any]:
    """The JSON answer (docs/contracts.md, checkout)."""
    return {
        "ok": trace.ok,
        "steps": [step_to_json(step) for step in trace.steps],
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
        "further": [further_to_json(each) for each in trace.further],
        "notes": list(trace.notes),
    }


def step_to_json(step: StepReport) -> dict[str, Any]:
    """One step."""
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
        "look_at": [look_to_json(look) for look in explanation.look_at],
    }


def look_to_json(look: LookAt) -> dict[str, Any]:
    """An object to look at."""
    return {
        "kind": look.ref.kind,
        "namespace": look.ref.namespace,
        "name": look.ref.name,
        "why": look.why,
        "command": look.command,
    }
