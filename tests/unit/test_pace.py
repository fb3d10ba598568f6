"""When a picture that follows the cluster is computed again."""

from typing import Any

from meshtui.ui.widgets import live
from meshtui.ui.widgets.live import _Pace


class View:
    """Takes timers, and has them fire when told."""

    def __init__(self) -> None:
        self.timers: list[tuple[float, Any]] = []
        self.stopped: list[float] = []

    def set_timer(self, delay: float, callback: Any) -> Any:
        view = self
        self.timers.append((delay, callback))

        class Timer:
            def stop(self) -> None:
                view.stopped.append(delay)

        return Timer()


def test_a_renewal_does_not_put_off_what_is_due(monkeypatch):
    monkeypatch.setattr(live, "monotonic", lambda: 100.0)
    pace, view, done = _Pace(), View(), []
    pace.done()
    pace.soon(view, lambda: done.append("moved"), renewed=False)
    pace.soon(view, lambda: done.append("renewed"), renewed=True)
    assert [delay for delay, _ in view.timers] == [live._DELAY_S]
    assert view.stopped == []


def test_the_cursor_does_not_wait_for_a_renewal_and_renewals_keep_their_distance(monkeypatch):
    monkeypatch.setattr(live, "monotonic", lambda: 100.0)
    pace, view = _Pace(), View()
    pace.done()
    for renewed in (True, True, False):
        pace.soon(view, pace.done, renewed=renewed)
    assert [delay for delay, _ in view.timers] == [live._AGAIN_S, live._DELAY_S]
    assert view.stopped == [live._AGAIN_S]
    pace.done()
    pace.soon(view, pace.done, renewed=True)
    assert view.timers[-1][0] == live._AGAIN_S
