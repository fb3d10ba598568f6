"""What meshtui asks of an API server, seen by a proxy in between: looking only reads, and every write was announced.

``WRITES`` is the whole list of requests other than GET that meshtui can make.
"""

import ast
import asyncio
import contextlib
import json
import os
import re
import sys
from pathlib import Path

import pytest
from textual.widgets import Input

import meshtui
from meshtui.app import MeshtuiApp
from meshtui.cli.registry import commands
from meshtui.engine.path.references import parse_flow
from meshtui.model.errors import ReadOnlyError
from meshtui.probe.plan import make_plan
from meshtui.sandbox.apiserver.server import running_api
from meshtui.sandbox.run import running_sandbox
from meshtui.screens.flow import FlowScreen
from meshtui.session import Session
from meshtui.settings import load_settings
from meshtui.sources.kubernetes.live import LiveSource
from meshtui.sources.kubernetes.writes import Confirmation
from tests.fakes.auditproxy import audited
from tests.fakes.frozen import recorded_objects
from tests.fakes.screens import table_of
from tests.fakes.settled import settled

REVIEW = re.compile(r"POST /apis/authorization\.k8s\.io/v1/selfsubjectaccessreviews")
WRITES = {
    "ask what one may do": REVIEW,
    "the Job that owns a probe's pods": re.compile(r"POST /apis/batch/v1/namespaces/[^/]+/jobs"),
    "a probe's pod": re.compile(r"POST /api/v1/namespaces/[^/]+/pods"),
    "remove a Job of meshtui's": re.compile(r"DELETE /apis/batch/v1/namespaces/[^/]+/jobs/meshtui-probe-[0-9a-f]+"),
    "remove a pod of meshtui's": re.compile(r"DELETE /api/v1/namespaces/[^/]+/pods/meshtui-probe-[0-9a-f]+-\d+"),
}
"""Every request other than GET: what it is for, and its method and path."""
ECOM, INVENTORY = "ecom/deploy/ecom-service", "inventory/svc/inventory-service:8000"
SECRETS = re.compile(r"/secrets(/|\Z)")
PACKAGE = Path(meshtui.__file__).parent


def kinds_of(asked):
    """What was asked for, as keys of ``WRITES``; fails for what isn't on the list."""
    found = []
    for one in asked:
        names = [name for name, pattern in WRITES.items() if pattern.fullmatch(str(one))]
        assert names, f"{one} is on no list"
        found += names
    return found


def only_looked(proxy):
    """Nothing but GETs and access reviews, and never a Secret."""
    assert proxy.asked, "something must have been asked"
    assert {asked.path for asked in proxy.writes if not REVIEW.fullmatch(str(asked))} == set()
    assert [asked.path for asked in proxy.asked if SECRETS.search(asked.path)] == []


def _addable(obj):
    """An object as it can be added: what every API server has of its own keeps its own UID."""
    if obj["kind"] not in {"Namespace", "ServiceAccount"}:
        return obj
    return {**obj, "metadata": {key: value for key, value in obj["metadata"].items() if key != "uid"}}


@contextlib.asynccontextmanager
async def bookstore(folder):
    """The recorded bookstore on an API server behind a proxy: the proxy, and a kubeconfig through it."""
    objects = [_addable(obj) for listed in recorded_objects().values() for obj in listed]
    async with running_api(objects) as api, audited(api.kubeconfig, folder) as found:
        yield found


async def until(pilot, holds):
    end = asyncio.get_running_loop().time() + 40
    while not holds():
        assert asyncio.get_running_loop().time() < end, "it never came to that"
        await pilot.pause(0.02)


