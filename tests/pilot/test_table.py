"""Where a table's cursor stands while its rows come and go."""

import pytest
from textual.app import App, ComposeResult

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
