"""The reserve call, combined from the shop's answer and the ztunnels' log lines at both ends. Pure."""

from __future__ import annotations

from typing import Any

from meshtui.journeys.bookstore.hops import Seen
from meshtui.journeys.bookstore.shop import Answer
from meshtui.journeys.bookstore.trace import StepState
from meshtui.settings import Checkout


def expected(body: Any) -> bool:
    """Whether the shop's answer reports a reserve call or an attempt."""
    return bool(calls_in(body) or failure_in(body))


def calls_in(body: Any) -> list[dict[str, Any]]:
    """The reserve calls in the answer to a successful checkout."""
    calls = body.get("reserve_calls") if isinstance(body, dict) else None
    return [call for call in calls if isinstance(call, dict)] if isinstance(calls, list) else []


def failure_in(body: Any) -> dict[str, Any]:
    """The reserve call's failure in the answer to a failed checkout, or an empty dict."""
    detail = body.get("detail") if isinstance(body, dict) else None
    return detail if isinstance(detail, dict) and detail.get("error") == "reserve_failed" else {}


def judge(answer: Answer, seen: Seen, settings: Checkout) -> dict[str, Any]:
    """The fields of the step "reserve call"."""
    calls, failure = calls_in(answer.body), failure_in(answer.body)
    told = calls[-1] if calls else failure
    changes: dict[str, Any] = {
        "method": "POST",
        "url": str(told.get("url") or settings.reserve_path),
        "source_identity": seen.source_identity,
        "destination_identity": seen.destination_identity,
        "mtls": seen.mtls,
        "evidence": tuple(line.raw for line in seen.lines),
        "requests": len(calls) or int(bool(failure)),
    }
    if told:
        changes["request"] = {key: told[key] for key in ("book_id", "quantity") if key in told}
        changes["elapsed_ms"] = _number(told.get("elapsed_ms"))
    if failure:
        return changes | _failed(str(failure.get("cause") or seen.cause or "unknown"), failure.get("reason"), seen)
    if not answer.ok and seen.cause:
        return changes | _failed(seen.cause, None, seen)
    if calls:
        bad = next((call for call in calls if call.get("status", 200) != 200), None)
        if bad is not None:
            return changes | _failed(f"http_{bad.get('status')}", bad, seen)
        note = "" if seen.lines else "the shop says so; no line of a ztunnel yet: the connection may still be open"
        return changes | {"state": StepState.OK, "status": 200, "response": told, "note": note}
    if seen.lines and not seen.error:
        state = StepState.OK if answer.ok else StepState.FAILED
        return changes | {"state": state, "note": "seen by the ztunnels; the shop's answer doesn't tell of it"}
    if answer.ok:
        words = "no reserve call: the shop lists none, and no ztunnel saw one"
        return changes | {"state": StepState.FAILED, "cause": "no_call", "error": words}
    return changes | {"state": StepState.SKIPPED}


def _failed(cause: str, reason: Any, seen: Seen) -> dict[str, Any]:
    status = int(cause[5:]) if cause.startswith("http_") and cause[5:].isdecimal() else None
    return {"state": StepState.FAILED, "cause": cause, "status": status, "response": reason, "error": seen.error}


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None
