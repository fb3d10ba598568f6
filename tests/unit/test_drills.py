"""Drills' data, each predicate of a condition, and how a drill goes on."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from meshtui.engine.path.references import parse_flow
from meshtui.journeys.bookstore.trace import RESERVE, TITLES, StepState, Stock, Trace
from meshtui.model.observation import Observation
from meshtui.sandbox import drills, scenarios
from meshtui.sandbox.drills import Condition, Drill
from meshtui.session import Session
from meshtui.settings import Settings
from meshtui.ui.drill.conditions import PREDICATES, Facts, holds
from meshtui.ui.drill.progress import Progress, advance, asked, hint, page, seconds, strip
from meshtui.ui.panes import panes
from meshtui.ui.view import View
from tests.fakes.frozen import NOW, FrozenSource, bookstore
from tests.fakes.observed import store

RESERVED = {"from": "ecom/deploy/ecom-service", "to": "inventory/svc/inventory-service:8000"}
SCRAPED = {"from": "observability/deploy/prometheus", "to": "inventory/svc/inventory-db:5432"}


def session() -> Session:
    """A session on the healthy bookstore."""
    made = Session(FrozenSource(None), Settings(), clock=lambda: NOW)
    made.publish(bookstore())
    return made


def trace(*, ok: bool, cause: str = "") -> Trace:
    stock = Stock("b", 9, 1)
    made = Trace("http://gw", "api", "b", 1, before=stock, after=replace(stock, reserved=2), order_id="o", finished=True)
    for name in TITLES:
        made = made.with_step(name, state=StepState.OK)
    return made if ok else made.with_step(RESERVE, state=StepState.FAILED, cause=cause)


def observed(made: Session, outcome: str) -> Session:
    flow = parse_flow(RESERVED["from"], RESERVED["to"])
    store(made, Observation(flow, outcome, made.verdict(flow), at=NOW))
    return made


@pytest.mark.parametrize(
    ("condition", "facts", "expected"),
    [
        pytest.param({"screen": ["main", "why"]}, {"screen": "why"}, True, id="one of the screens"),
        pytest.param({"screen": ["main"]}, {"screen": "why"}, False, id="another screen"),
        pytest.param({"pane": "findings"}, {"screen": "main", "pane": "findings"}, True, id="the pane"),
        pytest.param({"pane": "findings"}, {"screen": "main", "pane": "workloads"}, False, id="another pane"),
        pytest.param({"pane": "findings"}, {"screen": "why", "pane": "findings"}, False, id="a pane below another screen"),
        pytest.param({"shows": "netpol"}, {"text": "ecom-netpol"}, True, id="shown"),
        pytest.param({"shows": "netpol"}, {"text": "other"}, False, id="not shown"),
        pytest.param({"finding": ["MT999"]}, {}, False, id="no such finding"),
        pytest.param({"no_finding": ["MT999", "MT998 x"]}, {}, True, id="none of them"),
        pytest.param({"verdict": {**RESERVED, "is": "allow"}}, {}, True, id="allowed"),
        pytest.param({"verdict": {**RESERVED, "is": "deny"}}, {}, False, id="not denied"),
        pytest.param({"verdict": {**SCRAPED, "is": "deny"}}, {}, True, id="denied"),
        pytest.param({"observed": {**RESERVED, "is": "reached"}}, {}, False, id="not probed"),
        pytest.param({"checkout": "ok"}, {}, False, id="not bought"),
        pytest.param({"checkout": "ok"}, {"trace": trace(ok=True)}, True, id="bought"),
        pytest.param({"checkout": "failed"}, {"trace": trace(ok=True)}, False, id="bought, not failed"),
        pytest.param({"checkout": "failed"}, {"trace": trace(ok=False)}, True, id="failed"),
        pytest.param({"checkout": "closed"}, {"trace": trace(ok=False, cause="closed")}, True, id="for this cause"),
        pytest.param({"checkout": "closed"}, {"trace": trace(ok=False, cause="timeout")}, False, id="for another cause"),
        pytest.param({"any": [{"shows": "a"}, {"shows": "b"}]}, {"text": "b"}, True, id="one of two"),
        pytest.param({"any": [{"shows": "a"}, {"shows": "b"}]}, {"text": "c"}, False, id="none of two"),
        pytest.param({"shows": "a", "screen": ["why"]}, {"text": "a", "screen": "main"}, False, id="only one of both"),
    ],
)
def test_a_condition_holds(condition: dict[str, Any], facts: dict[str, Any], expected: bool) -> None:
    assert holds(Condition.model_validate(condition), Facts(session(), **facts)) is expected


def test_a_finding_is_found_by_its_rule_and_by_an_objects_name() -> None:
    made = session()
    first = made.findings[0]
    for words, there in ((first.rule, True), (f"{first.rule} {first.objects[0].name}", True), (f"{first.rule} nobody", False)):
        assert holds(Condition(finding=(words,)), Facts(made)) is there
        assert holds(Condition(no_finding=(words,)), Facts(made)) is not there


@pytest.mark.parametrize(
    ("outcome", "true"), [("connected", {"reached", "agrees"}), ("closed", {"blocked", "disagrees"}), ("not_settled", set())]
)
def test_what_a_probe_saw(outcome: str, true: set[str]) -> None:
    made = observed(session(), outcome)
    words = ("reached", "blocked", "agrees", "disagrees")
    said = {word for word in words if holds(Condition.model_validate({"observed": {**RESERVED, "is": word}}), Facts(made))}
    assert said == true


def test_the_set_of_predicates_is_closed() -> None:
    assert set(PREDICATES) == set(Condition.model_fields)
    with pytest.raises(ValidationError):
        Condition.model_validate({"guess": "x"})
    with pytest.raises(ValidationError):
        Condition.model_validate({})


# ---- the shipped ones


def conditions(condition: Condition) -> list[Condition]:
    return [condition, *(inner for each in condition.any for inner in conditions(each))]


def every(drill: Drill) -> list[Condition]:
    whens = [drill.found.when, drill.fixed.when, *(step.done for step in drill.steps if step.done)]
    return [inner for when in whens for inner in conditions(when)]


DRILLS = [made for name in scenarios.names() if (made := drills.drill(name)) is not None]


@pytest.mark.parametrize("drill", DRILLS, ids=lambda drill: drill.name)
def test_a_drill_says_what_can_be_true(drill: Drill) -> None:
    screens = {"main", "checkout", "denials", "why", "flow", "matrix", "probe", "yaml", "describe", "fix", "logs", "acceptance"}
    for condition in every(drill):
        assert set(condition.screen) <= screens
        assert condition.pane in {"", *(pane.id for pane in panes())}
        for wanted in (condition.verdict, condition.observed):
            if wanted is not None:
                session().engine.summarize(parse_flow(wanted.source, wanted.to))
    assert all(step.done for step in drill.steps[:-1])
    assert all(step.hints for step in (*drill.steps, drill.repair))


@pytest.mark.parametrize("drill", DRILLS, ids=lambda drill: drill.name)
def test_no_drill_holds_its_answer_in_what_is_shown_first(drill: Drill) -> None:
    shown = " ".join(word.text for line in page(Progress(), drill) for word in line)
    assert drill.found.says not in shown
    assert not any(text in shown for step in drill.steps for text in step.hints)
    assert not any(rule in shown for rule in ("MT1", "MT2", "MT3", "MT4", "MT5"))


def test_the_tour_leads_to_what_is_there() -> None:
    made = session()
    stations = drills.tour().stations
    assert 8 <= len(stations) <= 10
    for station in stations:
        pane = next(pane for pane in panes() if pane.id == station.pane)
        view = View(made)
        names = {str(pane.ref_of(view, row.uid)) for row in pane.rows(view)}
        assert not station.select or station.select in names
        if station.flow:
            made.engine.summarize(parse_flow(*station.flow))


# ---- how it goes on

DRILL = Drill.model_validate(
    {
        "name": "a",
        "symptom": "it hurts",
        "steps": [
            {"question": "where?", "keys": "c", "hints": ["to the west", "to the east"], "done": {"shows": "one"}},
            {"question": "why?", "keys": "w", "hints": ["so"]},
        ],
        "found": {"when": {"shows": "cause"}, "says": "the cause"},
        "repair": {"question": "how?", "keys": "f", "hints": ["thus"]},
        "fixed": {"when": {"shows": "well"}, "says": "the cure"},
    }
)


@dataclass
class Play:
    """A drill that is looked at once a second; ``shown`` is what is so."""

    progress: Progress = field(default_factory=Progress)
    now: datetime = datetime(2026, 1, 1, tzinfo=UTC)

    def look(self, shown: str) -> Progress:
        self.now += timedelta(seconds=1)
        self.progress = advance(self.progress, DRILL, lambda condition: condition.shows in shown, self.now)
        return self.progress

    def question(self) -> str:
        step = asked(self.progress, DRILL)
        return step.question if step else ""


def test_question_by_question_to_the_end() -> None:
    play = Play()
    play.look("")
    assert play.question() == "where?"
    play.look("one")
    assert play.question() == "why?"
    play.look("one cause")
    assert play.question() == "how?"
    for _ in range(44):
        play.look("")
    play.look("well")
    assert play.question() == ""
    assert seconds(play.progress) == 47
    assert "Fixed in 47 s: the cure" in " ".join(word.text for line in page(play.progress, DRILL) for word in line)
    assert play.look("") == play.progress  # it stays fixed


def test_who_finds_it_at_once_is_asked_nothing_more_and_what_was_found_stays_found() -> None:
    play = Play()
    play.look("cause")
    assert play.question() == "how?"
    play.look("")
    assert play.question() == "how?"


def test_who_fixes_it_without_having_found_it_has_fixed_it() -> None:
    play = Play()
    play.look("")
    assert play.look("well").fixed is not None


def test_what_was_never_seen_broken_is_not_fixed() -> None:
    play = Play()
    assert play.look("well").fixed is None
    play.look("")
    assert play.look("well").fixed is not None


def test_hints_come_one_by_one_and_begin_anew_with_each_question() -> None:
    play = Play()
    play.look("")
    assert "west" not in str(page(play.progress, DRILL))
    play.progress = hint(play.progress, DRILL)
    assert "west" in str(strip(play.progress, DRILL))
    assert "east" not in str(page(play.progress, DRILL))
    play.progress = hint(hint(play.progress, DRILL), DRILL)
    assert play.progress.hints == 2
    play.look("one")
    assert play.progress.hints == 0


def test_a_strip_has_three_lines_at_most() -> None:
    play = Play()
    for shown in ("", "one", "cause", "well"):
        play.look(shown)
        assert len(strip(play.progress, DRILL)) <= 3


STAGES = {
    "asked first": [Progress()],
    "asked on": [Progress(step=1)],
    "hinted": [Progress(step=step, hints=n) for step in (0, 1) for n in (1, 2, 3)],
    "found": [Progress(step=2, found=NOW)],
    "found, hinted": [Progress(step=2, found=NOW, hints=1)],
    "fixed": [Progress(found=NOW, fixed=NOW)],
}


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("drill", DRILLS, ids=lambda drill: drill.name)
def test_a_strip_fits_into_five_lines_of_80_columns(drill: Drill, stage: str) -> None:
    for progress in STAGES[stage]:
        step = asked(progress, drill)
        if step is not None and progress.hints > len(step.hints):
            continue
        lines = ["".join(word.text for word in line) for line in strip(progress, drill)]
        wrapped = [part for line in lines for part in textwrap.wrap(line, 77)]
        assert len(wrapped) <= 5, wrapped