async def test_every_screen_only_looks(tmp_path):
    async with bookstore(tmp_path) as (proxy, kubeconfig):
        settings = load_settings({"kubeconfig": str(kubeconfig)})
        app = MeshtuiApp(Session(LiveSource(settings), settings))
        async with app.run_test(size=(140, 40)) as pilot:
            await until(pilot, lambda: app.session.settled and len(table_of(app.screen).rows) == 11)
            main = app.screen
            opened = set()
            for pane in ("1", "2", "3", "4"):
                await pilot.press(pane)
                for key in ("d", "y", "l", "w", "m", "f", "p", "question_mark", "n"):
                    await pilot.press(pane, "j", key)
                    await settled(pilot)
                    opened.add(type(app.screen).__name__)
                    while app.screen is not main:
                        await app.pop_screen()
                        await pilot.pause()
            await pilot.press("2", "slash", *"ecom", "enter", "s", "r", "escape")
            await pilot.press("f")
            await until(pilot, lambda: isinstance(app.screen, FlowScreen) and bool(app.screen.query("#to")))
            app.screen.query_one("#from", Input).value = ECOM
            app.screen.query_one("#to", Input).value = INVENTORY
            await settled(pilot)
        wanted = {
            "DescribeScreen",
            "YamlScreen",
            "LogScreen",
            "FlowScreen",
            "MatrixScreen",
            "ProbeScreen",
            "HelpScreen",
            "NamespaceScreen",
        }
        assert opened >= wanted
        only_looked(proxy)
        paths = {asked.path.rpartition("/")[2] for asked in proxy.asked}
        assert paths >= {"pods", "networkpolicies", "authorizationpolicies"}


