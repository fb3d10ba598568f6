"""What real shells get from the script that `meshtui completion SHELL` prints."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from meshtui.cli.completing import rule_ids, scenario_names
from meshtui.cli.registry import names
from meshtui.findings import all_rules
from meshtui.journeys import applications
from meshtui.sandbox import scenarios
from meshtui.sandbox.apiserver.server import running_api
from tests.fakes.snapshots import namespace, pod
from tests.unit.cli.test_startup import UNREACHABLE

BIN = Path(sys.executable).parent
RULES = all_rules(rule for each in applications() for rule in each.rules)
SHELLS = [
    pytest.param(
        shell,
        marks=pytest.mark.skipif(not shutil.which(shell), reason=f"{shell} IS NOT INSTALLED: it stays untested"),
    )
    for shell in ("bash", "zsh", "fish")
]

BASH = """
source "$SCRIPT"
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_meshtui_completion meshtui
printf '%s\\n' "${COMPREPLY[@]}"
"""
ZSH = """
compdef() { :; }
_describe() { local each; for each in "${(@P)3}"; do print -r -- "${each%%:*}"; done }
compadd() { print -rl -- "${(@P)@[-1]}"; }
_path_files() { print -r -- FILES; }
source "$SCRIPT"
words=("$@"); CURRENT=$#
_meshtui_completion
"""
FISH = """
source $SCRIPT
complete -C "$argv"
"""


def completed(shell, *words, home, **environment):
    """What the shell offers for the last word, and what was said on standard error meanwhile."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("KUBE", "MESHTUI"))}
    patient = {"_MESHTUI_COMPLETE_SECONDS": "60"}  # a busy machine takes longer than a person would wait
    env = clean | patient | {"PATH": f"{BIN}:{os.environ['PATH']}", "HOME": str(home), "XDG_CONFIG_HOME": str(home)} | environment
    script = home / f"script.{shell}"
    script.write_text(subprocess.run([BIN / "meshtui", "completion", shell], capture_output=True, text=True, check=True).stdout)
    commands = {
        "bash": ["bash", "--norc", "-c", BASH, "bash", *words],
        "zsh": ["zsh", "-f", "-c", ZSH, "zsh", *words],
        "fish": ["fish", "--no-config", "-c", FISH, " ".join(words)],
    }
    done = subprocess.run(
        commands[shell], env=env | {"SCRIPT": str(script)}, cwd=home, capture_output=True, text=True, check=False, timeout=60
    )
    return [line.split("\t")[0] for line in done.stdout.splitlines() if line], done.stderr


@pytest.fixture(scope="module")
def bookstore(tmp_path_factory):
    file = tmp_path_factory.mktemp("bookstore") / "all.yaml"
    file.write_text(yaml.safe_dump_all(scenarios.load("healthy")))
    return str(file)


@pytest.mark.parametrize("shell", SHELLS)
def test_commands_and_flags(tmp_path, shell):
    offered, err = completed(shell, "meshtui", "", home=tmp_path)
    assert set(names()) <= set(offered)
    assert completed(shell, "meshtui", "expl", home=tmp_path) == (["explain"], "")
    assert "--read-only" in completed(shell, "meshtui", "check", "--re", home=tmp_path)[0]
    assert completed(shell, "meshtui", "check", "--fail-on", "w", home=tmp_path)[0] == ["warning"]
    assert set(completed(shell, "meshtui", "matrix", "-o", "", home=tmp_path)[0]) >= {"csv", "dot", "json", "table"}
    assert err == ""


@pytest.mark.parametrize("shell", SHELLS)
def test_names_of_manifests(tmp_path, bookstore, shell):
    def offers(*words):
        return set(completed(shell, "meshtui", "-f", bookstore, *words, home=tmp_path)[0])

    assert {"ecom/deployment/ecom-service", "external"} <= offers("explain", "e")
    assert offers("explain", "ecom/deploy/ecom-service", "inventory/svc/inventory-s") == {"inventory/svc/inventory-service:8000"}
    assert {"ecom", "inventory", "identity"} <= offers("check", "-n", "")


