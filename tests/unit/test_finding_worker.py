"""Findings are the same, in this process or another; and one that nobody waits for is ended."""

import asyncio
import signal
import threading
import time
from dataclasses import replace

import pytest

from meshtui.findings import Report, look
from meshtui.model.snapshot import Snapshot
from meshtui.session.finding_worker import FindingWorker
from tests.fakes.snapshots import ambient, pod, snapshot_of

WORLD = snapshot_of([ambient("a"), pod("a/web", "10.0.0.1"), pod("a/db", "10.0.0.2", [5432])])


def test_another_process_finds_the_same():
    here = look(WORLD)
    assert here.findings
    assert FindingWorker().look(WORLD) == here


def test_on_another_system_it_is_done_here(monkeypatch):
    monkeypatch.setattr("sys.platform", "darwin")
    assert FindingWorker().look(WORLD) == look(WORLD)


@pytest.mark.parametrize("stopped", [True, False])
def test_a_process_that_is_ended(stopped, monkeypatch):
    """Ended by us: nobody waits for the answer. By somebody else: it is worked out here."""
    monkeypatch.setattr("meshtui.session.finding_worker._send_report", lambda *_: time.sleep(60))
    worker, found = FindingWorker(), []
    thread = threading.Thread(target=lambda: found.append(worker.look(WORLD)))
    thread.start()
    deadline = time.monotonic() + 20
    while worker._process is None or not worker._process.pid:
        assert time.monotonic() < deadline
    if stopped:
        worker.stop()
    else:
        worker._process.kill()
    thread.join(20)
    assert found == [Report(()) if stopped else look(WORLD)]


def test_a_lock_that_another_thread_held_at_the_fork_is_free_again(monkeypatch):
    """Up to Python 3.11, a cached property has one lock for all objects of its class."""
    monkeypatch.setattr("meshtui.session.finding_worker._IDLE_S", 60.0)
    lock = getattr(Snapshot.__dict__["workloads"], "lock", threading.RLock())
    held, found, let_go = threading.Event(), [], threading.Event()

    def hold():
        with lock:
            held.set()
            let_go.wait(30)

    worker = FindingWorker()
    threads = [threading.Thread(target=hold), threading.Thread(target=lambda: found.append(worker.look(replace(WORLD))))]
    threads[0].start()
    held.wait(20)
    threads[1].start()
    threads[1].join(20)
    ended = not threads[1].is_alive()
    worker.stop()
    let_go.set()
    for thread in threads:
        thread.join(20)
    assert ended
    assert found == [look(WORLD)]


def test_a_process_that_is_stuck_is_killed_and_it_is_done_here(monkeypatch):
    monkeypatch.setattr("meshtui.session.finding_worker._IDLE_S", 0.1)
    monkeypatch.setattr("meshtui.session.finding_worker._send_report", lambda *_: threading.Event().wait(60))
    worker = FindingWorker()
    assert worker.look(WORLD) == look(WORLD)
    assert worker._process is not None
    assert worker._process.exitcode == -signal.SIGKILL


async def test_a_signal_to_it_is_none_to_the_event_loop(monkeypatch):
    """asyncio hears of signals through a socket, of which a forked process has a copy."""
    heard = []
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, heard.append, True)
    try:
        monkeypatch.setattr("meshtui.session.finding_worker.look", lambda *_: signal.raise_signal(signal.SIGTERM))
        worker = FindingWorker()
        worker._stopped = True
        assert await asyncio.to_thread(worker.look, WORLD) == Report(())
        after = asyncio.Event()
        loop.add_signal_handler(signal.SIGUSR1, after.set)
        signal.raise_signal(signal.SIGUSR1)  # what came before it would have been heard before it
        await asyncio.wait_for(after.wait(), 20)
        assert heard == []
    finally:
        loop.remove_signal_handler(signal.SIGUSR1)
        loop.remove_signal_handler(signal.SIGTERM)
