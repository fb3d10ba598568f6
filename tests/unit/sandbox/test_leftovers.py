"""Only what is certainly a dead sandbox's is ended or removed."""

import json
import os
import subprocess
import sys

import pytest

from meshtui.sandbox import leftovers


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    monkeypatch.setattr(leftovers, "_parent", lambda: tmp_path)
    return tmp_path


@pytest.fixture
def sleeper():
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    yield process
    process.kill()
    process.wait()


def abandon(folder):
    """Make a run folder look as if its owner had been killed."""
    (folder.path / "owner.json").write_text(json.dumps({"pid": os.getpid(), "started": "before this process"}))


def test_a_living_sandboxs_folder_stays(temporary):
    folder = leftovers.RunFolder.make()
    assert leftovers.sweep() == []
    assert folder.path.exists()


def test_a_dead_sandboxs_folder_and_processes_go(temporary, sleeper):
    folder = leftovers.RunFolder.make()
    folder.record(sleeper.pid)
    abandon(folder)
    assert leftovers.sweep() == [folder.path]
    assert not folder.path.exists()
    assert sleeper.wait(10) != 0


def test_a_process_id_that_somebody_else_has_now_is_left_alone(temporary, sleeper):
    folder = leftovers.RunFolder.make()
    (folder.path / "children").write_text(f"{sleeper.pid} another time\n")
    abandon(folder)
    leftovers.sweep()
    assert sleeper.poll() is None


def test_a_folder_of_another_kind_is_left_alone(temporary):
    (temporary / "mt-photos").mkdir()
    (temporary / "mt-broken").mkdir()
    (temporary / "mt-broken" / "owner.json").write_text("{")
    assert leftovers.sweep() == []
    assert (temporary / "mt-photos").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_process_that_was_not_recorded_is_known_by_its_environment(temporary):
    folder = leftovers.RunFolder.make()
    environment = os.environ | {"MESHTUI_POD_ROOT": f"{folder.path}/p/abcd"}
    code = "import time; print(1, flush=True); time.sleep(600)"
    process = subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE)
    process.stdout.readline()
    abandon(folder)
    leftovers.sweep()
    assert process.wait(10) != 0
    process.stdout.close()
