"""Lets tests import their own doubles: ``from tests.fakes.snapshots import snapshot_of``; and the same rules on every machine."""

import asyncio
import os
import signal
import sys
from collections import Counter
from pathlib import Path

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, settings

sys.path.insert(0, str(Path(__file__).parent.parent))

# How fast a machine draws examples is nothing that a test may fail for. What gates a change is the same every time;
# TESTS_EXPLORE=1 draws other examples, and finds what nobody thought of.
EXPLORE = bool(os.environ.get("TESTS_EXPLORE"))
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=not EXPLORE)
settings.load_profile("any machine")

# Shells start background jobs with Ctrl-C ignored, and children inherit that: tests send it to the programs that they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch, request, tmp_path_factory):
    """Tests never read the kubeconfig or settings of whoever runs them, nor read or write what meshtui remembers for them."""
    if "e2e" in request.keywords:
        return
    monkeypatch.setenv("MESHTUI_CONFIG", os.devnull)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.getbasetemp() / "state"))
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "MESHTUI_CHROMIUM"):  # the last one is for a test
        monkeypatch.delenv(name, raising=False)


@pytest.hookimpl(trylast=True)  # after pytest's own order by parameters
def pytest_collection_modifyitems(items):
    """One scenario after the other, at the end; in each, what needs it untouched first, and what changes it last.

    The scenario with the most tests comes before the others: one process runs it alone, and the others shouldn't wait for it.
    """
    many = Counter(map(_scenario, items))
    items.sort(key=lambda item: (bool(_scenario(item)), -many[_scenario(item)], _scenario(item), _turn(item)))


def _scenario(item):
    return item.callspec.params.get("bookstore", "") if hasattr(item, "callspec") else ""


def _turn(item):
    turns = ("needs_new_bookstore", "", "restores_bookstore", "changes_bookstore")
    return next((turn for turn, name in enumerate(turns) if name and item.get_closest_marker(name)), turns.index(""))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def bookstore(request):
    """The sandbox of a scenario, ready, shared by the tests that leave it as it was: starting one takes seconds.

    It starts and ends in a task of its own, as its context managers want.
    """
    from meshtui.sandbox.run import running_sandbox  # only these tests need it

    started, over = asyncio.get_running_loop().create_future(), asyncio.Event()

    async def run():
        try:
            async with running_sandbox(request.param) as sandbox:
                assert await sandbox.wait_ready() == []
                started.set_result(sandbox)
                await over.wait()
        except Exception as error:  # whatever keeps it from starting is the waiting test's to report
            if started.done():
                raise
            started.set_exception(error)

    task = asyncio.create_task(run())
    yield await started
    over.set()
    await task
