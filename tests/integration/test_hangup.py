"""The terminal closes while the terminal program runs: it ends, whoever leads the terminal's session."""

import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.fakes.terminal import PATIENCE_S, Terminal

POD = """
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: a}
spec: {containers: [{name: c, image: demo}]}
"""
LEADERS = {
    "the program itself": "exec {}",
    "a shell that passes SIGHUP on": "{}; sleep 600",
    "one that keeps SIGHUP to itself, as make does": "trap : HUP; {}; sleep 600",
    "… and then gets SIGCONT": "trap 'kill -HUP 0; kill -CONT 0' HUP; {}; sleep 600",
}


@pytest.mark.parametrize("leader", LEADERS.values(), ids=LEADERS)
def test_it_ends_with_its_terminal(tmp_path, leader):
    (tmp_path / "pod.yaml").write_text(POD)
    program = shlex.join([str(Path(sys.executable).with_name("meshtui")), "-f", "pod.yaml"])
    terminal = Terminal(["bash", "-c", leader.format(program)], cwd=tmp_path, home=tmp_path)
    try:
        terminal.wait_for("Workloads · 1")
        terminal.hang_up()
        end = time.monotonic() + PATIENCE_S
        while any("pod.yaml" in child and "bash" not in child for child in terminal.children_left()):
            assert time.monotonic() < end, "it does not end"
            time.sleep(0.1)
    finally:
        subprocess.run(["pkill", "-9", "-s", str(terminal.pid)], check=False)
