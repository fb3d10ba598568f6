"""How a command line ends when its reader, its disk or one of its tasks fails."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from meshtui.cli.main import run
from meshtui.cli.registry import command_named
from meshtui.model.errors import ClusterError


def meshtui(*words, **how):
    return subprocess.run(
        [sys.executable, "-m", "meshtui", *words], stderr=subprocess.PIPE, text=True, check=False, timeout=60, **how
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="THERE IS NO /dev/full: a full disk isn't tried")
@pytest.mark.parametrize("words", [("schema",), ("schema", "check"), ("check", "--rules", "-o", "json")], ids=" ".join)
def test_a_full_disk_is_named_in_one_line(tmp_path, words):
    with Path("/dev/full").open("w") as full:
        done = meshtui(*words, stdout=full, env=os.environ | {"XDG_STATE_HOME": str(tmp_path)})
    assert done.returncode == 2
    assert done.stderr == "meshtui: the answer can't be written: No space left on device\n"
    assert list(tmp_path.iterdir()) == [], "no report: meshtui isn't at fault"


def test_a_reader_that_goes_away_is_no_error():
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as gone:
        done = meshtui("schema", "check", stdout=gone)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_only_failure_among_tasks_is_that_failure(monkeypatch, capsys):
    def fails(*_):
        raise ExceptionGroup("tasks", [ExceptionGroup("more", [ClusterError("it says no", "ask it")])])

    monkeypatch.setattr(command_named("version"), "body", fails)
    assert run(["version"]) == 3
    assert capsys.readouterr().err == "meshtui: it says no (ask it)\n"


def test_an_error_comes_after_the_answer(monkeypatch, capfd):
    def fails(*_):
        sys.stdout.write("an answer\n")
        raise ClusterError("then it says no")

    monkeypatch.setattr(command_named("version"), "body", fails)
    assert run(["version"]) == 3
    out, err = capfd.readouterr()
    assert (out, err) == ("an answer\n", "meshtui: then it says no\n")
