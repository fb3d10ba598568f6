"""Every exit code that a command claims (docs/guide/commands.md), really produced: on manifests, on servers, without one."""

import asyncio
import json
import os
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from meshtui.cli.command import COMMON_EXITS
from meshtui.cli.registry import command_named, commands, names
from meshtui.sandbox import scenarios
from meshtui.sandbox.apiserver.server import running_api
from tests.fakes.bookstore import IN_ITS_LOOP, on
from tests.fakes.frozen import recorded_objects
from tests.fakes.terminal import Terminal
from tests.unit.cli.test_startup import UNREACHABLE

ECOM, INVENTORY = "ecom/deploy/ecom-service", "inventory/svc/inventory-service:8000"
CALL = (ECOM, INVENTORY)
BROWSE = Path(__file__).parents[2] / "fakes" / "browse.toml"


@dataclass(frozen=True)
class Case:
    """Words that end with a code. ``where``: manifests (-f is added), nothing, unreachable, api, or a sandbox's scenario."""

    code: int
    where: str
    words: tuple[str, ...]
    env: dict[str, str] = field(default_factory=dict)
    terminal: bool = False
    """Whether it is run in a terminal, and ``q`` pressed as soon as the bookstore is drawn."""


def _cases():
    """All cases by command; what every command does alike is filled in."""
    found = {
        "acceptance": [
            Case(0, "healthy", ("--yes",)),
            Case(1, "healthy", ("--yes", "--book", "00000000-0000-0000-0000-00000000dead")),
            Case(4, "healthy", ("--yes", "--expectations", "UNKNOWN")),
            Case(2, "api", ("--read-only", "--yes")),
        ],
        "check": [
            Case(0, "manifests", ("--fail-on", "never")),
            Case(1, "broken", ()),
            Case(2, "manifests", ("-n", "nobody")),
        ],
        "checkout": [
            Case(0, "healthy", ("--yes",)),
            Case(1, "healthy", ("--yes", "--book", "00000000-0000-0000-0000-00000000dead")),
            Case(2, "api", ("--read-only", "--yes")),
        ],
        "clean": [
            Case(0, "api", ("--all", "--yes")),
            Case(2, "leftovers", ("--all",)),
            Case(2, "leftovers", ("--read-only", "--all")),
        ],
        "completion": [Case(0, "nothing", ("fish",))],
        "demo": [Case(0, "terminal", (), terminal=True), Case(3, "terminal", (), {"PATH": "/nowhere"}, terminal=True)],
        "denials": [Case(0, "quiet", ()), Case(1, "denied", ()), Case(4, "unread", ())],
        "diff": [
            Case(0, "manifests", ("FOLDER",)),
            Case(1, "manifests", ("OPENED",)),
            Case(2, "manifests", ("EMPTY",)),
            Case(4, "manifests", ("STRANGE",)),
        ],
        "explain": [
            Case(0, "manifests", CALL),
            Case(0, "manifests", (ECOM, "identity/svc/keycloak-db:5432")),
            Case(2, "manifests", (ECOM, "nobody/svc/x:1")),
        ],
        "help": [Case(0, "nothing", ("check",)), Case(2, "nothing", ("chek",))],
        "journey": [
            Case(0, "nothing", ("list",)),
            Case(0, "healthy", ("run", "BROWSE")),
            Case(1, "healthy", ("run", "BROWSE_WRONG")),
            Case(2, "nothing", ("check", "EMPTY_FILE")),
            Case(2, "api", ("run", "checkout", "--read-only", "--yes")),
        ],
        "matrix": [Case(0, "manifests", ()), Case(2, "manifests", ("-n", "nobody"))],
        "mesh": [Case(2, "nothing", ("drift", "--now", "2026-01-01"))],
        "predict": [
            Case(0, "manifests", ("--flows", "FLOWS")),
            Case(2, "manifests", ("--flows", "EMPTY_FILE")),
            Case(2, "manifests", ("--flows", "HALF")),
        ],
        "probe": [
            Case(0, "healthy", (*CALL, "--yes")),
            Case(2, "api", CALL),
            Case(2, "api", ("nobody/*", "--plan")),
            Case(4, "api", ("--protocol", "UDP", ECOM, "10.0.0.1:9", "--yes")),
        ],
        "report-verdict": [Case(0, "manifests", CALL), Case(2, "manifests", (ECOM, "nobody/svc/x:1"))],
        "sandbox": [Case(0, "nothing", ("--list",)), Case(3, "nothing", (), {"PATH": "/nowhere"})],
        "schema": [Case(0, "nothing", ("flow",)), Case(2, "nothing", ("flaw",))],
        "serve": [Case(3, "nothing", (), {"PATH": "/nowhere"})],
        "verify": [
            Case(0, "manifests", ("HOLDS",)),
            Case(1, "manifests", ("WRONG",)),
            Case(2, "manifests", ("EMPTY_FILE",)),
            Case(4, "manifests", ("bookstore",)),
        ],
        "version": [Case(0, "nothing", ())],
    }
    needed = {
        "explain": CALL,
        "report-verdict": CALL,
        "probe": (*CALL, "--yes"),
        "diff": ("FOLDER",),
        "predict": ("--flows", "FLOWS"),
        "verify": ("HOLDS",),
        "journey": ("run", "BROWSE"),
        "mesh": ("status",),
    }
    needed["version"] = ("--server",)
    for name in names():
        found[name].append(Case(2, "nothing", ("--no-such-flag",)))
        if 3 in command_named(name).exits and not any(case.code == 3 for case in found[name]):
            found[name].append(Case(3, "unreachable", needed.get(name, ())))
    return found


