"""What is remembered from one start to the next, and that a file which can't be trusted counts as none."""

from __future__ import annotations

import json
import os
import stat

import pytest

from meshtui.remembered import FILE, Remembered


@pytest.fixture
def file(tmp_path):
    return tmp_path / "state" / FILE


def written(file, text, mode=0o600):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(mode)
    return file


def test_what_is_saved_is_loaded(file):
    first = Remembered.load(file)
    assert first == Remembered(file=file)
    first.theme, first.zoom, first.sort["workloads"] = "meshtui-light", "half", "-age"
    assert first.save()
    assert Remembered.load(file) == first


def test_only_the_user_may_read_it(file):
    file.parent.mkdir()
    file.parent.chmod(0o755)
    assert Remembered(theme="nord", file=file).save()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert list(file.parent.iterdir()) == [file]


def test_the_users_own_file_is_in_the_state_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    kept = Remembered.load()
    kept.theme = "nord"
    assert kept.save()
    assert json.loads((tmp_path / "meshtui" / FILE).read_text())["theme"] == "nord"


def test_without_a_file_nothing_is_written(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert not Remembered(theme="nord").save()
    assert list(tmp_path.iterdir()) == []


DAMAGED = {
    "not JSON": "{",
    "not an object": "[]",
    "null": "null",
    "other types": '{"theme": 1, "zoom": ["x"], "sort": [1]}',
    "control characters": '{"theme": "\\u001b[31m", "zoom": "a\\nb"}',
    "too long": json.dumps({"theme": "x" * 65}),
    "too large": json.dumps({"theme": "nord", "rest": "x" * 70_000}),
    "too deep": "[" * 60_000,
    "values of the sort": '{"sort": {"a": 1, "": "x", "\\u0007": "x"}}',
}


@pytest.mark.parametrize("text", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_file_counts_as_none(file, text):
    assert Remembered.load(written(file, text)) == Remembered(file=file)


def test_bytes_that_are_no_text_count_as_none(file):
    written(file, "")
    file.write_bytes(b'{"theme": "\xff\xfe"}')
    assert Remembered.load(file).theme == ""


GOOD = '{"theme": "nord"}'


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_may_write_counts_as_none(file, mode):
    assert Remembered.load(written(file, GOOD)).theme == "nord"
    assert Remembered.load(written(file, GOOD, mode)).theme == ""


def test_a_link_counts_as_none(file, tmp_path):
    target = written(tmp_path / "elsewhere" / FILE, GOOD)
    file.parent.mkdir()
    file.symlink_to(target)
    assert Remembered.load(file).theme == ""
    assert Remembered(theme="gruvbox", file=file).save()
    assert not file.is_symlink()
    assert target.read_text() == GOOD


def test_a_pipe_is_not_waited_for(file):
    file.parent.mkdir()
    os.mkfifo(file)
    assert Remembered.load(file).theme == ""


def test_a_file_of_somebody_else_counts_as_none(file, monkeypatch):
    written(file, GOOD)
    monkeypatch.setattr(os, "getuid", lambda: file.stat().st_uid + 1)
    assert Remembered.load(file).theme == ""
    assert not Remembered(theme="nord", file=file).save()
    assert file.read_text() == GOOD


def test_a_folder_that_cannot_be_made_is_no_error(tmp_path):
    (tmp_path / "state").write_text("a file")
    assert not Remembered(theme="nord", file=tmp_path / "state" / FILE).save()


def test_a_thousand_tables_are_not_remembered(file):
    kept = Remembered(file=file, sort={f"table-{n}": "name" for n in range(1000)})
    assert kept.save()
    assert len(Remembered.load(file).sort) == 64