@pytest.mark.parametrize("shell", SHELLS)
def test_scenarios_rules_schemas_and_contexts(tmp_path, shell):
    (tmp_path / "k").write_text(UNREACHABLE.replace("[{name: nowhere, con", "[{name: prod-eu, context: {}}, {name: nowhere, con"))

    def offers(*words):
        return completed(shell, "meshtui", *words, home=tmp_path, KUBECONFIG=str(tmp_path / "k"))[0]

    assert offers("demo", "--scenario", "wrong") == ["wrong-identity"]
    assert offers("check", "--explain", "MT10") == [rule for rule in rule_ids() if rule.startswith("MT10")]
    assert offers("schema", "pred") == ["predict"]
    assert offers("--context", "pr") == ["prod-eu"]


def test_what_is_offered_is_all_there_is():
    assert scenario_names() == sorted(scenarios.names())
    assert rule_ids() == sorted(rule.id for rule in RULES)


async def test_names_of_a_cluster(tmp_path):
    async with running_api([namespace("shop"), pod("shop/a", "10.0.0.1")]) as api:
        import asyncio

        answer = await asyncio.to_thread(
            completed, "bash", "meshtui", "check", "-n", "sh", home=tmp_path, KUBECONFIG=str(api.kubeconfig)
        )
        assert answer == (["shop"], "")
        answer = await asyncio.to_thread(
            completed, "bash", "meshtui", "explain", "shop/", home=tmp_path, KUBECONFIG=str(api.kubeconfig)
        )
        assert answer == (["shop/pod/a"], "")


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("broken", ["nobody answers", "no kubeconfig", "no YAML"])
def test_a_failure_is_silent(tmp_path, shell, broken):
    text = {"nobody answers": UNREACHABLE, "no YAML": "a: [", "no kubeconfig": ""}[broken]
    (tmp_path / "k").write_text(text)
    kubeconfig = str(tmp_path / ("gone" if broken == "no kubeconfig" else "k"))
    for words in (("explain", "sho"), ("check", "-n", "sho"), ("-f", "/gone", "explain", "sho")):
        assert completed(shell, "meshtui", *words, home=tmp_path, KUBECONFIG=kubeconfig) == ([], "")


def test_a_server_that_never_answers_is_given_up_on(tmp_path):
    """The listener takes connections and says nothing. Without a bound of its own the shell would wait too."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:
        (tmp_path / "k").write_text(UNREACHABLE.replace("127.0.0.1:1", f"127.0.0.1:{listener.getsockname()[1]}"))
        patient = {"KUBECONFIG": str(tmp_path / "k"), "MESHTUI_TIMEOUTS__REQUEST_S": "100000", "_MESHTUI_COMPLETE_SECONDS": "1.5"}
        assert completed("bash", "meshtui", "check", "-n", "s", home=tmp_path, **patient) == ([], "")


def test_a_name_that_a_shell_would_run_is_not_offered(tmp_path):
    hostile = [{"name": name, "context": {}} for name in ("a$(touch x)", "a;b", "a\nb", "a'b", "a,b", "a-good.one@x:y/z")]
    (tmp_path / "k").write_text(yaml.safe_dump({"contexts": hostile}))
    offered = completed("bash", "meshtui", "--context", "a", home=tmp_path, KUBECONFIG=str(tmp_path / "k"))
    assert offered == (["a-good.one@x:y/z"], "")


@pytest.mark.parametrize(
    "words", [["meshtui", ""], ["meshtui", "--context", ""], ["meshtui", "-f", "FILE", "explain", ""]], ids=" ".join
)
def test_completion_without_a_cluster_imports_nothing_heavy(tmp_path, bookstore, words):
    heavy = ("textual", "pydantic", "kubernetes", "httpx", "rich")
    words = [bookstore if word == "FILE" else word for word in words]
    code = (
        "import os, sys; os._exit = lambda code: None; "
        "from meshtui.cli.shell import answer; from meshtui.cli.group import Meshtui; "
        f"answer(Meshtui(), 'bash_complete'); print([m for m in {heavy} if m in sys.modules])"
    )
    env = os.environ | {
        "_MESHTUI_COMPLETE_SECONDS": "60",
        "COMP_WORDS": "\n".join(words),
        "COMP_CWORD": str(len(words) - 1),
        "HOME": str(tmp_path),
    }
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True, timeout=60)
    *offered, last = done.stdout.splitlines()
    assert last == "[]"
    assert words[1] == "--context" or offered
