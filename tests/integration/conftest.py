"""A running bookstore for each scenario, shared by the tests that leave it as it was: starting one takes seconds."""

import asyncio
import os
import shutil
import tempfile
from collections import Counter
from pathlib import Path

import pytest
import pytest_asyncio

from meshtui.sandbox import runtime
from meshtui.sandbox.addresses import claim_block
from meshtui.sandbox.run import running_sandbox
from meshtui.sandbox.user import user_of


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
    """The sandbox of a scenario, ready; it starts and ends in a task of its own, as its context managers want."""
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


@pytest.fixture(scope="session")
def machine():
    """What the sandbox's images run from, for tests that start one by itself; as root, as the sandbox's user."""
    folder = Path(tempfile.mkdtemp(prefix="mtr"))
    user = user_of(claim_block())
    if user is not None:
        os.chown(folder, -1, user.gid)
        folder.chmod(0o710)
    yield runtime.prepare(folder / "r", user)
    shutil.rmtree(folder)