CASES = _cases()
ELSEWHERE = {("probe", 1), ("mesh", 0), ("mesh", 1), ("mesh", 4), ("serve", 0)}
"""Shown below: reality has to change between the question and the answer; with saved dumps (unit/mesh); among the documented
commands: a page that is served until Ctrl-C."""


def test_every_code_that_a_command_claims_has_a_case():
    claimed = {(command.name, code) for command in commands() for code in {**COMMON_EXITS, **command.exits}}
    shown = {(name, case.code) for name, cases in CASES.items() for case in cases} | ELSEWHERE
    assert shown == claimed


def expectations(expect, **more):
    return {"apiVersion": "meshtui/v1", "flows": [{"name": "a", "from": ECOM, "to": INVENTORY, "expect": expect, **more}]}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The files that words in capitals name."""
    folder = tmp_path_factory.mktemp("files")
    healthy = scenarios.load("healthy")
    flow = json.dumps(
        {"from": {"workload": "ecom/Deployment/ecom-service"}, "to": {"service": "inventory/inventory-service", "port": 8000}}
    )
    opened = next(obj for obj in healthy if obj["kind"] == "NetworkPolicy" and obj["metadata"]["namespace"] == "inventory")
    everything = {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{}]}
    opened_too = [
        {**obj, "spec": {"rules": [{}]}}
        for obj in healthy
        if obj["kind"] == "AuthorizationPolicy" and obj["metadata"]["namespace"] == "inventory"
    ]
    contents = {
        "all.yaml": yaml.safe_dump_all(healthy),
        "broken.yaml": yaml.safe_dump_all(scenarios.load("wrong-identity")),
        "opened.yaml": yaml.safe_dump_all([{**opened, "spec": everything}, *opened_too]),
        "strange.yaml": yaml.safe_dump_all([{**opened, "spec": {**opened["spec"], "invented": True}}]),
        "empty.yaml": "",
        "flows.jsonl": flow + "\n",
        "half.jsonl": flow + "\nno json\n",
        "holds.yaml": yaml.safe_dump(expectations("allow")),
        "wrong.yaml": yaml.safe_dump(expectations("deny")),
        "unknown.yaml": yaml.safe_dump(expectations("deny", to="10.0.0.1:9", protocol="UDP")),
        "kubeconfig": UNREACHABLE,
        "browse.toml": BROWSE.read_text(),
        "browse-wrong.toml": BROWSE.read_text().replace('"{book}" }', '"another" }'),
    }
    for name, text in contents.items():
        (folder / name).write_text(text)
    (folder / "empty").mkdir()
    return {
        "FOLDER": folder / "all.yaml",
        "BROKEN": folder / "broken.yaml",
        "OPENED": folder / "opened.yaml",
        "STRANGE": folder / "strange.yaml",
        "EMPTY": folder / "empty",
        "EMPTY_FILE": folder / "empty.yaml",
        "FLOWS": folder / "flows.jsonl",
        "HALF": folder / "half.jsonl",
        "HOLDS": folder / "holds.yaml",
        "WRONG": folder / "wrong.yaml",
        "BROWSE": folder / "browse.toml",
        "BROWSE_WRONG": folder / "browse-wrong.toml",
        "UNKNOWN": folder / "unknown.yaml",
        "NOWHERE": folder / "kubeconfig",
    }


def addable(obj):
    if obj["kind"] not in {"Namespace", "ServiceAccount"}:
        return obj
    return {**obj, "metadata": {key: value for key, value in obj["metadata"].items() if key != "uid"}}


LEFT = {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "metadata": {
        "name": "meshtui-probe-0123abcd",
        "namespace": "ecom",
        "labels": {"app.kubernetes.io/managed-by": "meshtui", "meshtui.dev/run": "0123abcd"},
    },
    "spec": {"suspend": True, "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "a", "image": "b"}]}}},
}


def denied(api):
    """A line of a ztunnel that says a call was denied, which the policies allow; long after anything was changed."""
    pods = api.store.list("pods")
    client, server = (
        next(p for p in pods if p["metadata"]["name"].startswith(name)) for name in ("ecom-service", "inventory-service")
    )
    at, to = "2099-11-24T13:00:00.000000Z", server["status"]["podIP"]
    return (
        f"{at}\terror\taccess\tconnection complete\tsrc.addr={client['status']['podIP']}:4000 "
        f'src.workload="{client["metadata"]["name"]}" src.namespace="ecom" '
        f'src.identity="spiffe://cluster.local/ns/ecom/sa/ecom-service" dst.addr={to}:15008 dst.hbone_addr={to}:8000 '
        f'dst.workload="{server["metadata"]["name"]}" dst.namespace="inventory" direction="inbound" bytes_sent=0 bytes_recv=0 '
        'duration="0ms" error="connection closed due to policy rejection: allow policies exist, but none allowed"'
    )


@asynccontextmanager
async def a_server(where):
    """The recorded bookstore on an API server; its ztunnels' logs are quiet, say something odd, or nothing that can be read."""
    objects = [addable(obj) for listed in recorded_objects().values() for obj in listed]
    async with running_api([*objects, *([LEFT] if where == "leftovers" else [])]) as api:
        ztunnels = [pod for pod in api.store.list("pods") if pod["metadata"].get("labels", {}).get("app") == "ztunnel"]
        for pod in api.store.list("pods"):
            api.logs.begin(pod["metadata"]["uid"], "")
        if where == "denied":
            api.logs.append(ztunnels[0]["metadata"]["uid"], denied(api))
        if where == "unread":
            api.logs.append(ztunnels[0]["metadata"]["uid"], "no line \x1b[2J of a ztunnel")
        yield api.kubeconfig


