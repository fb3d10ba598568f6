"""What a person who has read only the README stumbles over: the layout follows the drill's panel, names and causes stay seen."""

from __future__ import annotations

import re
from typing import Any

from textual.pilot import Pilot

from meshtui.sandbox import drills
from meshtui.ui.drill.panel import DrillPanel, Guide
from meshtui.ui.widgets.pane_box import PaneBox
from tests.fakes.screens import table_of
from tests.pilot.test_keys import bookstore_app, until

WIDE = (120, 40)


def drawn(box: PaneBox) -> list[str]:
    """The rows of a pane that are seen, as they are drawn."""
    table = box.table
    return [table.render_line(y).text for y in range(int(table.headed), table.size.height)]


def guide(pilot: Pilot[Any], what: drills.Drill) -> None:
    """Show a drill beside the screens, as the demo does."""
    app: Any = pilot.app
    app._guide = Guide(app, app.session, what, lambda _station: None)
    app.set_interval(0.05, app._guide.look)


async def resized(pilot: Pilot[Any], width: int, height: int) -> None:
    await pilot.resize_terminal(width, height)
    await pilot.pause(0.2)


async def test_folding_the_drill_gives_all_panes_their_room_and_unfolding_takes_it() -> None:
    what = drills.drill("missing-egress")
    assert what is not None
    async with bookstore_app(WIDE) as (_, pilot, screen):
        guide(pilot, what)
        await until(pilot, lambda: bool(screen.query(DrillPanel)) and screen.has_class("-drilled"))
        await until(pilot, lambda: not screen.wide)
        await pilot.press("f2")
        await until(pilot, lambda: screen.wide and screen.query_one("#map").display)
        await until(pilot, lambda: screen.query_one("#left").size.width + screen.query_one("#right").size.width == WIDE[0])
        assert sum(box.outer_size.height for box in screen.query(PaneBox) if box.display) == screen.query_one("#left").size.height
        await pilot.press("f2")
        await until(pilot, lambda: not screen.wide)


async def test_the_worst_finding_stays_seen_whatever_the_terminal_is_resized_to() -> None:
    what = drills.drill("missing-egress")
    assert what is not None
    async with bookstore_app(WIDE) as (_, pilot, screen):
        boxes = {box.pane.id: box for box in screen.query(PaneBox)}
        await until(pilot, lambda: len(boxes["findings"].table.rows) > 3 and len(table_of(screen).rows) == 11)
        guide(pilot, what)
        await pilot.press("f2", "2", "tab", "tab", "right")
        for size in [(80, 24), (60, 12), (200, 50), WIDE]:
            await resized(pilot, *size)
        await until(pilot, lambda: screen.wide)
        for name in ("findings", "workloads"):
            table = boxes[name].table
            assert table.cursor == 0
            assert int(table.scroll_offset.y) == 0, name
            assert drawn(boxes[name])[0].split() == table._line_of(1).text.split(), name


def ageless(row: str) -> list[str]:
    """The words of a row without ages, which may have gone on since it was drawn."""
    return [word for word in row.split() if not re.fullmatch(r"\d+[smhd]", word)]


async def test_what_is_chosen_in_a_pane_stays_seen_there_whatever_the_terminal_is_resized_to() -> None:
    async with bookstore_app((200, 50)) as (_, pilot, screen):
        boxes = [box for box in screen.query(PaneBox) if box.pane.tab]
        await until(pilot, lambda: all(len(box.table.rows) > 1 for box in boxes))
        for key, middle in [("1", "k"), ("2", "k"), ("3", ""), ("4", "k"), ("5", ""), ("6", "")]:
            await pilot.press(key, "G", *middle)
        chosen = {box.pane.id: box.uid for box in boxes}
        assert all(box.table.cursor for box in boxes)
        for size in [WIDE, (110, 30), (80, 24), (200, 50), (110, 30), WIDE]:
            await resized(pilot, *size)
            for box in boxes:
                table = box.table
                if not box.display:
                    continue
                assert table.uid == chosen[box.pane.id]
                top = int(table.scroll_offset.y)
                assert top <= table.cursor < top + table.size.height - int(table.headed), (box.pane.id, size)
                row = ageless(table._line_of(table.cursor + 1).text)
                assert row in [ageless(line) for line in drawn(box)], (box.pane.id, size)
                assert not top or top + table.size.height - int(table.headed) <= len(table.rows), (box.pane.id, size)
