"""The whole way: a book is bought where identities are wrong, and the denial is on the screen and on standard output."""

import asyncio
import json
import sys

import pytest

from meshtui.app import MeshtuiApp
from meshtui.sandbox.run import running_sandbox
from meshtui.screens.denials import DenialsScreen
from meshtui.session import Session
from meshtui.settings import Settings
from meshtui.sources.kubernetes.live import LiveSource
from tests.fakes.screens import table_of
from tests.pilot.test_keys import until

pytestmark = [pytest.mark.sandbox]


async def meshtui(sandbox, *words):
    command = [sys.executable, "-m", "meshtui", *words, "--kubeconfig", str(sandbox.kubeconfig)]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe)
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


async def test_a_denied_purchase_is_seen_once_with_identity_and_policy():
    async with running_sandbox("wrong-identity") as sandbox:
        assert await sandbox.wait_ready() == []
        settings = Settings(kubeconfig=str(sandbox.kubeconfig))
        app = MeshtuiApp(Session(LiveSource(settings), settings))
        async with app.run_test(size=(200, 50)) as pilot:
            session = app.session
            await until(pilot, lambda: session.settled and session.denials.log is not None and session.denials.log.readable)
            await pilot.press("D")
            await until(pilot, lambda: isinstance(app.screen, DenialsScreen))
            before = {each.denial.flow: each.denial.count for each in session.denials.judged}
            code, _, _ = await meshtui(sandbox, "checkout")
            assert code == 1

            def reserve():
                flows = [
                    e
                    for e in session.denials.judged
                    if e.denial.port == 8000 and "inventory-service" in str(e.denial.destination)
                ]
                return [e for e in flows if e.denial.count > before.get(e.denial.flow, 0) and e.verdict is not None]

            await until(pilot, lambda: bool(reserve()))
            await until(pilot, lambda: any("inventory-service" in row.uid for row in table_of(app.screen).rows))
            each = reserve()[0]
            assert str(each.denial.source) == "ecom/deployment/ecom-service"
            assert each.denial.identity == "spiffe://cluster.local/ns/ecom/sa/default"
            assert (each.decided_by.ref.name, each.evidence) == ("inventory-service-policy", "predicted")
            assert each.agreement.value == "agrees"
            assert session.denials.log.unreadable == 0
            seen = each.denial.count

        code, out, err = await meshtui(sandbox, "denials", "-o", "jsonl", "-n", "inventory")
        assert (code, err) == (0, "")
        line = next(json.loads(text) for text in out.splitlines() if '"port": 8000' in text)
        assert (line["count"], line["kind"], line["to"]["port"]) == (seen, "rejected", 8000)
        assert line["decided_by"]["name"] == "inventory-service-policy"
