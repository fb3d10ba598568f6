"""Whatever the program waits for, it ends when it is asked to: plugins that hang, pipes in which nobody writes."""

import asyncio
import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from meshtui.model.errors import ConfigError
from meshtui.settings import Settings
from meshtui.sources.kubernetes import bounded_process, interrupt
from meshtui.sources.kubernetes.bounded_process import OutputLimitError, TimeLimitError, run_bounded
from meshtui.sources.kubernetes.connection import connect
from meshtui.sources.kubernetes.exec_plugin import PluginError, run_plugin
from meshtui.sources.kubernetes.interrupt import in_thread, read_file
from tests.fakes.hostile_server import HostileServer
from tests.fakes.terminal import Terminal

REPO = Path(__file__).parents[2]
V1 = "client.authentication.k8s.io/v1"


def script(path, body):
    begin = f"#!{sys.executable}\nimport os, pathlib, signal, subprocess, sys, time\nhere = pathlib.Path({str(path.parent)!r})"
    path.write_text(f"{begin}\n{body}\n")
    path.chmod(0o700)
    return path


HANGS = """
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
(here / "started.new").write_text(f"{os.getpid()} {child.pid}")
(here / "started.new").rename(here / "started")
time.sleep(600)
"""


def until(holds, seconds=30):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.02)


def gone(pid):
    """Whether a process has ended (one that nobody has waited for yet counts)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def plugin_user(path):
    return {"exec": {"apiVersion": V1, "command": str(path), "interactiveMode": "Never"}}


WORDS = {"a command": ["explain", "shop/a", "shop/b:80"], "the terminal program": []}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "Ctrl-C"])
@pytest.mark.parametrize("words", WORDS.values(), ids=WORDS)
def test_a_plugin_that_hangs_ends_with_the_program_and_so_does_what_it_started(tmp_path, words, number):
    user = plugin_user(script(tmp_path / "plugin", HANGS))
    with HostileServer() as server:
        command = [sys.executable, "-m", "meshtui", *words, "--kubeconfig", str(server.kubeconfig(tmp_path / "k", user=user))]
        with Terminal(command, cwd=REPO, home=tmp_path) as terminal:
            until(lambda: terminal._read(0.01) or (tmp_path / "started").exists())
            until((tmp_path / "started").exists)
            pids = (tmp_path / "started").read_text().split()
            if not words:
                terminal.wait_for("Loading")
            os.kill(terminal.pid, number)
            terminal.wait()
            assert b"Traceback" not in terminal.output
            until(lambda: all(map(gone, pids)))
            assert terminal.children_left() == []


@pytest.mark.parametrize("words", WORDS.values(), ids=WORDS)
def test_a_kubeconfig_in_which_nobody_writes_holds_nobody(tmp_path, words):
    os.mkfifo(tmp_path / "k")
    command = [sys.executable, "-m", "meshtui", *words, "--kubeconfig", str(tmp_path / "k")]
    with Terminal(command, cwd=REPO, home=tmp_path) as terminal:
        until(lambda: not terminal._read(0.01) and opens(terminal.pid, tmp_path / "k"))
        os.kill(terminal.pid, signal.SIGTERM)
        terminal.wait()
        assert b"Traceback" not in terminal.output


def opens(pid, path):
    """Whether a process has a file open."""
    for descriptor in Path(f"/proc/{pid}/fd").glob("*"):
        try:
            if descriptor.readlink() == path:
                return True
        except OSError:
            continue
    return False


async def test_a_thread_that_reads_a_pipe_ends_when_nobody_waits(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    began, ended = threading.Event(), threading.Event()

    def read():
        began.set()
        try:
            return read_file(str(tmp_path / "pipe"), wait_s=600)
        finally:
            ended.set()

    task = asyncio.create_task(in_thread(read))
    await asyncio.to_thread(began.wait, 30)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.to_thread(ended.wait, 30)


# ---- kubeconfigs that are no files


def test_a_pipe_is_read_as_kubectl_reads_it(tmp_path):
    """``--kubeconfig <(...)``: read once, and kept for when the configuration is read anew."""
    with HostileServer() as server:
        content = server.kubeconfig(tmp_path / "k").read_bytes()
        reader, writer = os.pipe()
        os.write(writer, content)
        os.close(writer)
        connection = connect(Settings(kubeconfig=f"/dev/fd/{reader}"))
        assert connection.server == f"http://127.0.0.1:{server.port}"
        connection.refused()
        assert connection.authorization() == ""
        os.close(reader)


NO_FILES = [
    ("a FIFO in which nobody writes", lambda folder: os.mkfifo(folder / "k") or folder / "k", "didn't finish"),
    ("a device without an end", lambda _: Path("/dev/zero"), "larger than 8 MiB"),
    ("nothing at all", lambda _: Path("/dev/null"), "nothing in it"),
    (
        "a file that is too large",
        lambda folder: (folder / "k").write_bytes(b"#" * (9 << 20)) and folder / "k",
        "larger than 8 MiB",
    ),
    ("a folder", lambda folder: folder, "Is a directory"),
]


@pytest.mark.parametrize(("name", "make", "says"), NO_FILES, ids=[row[0] for row in NO_FILES])
def test_a_kubeconfig_that_is_no_file_is_a_configuration_error(tmp_path, monkeypatch, name, make, says):
    monkeypatch.setattr("meshtui.sources.kubernetes.kubeconfig.read_file", lambda path: interrupt.read_file(path, wait_s=0.2))
    path = make(tmp_path)
    with pytest.raises(ConfigError, match=says) as caught:
        connect(Settings(kubeconfig=str(path)))
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("field", ["tokenFile", "client-certificate"])
def test_no_other_file_of_a_kubeconfig_can_be_a_pipe_that_blocks(tmp_path, monkeypatch, field):
    monkeypatch.setattr(
        "meshtui.sources.kubernetes.exec_plugin.read_file", lambda path, limit: interrupt.read_file(path, limit=limit, wait_s=0.2)
    )
    os.mkfifo(tmp_path / "pipe")
    with HostileServer() as server:
        kubeconfig = server.kubeconfig(tmp_path / "k", user={field: "pipe"}, server="https://127.0.0.1:1")
        with pytest.raises(ConfigError, match="pipe"):
            connect(Settings(kubeconfig=str(kubeconfig)))


# ---- plugins


def test_a_plugin_has_no_terminal_and_a_group_of_its_own(tmp_path):
    body = """
