"""Only what is certainly a dead sandbox's is ended or removed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

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
    """Let go of the lock, as the kernel does for a process that was killed."""
    os.close(folder._lock)
    folder._lock = -1


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
    (temporary / "mt-linked").symlink_to(temporary / "mt-photos")
    (temporary / "mt-tricked").mkdir()
    (temporary / "mt-tricked" / "lock").symlink_to("/etc/passwd")
    assert leftovers.sweep() == []
    assert len(list(temporary.iterdir())) == 3


@pytest.mark.parametrize("where", ["same process", "another PID namespace"])
def test_what_a_lock_is_held_on_lives_whatever_its_process_id_says(temporary, where):
    """A container that shares the temporary folder sees neither the pid nor when it started."""
    folder = leftovers.RunFolder.make()
    code = "import sys; from pathlib import Path; from meshtui.sandbox import leftovers; "
    code += f"leftovers._parent = lambda: Path({str(temporary)!r}); print(leftovers.sweep())"
    command = [sys.executable, "-c", code]
    if where == "another PID namespace":
        if os.geteuid() != 0 or shutil.which("unshare") is None:
            pytest.skip("NOT TESTED: a PID namespace needs root and unshare")
        command = ["unshare", "--pid", "--fork", "--mount-proc", *command]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert folder.path.exists()
    abandon(folder)
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert str(folder.path) in done.stdout
    assert not folder.path.exists()


def test_the_lock_of_a_killed_process_is_free(temporary):
    code = f"from meshtui.sandbox import leftovers as l; from pathlib import Path; l._parent = lambda: Path({str(temporary)!r}); "
    code += "f = l.RunFolder.make(); (f.path / 'key').write_text('secret'); print(f.path, flush=True); input()"
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    path = process.stdout.readline().strip()
    assert leftovers.sweep() == []
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()
    assert [str(found) for found in leftovers.sweep()] == [path]
    assert not Path(path).exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="NOT TESTED: only root has another user's folder at hand")
def test_a_temporary_folder_of_another_user_is_refused(temporary, monkeypatch):
    theirs = temporary / "theirs"
    theirs.mkdir(mode=0o755)
    os.chown(theirs, 65534, 65534)
    monkeypatch.setattr(leftovers, "_parent", lambda: theirs)
    with pytest.raises(PermissionError, match="another user"):
        leftovers.RunFolder.make()


def test_a_temporary_folder_in_which_anybody_can_rename_is_refused(temporary, monkeypatch):
    shared = temporary / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    monkeypatch.setattr(leftovers, "_parent", lambda: shared)
    with pytest.raises(PermissionError, match="another user"):
        leftovers.RunFolder.make()
    shared.chmod(0o1777)
    leftovers.RunFolder.make().remove()


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


@pytest.mark.skipif(os.geteuid() != 0, reason="NOT TESTED: only root's sandbox runs as another user")
def test_a_temporary_folder_that_only_root_can_enter_is_passed_over(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "closed"))
    (tmp_path / "closed").mkdir(mode=0o700)
    assert leftovers._parent() == Path("/tmp")
