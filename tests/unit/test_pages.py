"""The parts of the guides that are made from the code are up to date (``python -m tests.pages`` writes them)."""

import pytest

from tests.pages import GUIDE, PARTS, renewed


@pytest.mark.parametrize(("page", "name"), PARTS, ids=[f"{page}: {name}" for page, name in PARTS])
def test_a_part_is_as_the_code_says(page, name):
    text = (GUIDE / page).read_text()
    assert text == renewed(text, name, PARTS[page, name]())
