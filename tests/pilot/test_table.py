"""Where a table's cursor stands while its rows come and go."""

from datetime import UTC, datetime, timedelta

import pytest
from textual.app import App, ComposeResult

from meshtui.ui.panes.workloads import PANE
from meshtui.ui.widgets.table import Cell, Column, ObjectTable, Row

COLUMNS = (Column("NAME"),)


class Host(App[None]):
    def compose(self) -> ComposeResult:
        yield ObjectTable()


def rows(names: str) -> list[Row]:
    return [Row(name, (Cell(name),)) for name in names]


@pytest.fixture
def host() -> Host:
    return Host()


async def test_it_stays_on_top_until_all_rows_are_there_and_then_on_its_object(host: Host) -> None:
    async with host.run_test():
        table = host.query_one(ObjectTable)
        for names, complete, under in (
            ("m", False, "m"),
            ("dm", False, "d"),
            ("bdm", True, "b"),
            ("abdm", True, "b"),
            ("am", True, "m"),
            ("Aam", False, "m"),
        ):
            table.show(COLUMNS, rows(names), complete=complete)
            assert table.uid == under, names


async def test_who_moves_it_before_keeps_his_object(host: Host) -> None:
    async with host.run_test() as pilot:
        table = host.query_one(ObjectTable)
        table.focus()
        table.show(COLUMNS, rows("dm"), complete=False)
        await pilot.press("j")
        for names, complete in (("bdm", False), ("abdm", True), ("dm", True)):
            table.show(COLUMNS, rows(names), complete=complete)
            assert table.uid == "m", names


async def test_a_new_first_row_is_seen_by_whoever_looks_at_the_top(host: Host) -> None:
    async with host.run_test(size=(20, 4)) as pilot:
        table = host.query_one(ObjectTable)
        table.focus()
        table.show(COLUMNS, rows("bcdefgh"))
        await pilot.pause()
        table.show(COLUMNS, rows("abcdefgh"))
        await pilot.pause()
        assert table.uid == "b", "the cursor stays on its object"
        assert table.render_line(1).text.strip() == "a"
        await pilot.press("G")
        assert table.uid == "h"
        await pilot.pause()
        top = table.render_line(1).text.strip()
        table.show(COLUMNS, rows("Aabcdefgh"))
        await pilot.pause()
        assert (table.uid, table.render_line(1).text.strip()) == ("h", top), "further down nothing moves"


async def test_a_table_without_focus_whose_cursor_nobody_moved_stays_on_its_first_row(host: Host) -> None:
    async with host.run_test(size=(20, 4)) as pilot:
        table = host.query_one(ObjectTable)
        table.show(COLUMNS, rows("cdefgh"))
        host.set_focus(None)
        await pilot.pause()
        table.show(COLUMNS, rows("abcdefgh"))
        await pilot.pause()
        assert (table.uid, table.render_line(1).text.strip()) == ("a", "a")


LONG = "a-name-that-has-sixty-characters-less-one-and-would-take-al"


@pytest.mark.parametrize("width", [60, 80, 120])
async def test_a_long_name_takes_nothing_from_the_identity_and_the_states(width: int) -> None:
    columns = PANE.columns
    cells = {"NAME": Cell("ecom-service"), "READY": Cell("1/1"), "MESH": Cell("ambient"), "NAMESPACE": Cell("ecom")}
    identity = Cell("spiffe://cluster.local/ns/ecom/sa/ecom-service", short="…/sa/ecom-service")
    cells |= {"IDENTITY": identity, "!": Cell("D"), "AGE": Cell("", since=datetime(2026, 1, 1, tzinfo=UTC))}
    usual = [Row(f"u{n}", tuple(cells.get(column.title, Cell("-")) for column in columns)) for n in range(9)]
    cells["NAME"] = Cell(LONG)
    long = Row("long", tuple(cells.get(column.title, Cell("-")) for column in columns))
    async with Host().run_test(size=(width, 24)) as pilot:
        table = pilot.app.query_one(ObjectTable)
        table.show(columns, [*usual, long])
        await pilot.pause()
        lines = [table.render_line(y).text for y in range(12)]
    assert all(title in lines[0].split() for title in ("READY", "MESH", "IDENTITY", "!"))
    assert "ecom-service" in lines[1].split()
    assert ("…/sa/ecom-service" in lines[1]) == (width == 80)
    assert "…" in lines[10]
    assert lines[10].split()[-1] == lines[1].split()[-1]


async def test_an_age_that_grows_while_it_is_shown_is_not_cut(host: Host) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    async with host.run_test() as pilot:
        table = host.query_one(ObjectTable)
        table._clock = lambda: now
        table.show((Column("NAME"), Column("AGE")), [Row("a", (Cell("a"), Cell("", since=now)))])
        await pilot.pause()
        table._clock = lambda: now + timedelta(seconds=119)
        assert "119s" in table.render_line(1).text