print(os.getsid(0) == os.getpid(), sys.stdin.read() == '')
try:
    open('/dev/tty')
    print('a terminal')
except OSError:
    pass
"""
    assert run_bounded([str(script(tmp_path / "p", body))], os.environ).printed.split() == [b"True", b"True"]


def test_a_plugin_that_takes_too_long_is_killed_with_what_it_started(tmp_path, monkeypatch):
    monkeypatch.setattr(bounded_process, "PLUGIN_S", 3.0)
    with pytest.raises(TimeLimitError):
        run_bounded([str(script(tmp_path / "p", HANGS))], os.environ)
    pids = (tmp_path / "started").read_text().split()
    until(lambda: all(map(gone, pids)))


def test_a_plugin_that_prints_without_an_end_is_stopped(tmp_path):
    with pytest.raises(OutputLimitError):
        run_bounded([str(script(tmp_path / "p", "while True: print('x' * 65536)"))], os.environ)


def test_what_a_plugin_started_and_left_behind_is_not_waited_for(tmp_path):
    body = "print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']).pid, flush=True)\nos._exit(0)"
    done = run_bounded([str(script(tmp_path / "p", body))], os.environ)
    os.kill(int(done.printed), signal.SIGKILL)  # it still ran
    assert done.code == 0


def test_what_a_plugin_says_is_cut_and_redacted(tmp_path):
    body = "sys.stderr.write('x' * 3_000_000 + ' token=s3cr3t-value no session')\nsys.exit(1)"
    with pytest.raises(PluginError) as caught:
        run_plugin({"apiVersion": V1, "command": str(script(tmp_path / "p", body))}, str(tmp_path), None)
    assert len(str(caught.value)) < 1000
    assert "no session" in str(caught.value)
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize("printed", ["'[' * 100_000", "'{}'", "'[]'", "'\\xff'"], ids=["deep", "empty", "a list", "no UTF-8"])
def test_what_is_no_credential_says_so(tmp_path, printed):
    with pytest.raises(PluginError, match="isn't an ExecCredential"):
        run_plugin({"apiVersion": V1, "command": str(script(tmp_path / "p", f"print({printed})"))}, str(tmp_path), None)
