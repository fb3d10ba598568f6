"""TESTS_EXPLORE=1 draws other examples in every property test: only the profile says whether examples are the same."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent.parent
OURS = {TESTS / "conftest.py", Path(__file__)}


def overrides(text):
    """The lines on which something is called with ``derandomize``."""
    calls = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call))
    return [call.lineno for call in calls if any(word.arg == "derandomize" for word in call.keywords)]


def test_an_override_is_seen():
    assert overrides("x = 1\nRELAXED = settings(deadline=None, derandomize=True)") == [2]


def test_no_test_overrides_it():
    files = [path for path in TESTS.rglob("*.py") if path not in OURS]
    assert len(files) > 100
    assert {str(path): found for path in files if (found := overrides(path.read_text()))} == {}


@pytest.mark.parametrize("explore", [True, False])
def test_the_profile_follows_the_variable(explore):
    code = (
        "import tests.conftest; from tests.property.test_matrix import RELAXED; from tests.property.test_whatif import "
        "RELAXED as other; from hypothesis import settings; print({x.derandomize for x in (settings(), RELAXED, other)})"
    )
    env = {name: value for name, value in os.environ.items() if name != "TESTS_EXPLORE"} | (
        {"TESTS_EXPLORE": "1"} if explore else {}
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=TESTS.parent, env=env, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == f"{{{not explore}}}\n"