async def run_meshtui(kubeconfig, home, *words):
    """One command line in a process of its own, without a terminal to say yes on."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("KUBE", "MESHTUI"))}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "meshtui", *words),
        env=clean | {"HOME": str(home), "XDG_CONFIG_HOME": str(home), "KUBECONFIG": str(kubeconfig)},
        cwd=home,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


LOOKING = {
    "explain": [(ECOM, INVENTORY), (ECOM, INVENTORY, "-o", "json")],
    "matrix": [(), ("-o", "json"), ("-o", "csv"), ("-o", "dot")],
    "predict": [("--flows", "flows.jsonl")],
    "probe": [(ECOM, INVENTORY, "--plan"), (ECOM, INVENTORY), (ECOM, INVENTORY, "--yes", "--read-only")],
    "clean": [("--dry-run", "--all"), ("--all",)],
    "checkout": [()],
    "journey": [("list",), ("run", "checkout")],
    "check": [("-o", "json")],
    "denials": [()],
    "record": [("recording",)],
    "acceptance": [()],
    "diff": [("policy.yaml",)],
    "mesh": [("status", "--wait", "0"), ("drift", "--wait", "0", "-o", "json"), ("certificates", "--node", "nobody")],
    "report-verdict": [(ECOM, INVENTORY)],
}
"""Words after each command with which it must only look: no yes was given, or it is read-only. ``verify`` is below."""
TOUCHES_NO_CLUSTER = {"demo", "sandbox", "schema", "replay", "help", "completion", "version"}
BEHIND_PAGES = {"serve"}
"""Runs the program without a command for each page, read-only unless asked twice (unit/web); the program itself is below."""


@pytest.mark.parametrize("name", sorted({c.name for c in commands()} - TOUCHES_NO_CLUSTER - BEHIND_PAGES))
async def test_a_command_without_a_yes_only_looks(tmp_path, name):
    flow = {"from": {"workload": "ecom/Deployment/ecom-service"}, "to": {"service": "inventory/inventory-service", "port": 8000}}
    (tmp_path / "flows.jsonl").write_text(json.dumps({"id": "1", **flow}))
    expected = {"apiVersion": "meshtui/v1", "flows": [{"name": "a", "from": ECOM, "to": INVENTORY, "expect": "allow"}]}
    (tmp_path / "flows.yaml").write_text(json.dumps(expected))
    (tmp_path / "policy.yaml").write_text(json.dumps(recorded_objects()["NetworkPolicy"][0]))
    words = LOOKING.get(name, [("flows.yaml",), ("flows.yaml", "--probe")])
    async with bookstore(tmp_path) as (proxy, kubeconfig):
        for more in words:
            code, _, err = await run_meshtui(kubeconfig, tmp_path, name, *more)
            assert "Traceback" not in err, err
            assert code in {0, 1, 2, 3, 4}
        only_looked(proxy)


@pytest.mark.sandbox
async def test_every_write_of_a_probe_was_announced(tmp_path):
    async with running_sandbox("healthy") as sandbox, audited(sandbox.kubeconfig, tmp_path) as (proxy, kubeconfig):
        assert await sandbox.wait_ready() == []
        settings = load_settings({"kubeconfig": str(kubeconfig)})
        source = LiveSource(settings)
        session = Session(source, settings)
        try:
            session.publish(await source.snapshot())
            flows = [
                parse_flow(ECOM, INVENTORY),
                parse_flow(ECOM, "ecom/svc/ecom-db:5432"),
                parse_flow("inventory/deploy/inventory-service", INVENTORY),
            ]
            plan = make_plan(session.engine, flows, settings.probe)
            only_looked(proxy)
            await session.probe(plan, Confirmation("a test"))
        finally:
            await source.close()
        made = kinds_of(proxy.writes)
        assert made.count("a probe's pod") == len(plan.batches) == 2
        assert made.count("the Job that owns a probe's pods") == len(plan.namespaces) == 2
        assert made.count("remove a pod of meshtui's") == 2
        assert made.count("remove a Job of meshtui's") == 2
        for asked in proxy.writes:
            if not REVIEW.fullmatch(str(asked)):
                assert re.match(r".*/namespaces/(ecom|inventory)/", asked.path)
        pods = [json.loads(a.body) for a in proxy.writes if WRITES["a probe's pod"].fullmatch(str(a))]
        announced = {(b.namespace, b.service_account) for b in plan.batches}
        assert {(p["metadata"]["namespace"], p["spec"]["serviceAccountName"]) for p in pods} == announced
        deleted = [json.loads(a.body) for a in proxy.writes if a.method == "DELETE"]
        assert all(body["preconditions"]["uid"] for body in deleted), "only the very object that was made"


@pytest.mark.sandbox
@pytest.mark.parametrize(
    "settings", [{"read_only": True}, {"read_only_contexts": ("meshtui-*",)}], ids=["--read-only", "a context"]
)
async def test_read_only_launches_nothing(tmp_path, settings):
    async with bookstore(tmp_path) as (proxy, kubeconfig):
        chosen = load_settings({"kubeconfig": str(kubeconfig), **settings})
        source = LiveSource(chosen)
        session = Session(source, chosen)
        try:
            session.publish(await source.snapshot())
            plan = make_plan(session.engine, [parse_flow(ECOM, INVENTORY)], chosen.probe)
            assert plan.batches
            assert session.read_only
            with pytest.raises(ReadOnlyError):
                await session.probe(plan, Confirmation("a test"))
        finally:
            await source.close()
        only_looked(proxy)


def test_only_the_gate_sends_anything_but_a_get():
    """Every call of ``request`` outside the sandbox: the gate's, the API's own, and those that go to the gateway."""
    to_the_gateway = {"journeys/gateway.py", "journeys/run.py", "journeys/bookstore/acceptance.py", "probe/launch.py"}
    found = {}
    for path in PACKAGE.rglob("*.py"):
        name = path.relative_to(PACKAGE).as_posix()
        if name.startswith("sandbox/"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            if node.func.attr in {"request", "build_request", "post", "put", "patch", "delete"}:
                owner = ast.unparse(node.func.value)
                if "api" in owner.lower() or "client" in owner.lower():
                    found.setdefault(name, set()).add(f"{owner}.{node.func.attr}")
    allowed = {"sources/kubernetes/api.py", "sources/kubernetes/writes.py"} | to_the_gateway
    assert {name: calls for name, calls in found.items() if name not in allowed} == {}
    assert "sources/kubernetes/writes.py" in found, "the test must see the gate itself"
