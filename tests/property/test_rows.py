"""What filters leave of a table's rows, how they are sorted, and how they are saved."""

from __future__ import annotations

import csv
import io
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshtui.ui.actions import SORT_LETTERS
from meshtui.ui.columns import Column
from meshtui.ui.filters import parse
from meshtui.ui.panes import Pane, panes
from meshtui.ui.saving import saved, table_text
from meshtui.ui.sorting import letters_of, order_of
from meshtui.ui.text import clean
from meshtui.ui.widgets.table import Cell

WORDS = st.text("abxyz-./", min_size=1, max_size=6).filter(lambda word: word[0] not in "-!")
ROWS = st.text("abxyz-./ ", max_size=20)
LABELS = st.dictionaries(st.sampled_from(["app", "tier", "a/b"]), st.sampled_from(["", "web", "db"]), max_size=3)
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@given(st.text(max_size=30), st.text(max_size=40), st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3))
def test_whatever_is_typed_is_a_filter(typed: str, row: str, labels: dict[str, str]) -> None:
    wanted = parse(typed)
    assert isinstance(wanted.holds(row.lower(), labels), bool)
    assert not wanted.error or not wanted.holds(row.lower(), labels), "a filter that isn't understood leaves nothing"


@given(st.lists(WORDS, max_size=3), ROWS)
def test_all_words_are_wanted_and_an_exclamation_mark_turns_that_round(words: list[str], row: str) -> None:
    typed = " ".join(words)
    held = all(word in row for word in words)
    assert parse(typed).holds(row, {}) == held
    assert parse(typed.upper()).holds(row, {}) == held, "capitals don't matter"
    assert parse(f"!{typed}").holds(row, {}) == (not held or not words)


@given(LABELS, st.sampled_from(["app", "tier", "a/b"]), st.sampled_from(["", "web", "db"]))
def test_selectors_are_those_of_kubectl(labels: dict[str, str], key: str, value: str) -> None:
    for typed, held in (
        (f"-l {key}={value}", labels.get(key) == value),
        (f"-l{key}=={value}", labels.get(key) == value),
        (f"-l {key}!={value}", labels.get(key) != value),
        (f"-l {key}", key in labels),
        (f"-l !{key}", key not in labels),
        (f"-l {key},!{key}", False),
        ("-l", True),
    ):
        wanted = parse(typed)
        assert not wanted.error
        assert wanted.labelled
        assert wanted.holds("", labels) == held, typed


@pytest.mark.parametrize("typed", ["-l a b", "-l =x", "-l a=b=c", "-l !", "-l a in (b)", "-l !a=b"])
def test_what_is_no_selector_is_said(typed: str) -> None:
    assert "no selector" in parse(typed).error


@given(st.text("abc", min_size=1, max_size=4), st.text("abcx", max_size=10))
def test_fuzzy_letters_are_there_in_this_order(letters: str, row: str) -> None:
    rest = iter(row)
    assert parse(f"-f {letters}").holds(row, {}) == all(letter in rest for letter in letters)


@given(st.lists(st.builds(Column, st.text("ABCDEFGPQ", max_size=8), st.integers(0, 9)), max_size=9))
def test_each_letter_is_one_column_s_own(columns: list[Column]) -> None:
    letters = letters_of(columns)
    assert len(set(letters.values())) == len(letters)
    for title, letter in letters.items():
        assert letter in title
        assert letter in SORT_LETTERS


@pytest.mark.parametrize("pane", panes(), ids=lambda pane: pane.id)
def test_nearly_all_columns_of_a_pane_have_a_letter(pane: Pane) -> None:
    titles = {column.title for column in pane.columns if len(column.title) > 1}
    assert len(titles - set(letters_of(pane.columns))) <= 2


CELLS = st.one_of(
    st.builds(Cell, st.one_of(st.text(max_size=12), st.from_regex(r"[a-z]{0,3}[0-9]{0,5}[-/]?[0-9]{0,3}", fullmatch=True))),
    st.integers(0, 10**9).map(lambda seconds: Cell("", since=NOW - timedelta(seconds=seconds))),
)


@given(st.lists(CELLS, max_size=12))
def test_any_cells_can_be_sorted(cells: list[Cell]) -> None:
    ordered = sorted(cells, key=order_of)
    ages = [cell.since for cell in ordered if cell.since is not None]
    assert ages == sorted(ages, reverse=True), "the newest first"


@given(st.integers(0, 99_999), st.integers(0, 99_999))
def test_numbers_in_names_are_numbers(one: int, other: int) -> None:
    assert (order_of(Cell(f"pod-{one}")) < order_of(Cell(f"pod-{other}"))) == (one < other)
    assert order_of(Cell(f"{one}")) < order_of(Cell("-")), "what says nothing comes last"


@given(st.integers(1, 4).flatmap(lambda n: st.lists(st.lists(st.text(max_size=8), min_size=n, max_size=n), max_size=5)))
def test_a_saved_table_is_read_as_it_was_shown(rows: list[list[str]]) -> None:
    titles = [f"T{number}" for number in range(len(rows[0]) if rows else 2)]
    read = list(csv.reader(io.StringIO(table_text(titles, rows), newline="")))
    assert read[0] == titles
    assert len(read) == len(rows) + 1
    for found, wanted in zip(read[1:], rows, strict=True):
        for cell, text in zip(found, wanted, strict=True):
            assert cell.removeprefix("'") == clean(text).removeprefix("'")
            assert cell[:1] not in {"=", "+", "@"}
            assert cell[:1] != "-" or cell == "-"
            assert not any(char < " " for char in cell)


@given(st.text(max_size=300))
def test_a_saved_file_stays_in_its_folder_and_is_its_user_s_own(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("state")
        patch.setenv("XDG_STATE_HOME", str(folder))
        first, second = saved("a\r\nb", name, "csv", NOW), saved("other", name, "csv", NOW)
    assert first != second
    for path in (first, second):
        assert path.parent == folder / "meshtui" / "saved"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert len(path.name) < 140
    assert first.read_bytes() == b"a\r\nb"


def test_what_cannot_be_saved_is_an_oserror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "meshtui").write_text("a file")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with pytest.raises(OSError, match="meshtui"):
        saved("text", "name", "csv", NOW)
