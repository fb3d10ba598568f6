"""Which scenarios' shared bookstores a test runs on (the fixture ``bookstore``), all of one scenario in one process."""

import shutil
from collections.abc import Iterable
from typing import Any

import pytest

KUBECTL = shutil.which("kubectl") or ""
needs_kubectl = pytest.mark.skipif(not KUBECTL, reason="there is no kubectl on this machine: install it to run these")
IN_ITS_LOOP = pytest.mark.asyncio(loop_scope="session")
"""Tests with a shared bookstore run in the event loop in which that lives."""


def on(*scenarios: str) -> Any:
    """Run a test on the bookstores of these scenarios."""
    return on_each((name,) for name in scenarios)


def on_each(rows: Iterable[tuple[Any, ...]], *others: str) -> Any:
    """Run a test on rows of (scenario, values of the other arguments …)."""
    params = [pytest.param(*row, id=row[0], marks=pytest.mark.xdist_group(row[0])) for row in rows]
    return pytest.mark.parametrize(("bookstore", *others), params, indirect=["bookstore"], scope="session")
