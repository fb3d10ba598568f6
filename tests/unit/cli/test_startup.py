"""What is told at once, and what the command line does without: heavy libraries are imported by who needs them."""

import subprocess
import sys
from importlib.metadata import version

import pytest
import yaml

import meshtui
from meshtui.cli.registry import names
from meshtui.sandbox import scenarios

HEAVY = ("textual", "pydantic", "kubernetes", "httpx", "rich")


def imported(code, *words, env=None):
    """The heavy libraries that a program has imported at its end, and its output before that."""
    tail = f"; import sys; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code + tail, *words], capture_output=True, text=True, check=True, timeout=60, env=env
    )
    *out, last = done.stdout.splitlines()
    return last, out


def test_the_version_is_that_of_the_package():
    assert meshtui.__version__ == version("kubectl-meshtui")


def test_the_version_needs_nothing():
    code = (
        "import sys; sys.argv[1:] = ['--version']; from meshtui.__main__ import main; main(); assert 'click' not in sys.modules"
    )
    assert imported(code) == ("[]", [f"meshtui {meshtui.__version__}"])


@pytest.mark.parametrize(
    "words", [["--help"], ["help", "check"], ["completion", "bash"], ["--read-only", "--version"]], ids=" ".join
)
def test_help_and_completion_scripts_need_nothing_heavy(words):
    last, out = imported(f"from meshtui.cli.main import run; run({words!r})")
    assert last == "[]"
    assert out


def test_the_commands_themselves_are_light():
    code = "from meshtui.cli.registry import commands; commands()"
    last, _ = imported(code)
    assert last == "[]"
    assert names()


def test_only_the_command_that_runs_is_imported():
    code = (
        "from meshtui.cli.main import run; run(['schema']); "
        "import sys; print(sorted(m for m in sys.modules if m.startswith('meshtui.cli.commands.')))"
    )
    _, out = imported(code)
    assert out[-1] == "['meshtui.cli.commands.schema']"


@pytest.fixture(scope="module")
def bookstore(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bookstore")
    (folder / "all.yaml").write_text(yaml.safe_dump_all(scenarios.load("healthy")))
    (folder / "flows.jsonl").write_text(
        '{"from": {"workload": "ecom/Deployment/ecom-service"}, "to": {"service": "inventory/inventory-service", "port": 8000}}\n'
    )
    return folder


CALL = ("ecom/deploy/ecom-service", "inventory/svc/inventory-service:8000")
WITHOUT_TEXTUAL = {
    "acceptance": (3, ["--kubeconfig", "KUBECONFIG"]),
    "check": (0, ["-f", "FOLDER", "--fail-on", "never"]),
    "checkout": (3, ["--kubeconfig", "KUBECONFIG"]),
    "clean": (3, ["--kubeconfig", "KUBECONFIG"]),
    "completion": (0, ["zsh"]),
    "demo": (2, []),
    "denials": (3, ["--kubeconfig", "KUBECONFIG"]),
    "diff": (0, ["FOLDER", "-f", "FOLDER"]),
    "explain": (0, [*CALL, "-f", "FOLDER"]),
    "help": (0, ["explain"]),
    "journey": (3, ["run", "checkout", "--kubeconfig", "KUBECONFIG"]),
    "matrix": (0, ["-f", "FOLDER"]),
    "mesh": (3, ["status", "--kubeconfig", "KUBECONFIG"]),
    "predict": (0, ["--flows", "FLOWS", "-f", "FOLDER"]),
    "probe": (0, [*CALL, "--plan", "-f", "FOLDER"]),
    "report-verdict": (0, [*CALL, "-f", "FOLDER"]),
    "sandbox": (0, ["--list"]),
    "serve": (2, ["--scenario", "none"]),
    "schema": (0, ["explain"]),
    "verify": (4, ["bookstore", "-f", "FOLDER"]),
    "version": (0, []),
}
"""For each command: the exit code and words that take it through its work, as far as that goes without a cluster."""

UNREACHABLE = """
apiVersion: v1
kind: Config
current-context: nowhere
clusters: [{name: nowhere, cluster: {server: "http://127.0.0.1:1"}}]
users: [{name: me, user: {token: abc}}]
contexts: [{name: nowhere, context: {cluster: nowhere, user: me}}]
"""


@pytest.mark.parametrize("name", names())
def test_a_command_works_where_textual_is_not(bookstore, name):
    code, words = WITHOUT_TEXTUAL[name]
    (bookstore / "kubeconfig").write_text(UNREACHABLE)
    files = {"FOLDER": "all.yaml", "FLOWS": "flows.jsonl", "KUBECONFIG": "kubeconfig"}
    program = "import sys; sys.modules['textual'] = None; from meshtui.cli.main import run; sys.exit(run(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", program, name, *(str(bookstore / files[word]) if word in files else word for word in words)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == code, done.stderr
    assert "textual" not in done.stderr
    assert "Traceback" not in done.stderr
