"""The page "an incident in twelve keys": its keys are pressed in the sandbox, and each shows what the page says."""

from __future__ import annotations

import pytest

from tests.incident import PAGE, PICTURES, STEPS, page, press, walking

pytestmark = pytest.mark.sandbox


async def test_each_key_shows_what_the_page_says():
    async with walking() as pilot:
        for step in STEPS:
            assert not step.seen(pilot.app) or step.key == "escape", f"{step.title}: it was seen before the key"
            await press(pilot, step)


def test_the_page_is_that_of_the_steps_and_has_its_pictures():
    assert len(STEPS) == 12
    assert PAGE.read_text() == page(), "python -m tests.incident writes it"
    assert {path.name for path in PICTURES.iterdir()} == {f"{number:02}.svg" for number in range(1, 13)}
