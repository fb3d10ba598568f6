"""Findings that are computed in the background are of what is known, not of what was known when that began."""

import asyncio
import threading
from types import SimpleNamespace

from meshtui.findings import Report
from meshtui.session import looking
from meshtui.session.looking import SMALL, Looking


class Host:
    """A session on a cluster that is large enough for the background."""

    running = settled = True
    applications = ()

    def __init__(self):
        self.snapshot = SimpleNamespace(pods=range(SMALL + 1))
        self.looking = Looking(self)

    def tell(self):
        self.looking.follow()

    def in_background(self, work, name):
        return asyncio.create_task(work, name=name)

    def denied(self):
        return {}


async def test_evidence_that_comes_during_a_computation_is_used(monkeypatch):
    used, began, go_on = [], threading.Event(), threading.Event()

    class Worker:
        def look(self, snapshot, evidence=None, more=()):
            used.append(evidence)
            began.set()
            assert go_on.wait(20)
            return Report(())

        def stop(self):
            go_on.set()

    monkeypatch.setattr(looking, "FindingWorker", Worker)
    monkeypatch.setattr(looking, "_LOOK_AGAIN_S", 0.01)
    host = Host()
    host.looking.follow()
    assert await asyncio.to_thread(began.wait, 20)
    host.looking.take_evidence("mesh", "lost")
    go_on.set()
    assert host.looking._looking is not None
    await asyncio.wait_for(host.looking._looking, 20)
    assert used == [{}, {"mesh": "lost"}]
    await host.looking.stop()
