"""Whether answers, calls and gauges are as a journey expects, and the meaning of failures. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from meshtui.engine import Engine
from meshtui.engine.explain.wording import in_words
from meshtui.engine.path.resolution import kind_named
from meshtui.journeys.gateway import Answer
from meshtui.journeys.hops import Seen
from meshtui.journeys.model import Call, Expect, Journey, Meaning, Means
from meshtui.journeys.report import Failure, Further, LookAt, Reading, Report, StepReport, StepState
from meshtui.journeys.variables import MISSING, Variables, at, usable
from meshtui.model.errors import UsageError
from meshtui.model.flow import Flow
from meshtui.model.ids import ObjectRef
from meshtui.model.verdict import Decision

NOT_LOGGED = "no ztunnel logged it: it wasn't made, or its connection is still open"
_MOST_SHOWN = 60
_SERVER_ERROR, _GATEWAY_TIMEOUT = 500, 504
"""Statuses from which on a server is at fault, and of a gateway that waited in vain (RFC 9110, 15.6)."""


def status_is_right(expect: Expect, answer: Answer) -> bool:
    """Whether an answer has an expected status."""
    if expect.status is None:
        return answer.ok
    return answer.status in (expect.status if isinstance(expect.status, list) else [expect.status])


def what_is_off(expect: Expect, variables: Variables, body: Any) -> str:
    """A description of the first difference between an answer's body and what is expected; or empty. Raises UnsetError."""
    for pointer in expect.has:
        if at(body, pointer) is MISSING:
            return f"the answer has no {_named(pointer)}"
    for pointer, template in expect.json.items():
        wanted, found = variables.data(template), at(body, pointer)
        if found is MISSING:
            return f"the answer has no {_named(pointer)}"
        if not same(wanted, found):
            return f"{_named(pointer)} is {_shown(found)}, not {_shown(wanted)}"
    return ""


def what_is_missing(take: dict[str, str], body: Any) -> str:
    """A description of the first variable that the answer doesn't contain; or empty."""
    missing = next((pointer for pointer in take.values() if not usable(at(body, pointer))), None)
    return "" if missing is None else f"the answer has no {_named(missing)}"


def number_at(body: Any, pointer: str) -> float | None:
    """The number at a gauge's pointer, or None."""
    found = at(body, pointer)
    return found if isinstance(found, int | float) and not isinstance(found, bool) else None


def same(wanted: Any, found: Any) -> bool:
    """Whether two JSON values are equal; true isn't equal to 1."""
    if isinstance(wanted, bool) or isinstance(found, bool):
        return wanted is found
    if isinstance(wanted, list) and isinstance(found, list):
        return len(wanted) == len(found) and all(map(same, wanted, found))
    if isinstance(wanted, dict) and isinstance(found, dict):
        return wanted.keys() == found.keys() and all(same(value, found[key]) for key, value in wanted.items())
    return bool(wanted == found)


def _named(pointer: str) -> str:
    return pointer.removeprefix("/") if pointer.count("/") == 1 else pointer or "value"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"


def judge_call(call: Call, seen: Seen, wanted: tuple[str, str], *, readable: bool) -> dict[str, Any]:
    """The fields of a call's step. ``wanted`` are the SPIFFE ids that its ends should have, or empty."""
    changes: dict[str, Any] = {
        "source_identity": seen.source_identity,
        "destination_identity": seen.destination_identity,
        "mtls": seen.mtls,
        "evidence": tuple(line.raw for line in seen.lines),
        "cause": "",
        "error": "",
        "note": "",
    }
    if not seen.lines:
        if not readable:
            return changes | {"state": StepState.SKIPPED, "note": "not seen: no ztunnel's log could be read"}
        if not call.required:
            return changes | {"state": StepState.SKIPPED, "note": f"not seen: {NOT_LOGGED}"}
        return changes | {"state": StepState.FAILED, "cause": "no_call", "error": NOT_LOGGED}
    if seen.error:
        return changes | {"state": StepState.FAILED, "cause": seen.cause or "closed", "error": seen.error}
    if call.mtls and not seen.mtls:
        return changes | {"state": StepState.FAILED, "cause": "plaintext", "error": "it was plaintext, and should be mTLS"}
    sides = (wanted[0] or seen.source_identity, seen.destination_identity if seen.via else wanted[1] or seen.destination_identity)
    if seen.via:
        changes["note"] = f"through {seen.via}: no line tells who answers behind it, so that identity isn't checked"
    if sides != (seen.source_identity, seen.destination_identity):
        words = f"it should be {sides[0] or 'nobody'} → {sides[1] or 'nobody'}"
        return changes | {"state": StepState.FAILED, "cause": "identity", "error": words}
    return changes | {"state": StepState.OK}


# ---- the meaning of failures


