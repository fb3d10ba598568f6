"""Waits between tries: they double, have jitter, an upper bound, and are forgotten after a good while."""

from hypothesis import given
from hypothesis import strategies as st

from meshtui.sources.kubernetes.backoff import FIRST_S, FORGIVEN_AFTER_S, LONGEST_S, Backoff


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@given(st.integers(min_value=1, max_value=40))
def test_the_nth_wait_is_between_half_its_step_and_the_whole(count):
    clock = Clock()
    backoff = Backoff(clock)
    for number in range(count):
        step = min(FIRST_S * 2**number, LONGEST_S)
        wait = backoff.next_s()
        assert step / 2 <= wait <= step
        clock.now += wait


def test_many_that_fail_together_dont_try_again_together():
    assert len({Backoff(Clock()).next_s() for _ in range(30)}) > 20


def test_a_success_or_a_good_while_begins_anew():
    clock = Clock()
    backoff = Backoff(clock)
    for _ in range(10):
        clock.now += backoff.next_s()
    backoff.succeeded()
    assert backoff.next_s() <= FIRST_S
    for _ in range(10):
        clock.now += backoff.next_s()
    clock.now += FORGIVEN_AFTER_S + 1
    assert backoff.next_s() <= FIRST_S
