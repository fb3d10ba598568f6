"""Every test that the security guides name is there, and has tests in it."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = ("docs/guide/security.md", "docs/guide/sandbox.md")
NAMED = sorted({name for page in PAGES for name in re.findall(r"`((?:tests/|test_)[\w/]+\.py)`", (ROOT / page).read_text())})


def test_the_pages_name_tests():
    assert len(NAMED) > 20


@pytest.mark.parametrize("name", NAMED)
def test_a_test_that_is_named_is_there(name):
    found = [path for path in (ROOT / "tests").rglob("*.py") if path.as_posix().endswith(f"/{name}")]
    assert len(found) == 1, found
    assert re.search(r"^(async )?def test_", found[0].read_text(), re.MULTILINE)