def failures(
    report: Report, journey: Journey, engine: Engine, flows: dict[str, Flow], behind: Mapping[str, Sequence[Further]]
) -> tuple[Failure, ...]:
    """All failures, those of calls before those of steps; failed gauges only if every step succeeded.

    ``behind`` are the failed further calls that may be the reason of failed steps, by the names of the steps.
    """
    means = _means(journey)
    failed = [step for step in report.steps if step.state is StepState.FAILED]
    failed.sort(key=lambda step: step.kind != "call")
    found = [_failure(step, means.get(step.name, {}), engine, flows.get(step.name), behind.get(step.name, ())) for step in failed]
    if not found:
        gauges = {gauge.name: gauge.means for gauge in journey.gauge}
        found = [_off(each, gauges[each.name]) for each in report.gauges if not each.right]
    return tuple(found)


def _means(journey: Journey) -> dict[str, Means]:
    found: dict[str, Means] = {}
    for gauge in journey.gauge:
        found |= dict.fromkeys((f"{gauge.name}_before", f"{gauge.name}_after"), gauge.means)
    for step in journey.step:
        found[step.name] = step.means
        found |= {call.name: call.means for call in step.call}
    return found


def _failure(step: StepReport, means: Means, engine: Engine, flow: Flow | None, behind: Sequence[Further]) -> Failure:
    outcome = step.cause or "answer"
    says, look = _meaning(means, outcome, f"{step.title}: {step.error or outcome}")
    why = [step.error] if step.error and step.error not in says else []
    if step.kind == "call" and flow is not None:
        look += _decider(engine, flow, why)
    why += (text for further in behind for text in further.why)
    return Failure(
        step.name, step.title, outcome, says, tuple(why), look, tuple(look for each in behind for look in each.look_at)
    )


def unexplained(steps: Iterable[StepReport], is_denied: Callable[[StepReport], bool]) -> list[StepReport]:
    """The failed steps for which a call of the service that they reached may be the reason; none if a call failed by itself.

    That is an error of the service itself, no answer in time, or a gateway without a ready backend. ``is_denied`` tells whether
    policies may keep a step from its service: where the service didn't answer, they are the reason then.
    """
    failed = [step for step in steps if step.state is StepState.FAILED]
    if any(step.kind == "call" and not _may_fail_behind(step) for step in failed):
        return []
    return [step for step in failed if _may_fail_behind(step) and (_service_answered(step) or not is_denied(step))]


def _may_fail_behind(step: StepReport) -> bool:
    server_error = step.status is not None and step.status >= _SERVER_ERROR
    of_a_call = step.kind == "call" and step.cause.startswith("http_5")
    late = step.cause == "timeout" and not (step.kind == "call" and step.error)  # a ztunnel's error is the call's own
    return server_error or of_a_call or late


def _service_answered(step: StepReport) -> bool:
    return step.answered_by == "application" or (step.kind == "call" and step.cause.startswith("http_"))


def not_reached(step: StepReport) -> bool:
    """Whether the gateway itself says that it couldn't reach the service (RFC 9110, 15.6); 504 may be the service's delay."""
    return step.answered_by == "gateway" and step.status != _GATEWAY_TIMEOUT


def _off(reading: Reading, means: Means) -> Failure:
    if reading.change is None:
        words = f"{reading.title} isn't known {'before' if reading.before is None else 'after'}"
        outcome = "unknown"
    else:
        words = f"{reading.title} changed by {number(reading.change)}, not by {number(reading.wanted)}"
        outcome = "change"
    says, look = _meaning(means, outcome, words)
    return Failure(reading.name, reading.title, outcome, says, (words,) if words not in says else (), look)


def number(value: float | None) -> str:
    """Format a change: a number with its sign."""
    return "unknown" if value is None else f"{value:+g}" if isinstance(value, float) else f"{value:+d}"


def _meaning(means: Means, outcome: str, usual: str) -> tuple[str, tuple[LookAt, ...]]:
    """The journey's text for an outcome, or a default text."""
    found = means.get(outcome) or means.get("otherwise")
    if isinstance(found, Meaning):
        return found.says, tuple(LookAt(ref, "the journey says so") for text in found.look_at if (ref := object_of(text)))
    return found or usual, ()


def object_of(text: str) -> ObjectRef | None:
    """The object named by NS/KIND/NAME or KIND/NAME, or None."""
    parts = text.split("/")
    if len(parts) not in {2, 3} or not all(parts):
        return None
    kind = kind_named(parts[-2]) or parts[-2]
    return ObjectRef(kind, parts[0] if len(parts) == 3 else "", parts[-1])


def _decider(engine: Engine, flow: Flow, why: list[str]) -> tuple[LookAt, ...]:
    """The object that decides a call's verdict, if any; adds the reason from the policies to ``why``."""
    try:
        verdict = engine.judge(flow)
    except UsageError as error:
        why.append(str(error))
        return ()
    if verdict.decision is Decision.ALLOW:
        why.append("the policies that meshtui reads would allow it")
        return ()
    if verdict.reason:
        why.append(f"policy: {in_words(verdict.reason)}")
    by = verdict.decided_by
    return () if by is None or verdict.decision is Decision.UNKNOWN else (LookAt(by.ref, "it decides on this call"),)