async def ended(words, home, env):
    """The exit code of a command line in a process of its own, and what it said."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("KUBE", "MESHTUI"))}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "meshtui", *words),
        env=clean | {"HOME": str(home), "XDG_CONFIG_HOME": str(home)} | env,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(150):
        out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


def rows(*wheres):
    return [
        pytest.param(name, case, id=f"{name} {case.code} {' '.join(case.words)}")
        for name, cases in CASES.items()
        for case in cases
        if case.where in wheres
    ]


def check(case, answer):
    code, out, err = answer
    assert code == case.code, (out, err)
    assert "Traceback" not in err
    if code in {2, 3} and not out:
        assert err.splitlines()[-1].startswith("meshtui: ")


def real(case, files):
    return [str(files.get(word, word)) for word in case.words]


@pytest.mark.parametrize(("name", "case"), rows("nothing", "manifests", "broken", "unreachable"))
async def test_without_a_server(tmp_path, files, name, case):
    more = {
        "manifests": ["-f", files["FOLDER"]],
        "broken": ["-f", files["BROKEN"]],
        "unreachable": ["--kubeconfig", files["NOWHERE"]],
    }
    words = [name, *real(case, files), *map(str, more.get(case.where, []))]
    check(case, await ended(words, tmp_path, case.env))


@pytest.mark.parametrize(("name", "case"), rows("api", "leftovers", "quiet", "denied", "unread"))
async def test_on_a_server(tmp_path, files, name, case):
    async with a_server(case.where) as kubeconfig:
        check(case, await ended([name, *real(case, files), "--kubeconfig", str(kubeconfig)], tmp_path, case.env))


@pytest.mark.sandbox
@IN_ITS_LOOP
@on("healthy")
@pytest.mark.parametrize(("name", "case"), rows("healthy"))
async def test_on_the_sandbox(bookstore, tmp_path, files, name, case):
    words = [name, *real(case, files), "--kubeconfig", str(bookstore.kubeconfig)]
    check(case, await ended(words, tmp_path, case.env))


@pytest.mark.sandbox
@pytest.mark.parametrize(("name", "case"), rows("terminal"))
def test_in_a_terminal(tmp_path, name, case):
    with Terminal([sys.executable, "-m", "meshtui", name, *case.words], cwd=tmp_path, home=tmp_path, env=case.env) as terminal:
        if case.code == 0:
            terminal.wait_for("ecom-service")
            terminal.send("q")
        assert terminal.wait() == case.code


DENY = {
    "apiVersion": "security.istio.io/v1",
    "kind": "AuthorizationPolicy",
    "metadata": {"name": "changed-meanwhile", "namespace": "inventory"},
    "spec": {"action": "DENY", "rules": [{}]},
}


@pytest.mark.sandbox
@IN_ITS_LOOP
@pytest.mark.changes_bookstore
@on("healthy")
async def test_a_probe_that_disagrees_ends_with_1(bookstore, tmp_path):
    """Everything is denied after the question was asked: what was predicted isn't so any more."""
    command = [sys.executable, "-m", "meshtui", "probe", *CALL, "--kubeconfig", str(bookstore.kubeconfig)]
    with Terminal(command, cwd=tmp_path, home=tmp_path) as terminal:
        await asyncio.to_thread(terminal.wait_for, "Go on? [y/N]")
        bookstore.api.store.create("authorizationpolicies", DENY)
        try:
            terminal.send("y\n")
            assert await asyncio.to_thread(terminal.wait) == 1
            assert "DISAGREES" in terminal.output.decode()
        finally:
            bookstore.api.store.delete("authorizationpolicies", "inventory", "changed-meanwhile")
            assert await bookstore.wait_ready() == []


@pytest.mark.parametrize("name", names())
def test_an_interrupt_ends_with_130_and_a_fault_with_70(monkeypatch, capsys, tmp_path, name):
    from meshtui.cli.main import run
    from tests.unit.cli.test_flags import needed

    def interrupted(*_):
        raise KeyboardInterrupt

    def faulty(*_):
        raise RuntimeError("token: abcdefgh\nsecond line")

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    command = command_named(name)
    monkeypatch.setattr(command, "body", interrupted)
    assert run([name, *needed(command)]) == 130
    monkeypatch.setattr(command, "body", faulty)
    assert run([name, *needed(command)]) == 70
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "abcdefgh" not in err
