"""Evaluates a drill's conditions on the state of the program, with one predicate per field of ``Condition``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from meshtui.engine.path.references import parse_flow
from meshtui.journeys.bookstore.trace import RESERVE, Trace
from meshtui.model.flow import Flow
from meshtui.model.observation import Observation
from meshtui.sandbox.drills import Condition, FlowIs
from meshtui.session import Session


@dataclass(frozen=True, slots=True)
class Facts:
    """The open screen, the session, and the last finished purchase."""

    session: Session
    screen: str = ""
    pane: str = ""
    text: str = ""
    trace: Trace | None = None


def holds(condition: Condition, facts: Facts) -> bool:
    """Whether all fields of a condition hold."""
    return all(PREDICATES[name](condition, facts) for name in condition.model_fields_set)


def _screen(condition: Condition, facts: Facts) -> bool:
    return facts.screen in condition.screen


def _pane(condition: Condition, facts: Facts) -> bool:
    return facts.screen == "main" and facts.pane == condition.pane


def _shows(condition: Condition, facts: Facts) -> bool:
    return condition.shows in facts.text


def _finding(condition: Condition, facts: Facts) -> bool:
    return all(_is_found(words, facts) for words in condition.finding)


def _no_finding(condition: Condition, facts: Facts) -> bool:
    return not any(_is_found(words, facts) for words in condition.no_finding)


def _is_found(words: str, facts: Facts) -> bool:
    rule, _, name = words.partition(" ")
    return any(f.rule == rule and (not name or any(ref.name == name for ref in f.objects)) for f in facts.session.findings)


def _verdict(condition: Condition, facts: Facts) -> bool:
    wanted = condition.verdict
    return wanted is not None and facts.session.verdict(_flow(wanted)).decision.value == wanted.is_


def _observed(condition: Condition, facts: Facts) -> bool:
    wanted = condition.observed
    if wanted is None:
        return False
    flow = _flow(wanted)
    ends = (flow.source, flow.destination, flow.port)
    for seen, observation in facts.session.observations.items():
        if (seen.source, seen.destination, seen.port) == ends and not facts.session.outdated(seen):
            return _is(observation, wanted.is_)
    return False


def _is(observation: Observation, word: str) -> bool:
    known: Mapping[str, bool] = {
        "agrees": observation.agrees is True,
        "disagrees": observation.agrees is False,
        "reached": observation.reached is True,
        "blocked": observation.reached is False,
    }
    return known.get(word, False)


def _checkout(condition: Condition, facts: Facts) -> bool:
    trace, word = facts.trace, condition.checkout
    if trace is None:
        return False
    if word in {"ok", "failed"}:
        return trace.ok == (word == "ok")
    return trace.step(RESERVE).cause == word


def _any(condition: Condition, facts: Facts) -> bool:
    return any(holds(each, facts) for each in condition.any)


def _flow(wanted: FlowIs) -> Flow:
    return parse_flow(wanted.source, wanted.to)


PREDICATES: Mapping[str, Callable[[Condition, Facts], bool]] = {
    "screen": _screen,
    "pane": _pane,
    "shows": _shows,
    "finding": _finding,
    "no_finding": _no_finding,
    "verdict": _verdict,
    "observed": _observed,
    "checkout": _checkout,
    "any": _any,
}
"""By the name of the condition's field."""
