"""When a checkout is ok, and how its steps change."""

from dataclasses import replace

import pytest

from meshtui.journeys.bookstore.trace import CHECKOUT, RESERVE, TITLES, StepState, Stock, Trace, finish


def good():
    trace = Trace(
        "http://gw", "api", "book", 2, before=Stock("book", 9, 1), after=Stock("book", 9, 3), order_id="o", finished=True
    )
    for name in TITLES:
        trace = trace.with_step(name, state=StepState.OK)
    return trace


@pytest.mark.parametrize(
    ("change", "ok"),
    [
        pytest.param(lambda t: t, True, id="all of it"),
        pytest.param(lambda t: replace(t, finished=False), False, id="not yet finished"),
        pytest.param(lambda t: replace(t, order_id=""), False, id="no order"),
        pytest.param(lambda t: t.with_step(RESERVE, state=StepState.FAILED), False, id="no reserve call"),
        pytest.param(lambda t: t.with_step(RESERVE, state=StepState.SKIPPED), False, id="reserve call unknown"),
        pytest.param(lambda t: t.with_step(CHECKOUT, state=StepState.FAILED), False, id="checkout failed"),
        pytest.param(lambda t: replace(t, after=t.before), False, id="stock didn't move"),
        pytest.param(lambda t: replace(t, after=Stock("book", 9, 5)), False, id="stock moved twice"),
        pytest.param(lambda t: replace(t, after=None), False, id="stock after unknown"),
        pytest.param(lambda t: replace(t, before=None), False, id="stock before unknown"),
    ],
)
def test_ok(change, ok):
    assert change(good()).ok is ok


def test_a_step_changes_alone_and_the_old_trace_stays():
    trace = Trace("http://gw", "api", "book", 1)
    changed = trace.with_step(CHECKOUT, state=StepState.RUNNING, status=201)
    assert [s.name for s in changed.steps] == list(TITLES)
    assert [s for s in changed.steps if s.name != CHECKOUT] == [s for s in trace.steps if s.name != CHECKOUT]
    assert trace.step(CHECKOUT).state is StepState.WAITING


def test_what_never_began_was_skipped():
    done = finish(Trace("http://gw", "api", "book", 1).with_step(CHECKOUT, state=StepState.FAILED))
    states = {s.name: s.state for s in done.steps}
    assert states.pop(CHECKOUT) is StepState.FAILED
    assert set(states.values()) == {StepState.SKIPPED}
    assert done.finished
    assert done.failed_step.name == CHECKOUT
