"""What the sandbox's images run from, for tests that start one by themselves."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from meshtui.sandbox import runtime
from meshtui.sandbox.addresses import claim_block
from meshtui.sandbox.user import user_of


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
