"""What is said of a whole flow, as lanes: predicted, observed by a probe or a log, expected, promised by a fix."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from meshtui.engine.expect.verification import Status, by_observation, by_prediction
from meshtui.engine.explain.denials import Agreement, JudgedDenial
from meshtui.model.observation import Observation
from meshtui.model.verdict import CONNECTED, Decision, Verdict
from meshtui.ui.document import BAD, DIM, OK, WARN
from meshtui.ui.pictures.path import Lane, Station
from meshtui.ui.text import age
from meshtui.ui.verdicts import VERDICTS, agreement, seen_ago


def predicted_lane(verdict: Verdict, shown: Verdict, stations: Sequence[Station], stop: int | None) -> Lane:
    """What policy says, and at which station; ``shown`` is the verdict whose stations these are, a pair's of a mixed one."""
    glyph, tone = VERDICTS[verdict.decision]
    sign, _, word = glyph.partition(" ")
    if shown.decision is Decision.DENY:
        word = shown.outcome if verdict.decision is Decision.DENY else f"mixed: {shown.outcome}"
    if stop is not None:
        word = f"{word} at {f'{stations[stop].name} {stations[stop].at}'.rstrip()}"
    return Lane("predicted", sign, word, tone)


def observed_lane(observation: Observation, now: datetime | None, *, old: bool) -> Lane:
    """What a probe saw, when, and whether it agrees."""
    glyph, tone = {True: ("✓", OK), False: ("✗", BAD), None: ("~", WARN)}[observation.reached]
    ago = seen_ago(observation, now) if now is not None else ""
    note, note_tone = agreement(observation, old=old)
    return Lane("observed", glyph, observation.outcome, DIM if old else tone, ago, note, note_tone)


def expected_lane(expected: str, verdict: Verdict, observation: Observation | None) -> Lane:
    """What is expected of the flow, and whether prediction and probe meet it."""
    statuses = {by_prediction(expected, verdict)}
    if observation is not None:
        statuses.add(by_observation(expected, observation))
    note, tone = ("~ can't tell", WARN) if Status.UNKNOWN in statuses else ("= as expected", OK)
    if Status.FAIL in statuses:
        note, tone = "≠ NOT as expected", BAD
    opens = expected in {Decision.ALLOW.value, CONNECTED} or expected.startswith("http_2")
    return Lane("expected", "✓" if opens else "✗", expected, OK if opens else BAD, "", note, tone)


def denied_lane(each: JudgedDenial, now: datetime) -> Lane:
    """What a proxy's log says of a denied flow, and whether the prediction agrees."""
    denial = each.denial
    times = f" ×{denial.count}" if denial.count > 1 else ""
    glyph, tone = ("✗", BAD) if denial.kind.certain else ("?", WARN)
    note, note_tone = {
        Agreement.AGREES: ("= agrees", OK),
        Agreement.DISAGREES: ("≠ DISAGREES", BAD),
        Agreement.CHANGED: ("* changed since", WARN),
        Agreement.UNKNOWN: ("~ can't tell", DIM),
    }[each.agreement]
    ago = f"{age((now - denial.last).total_seconds())} ago"
    word = f"{denial.kind.value.replace('_', ' ')}{times}, says the {denial.proxy}"
    return Lane("observed", glyph, word, tone, ago, note, note_tone)


def promised_lane(promised: Decision) -> Lane:
    """What a fix promises of a flow."""
    sign, _, word = VERDICTS[promised][0].partition(" ")
    return Lane("expected", sign, word, VERDICTS[promised][1], note="once the fix is applied", note_tone=DIM)
