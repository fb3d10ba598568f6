"""What a person sees when a server is broken, when the source ends, and when meshtui itself has an error."""

import asyncio
import os
import stat
import sys
from pathlib import Path

import pytest

from meshtui.app import MeshtuiApp
from meshtui.model.errors import ClusterError
from meshtui.model.snapshot import KindStatus
from meshtui.session import Session
from meshtui.settings import Settings, Timeouts
from meshtui.sources.kubernetes.live import LiveSource
from meshtui.ui.widgets.status import StatusBar
from tests.fakes.faults import FAULTS
from tests.fakes.frozen import FrozenSource, bookstore
from tests.fakes.hostile_server import HostileServer
from tests.fakes.terminal import Terminal
from tests.integration.test_hostile_servers import short_pause

REPO = Path(__file__).parents[2]
SHOWN = ["login page", "lone surrogate", "deep nesting", "429 with 400 digits", "event: invalid UTF-8", "404 for pods"]


def shown(app):
    strips = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip) for strip in strips)


async def until(pilot, holds):
    end = asyncio.get_running_loop().time() + 30
    while not holds():
        assert asyncio.get_running_loop().time() < end, shown(pilot.app)
        await pilot.pause(0.05)


NOT_LIVE = {KindStatus.STALE, KindStatus.UNREACHABLE, KindStatus.EXPIRED, KindStatus.BROKEN}


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault.name in SHOWN], ids=lambda fault: fault.name)
async def test_the_screen_never_says_live_over_old_data(tmp_path, fault):
    with HostileServer() as server:
        kubeconfig = server.kubeconfig(tmp_path / "k")
        settings = Settings(kubeconfig=str(kubeconfig), timeouts=Timeouts(connect_s=2, request_s=5))
        app = MeshtuiApp(Session(LiveSource(settings, short_pause), settings))
        async with app.run_test(size=(160, 40)) as pilot:
            await until(pilot, lambda: "● live" in shown(app) and "│a " not in shown(app) and " a " in shown(app))
            server.fault = fault
            server.cut()
            await until(pilot, lambda: "● live" not in shown(app))
            await until(pilot, lambda: ("NOT LIVE" in shown(app)) == (fault.stands in NOT_LIVE))
            assert " a " in shown(app), "what was known stays"
            server.fault = None
            await pilot.press("r")
            await until(pilot, lambda: "● live" in shown(app) and "NOT LIVE" not in shown(app))
            assert app.is_running


class Ending(FrozenSource):
    """Publishes, and then ends as it is told."""

    def __init__(self, error):
        super().__init__(bookstore())
        self.error = error
        self.end = asyncio.Event()

    async def run(self, publish):
        publish(self._snapshot)
        await self.end.wait()
        if self.error is not None:
            raise self.error


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (RecursionError("too deep"), "RecursionError: too deep"),
        (ExceptionGroup("g", [KeyError("x"), ClusterError("the cluster is gone")]), "the cluster is gone"),
        (ValueError("token=abcdefgh"), "[redacted]"),
        (None, "without a reason"),
    ],
    ids=["an error in meshtui", "a group", "a secret", "without an error"],
)
async def test_a_source_that_ends_is_said_over_the_body_and_r_starts_it_again(error, says):
    source = Ending(error)
    app = MeshtuiApp(Session(source, Settings()))
    async with app.run_test(size=(160, 40)) as pilot:
        await until(pilot, lambda: "ecom-service" in shown(app))
        source.end.set()
        await until(pilot, lambda: "NOT LIVE" in shown(app))
        text = shown(app)
        assert says in text
        assert "● live" not in text
        assert "what is shown was known" in text
        assert "ecom-service" in text, "the table stays under the banner"
        assert app.screen.query_one(StatusBar).has_class("-not-live")
        source.end.clear()
        await pilot.press("r")
        await until(pilot, lambda: "NOT LIVE" not in shown(app))


async def test_what_stops_in_the_background_is_said_over_the_body_for_good(monkeypatch):
    source = Ending(None)
    app = MeshtuiApp(Session(source, Settings()))
    async with app.run_test(size=(160, 40)) as pilot:
        await until(pilot, lambda: "ecom-service" in shown(app))

        async def fail():
            raise KeyError("findings")

        app.session.in_background(fail(), "findings")
        await until(pilot, lambda: "NOT LIVE: findings stopped" in shown(app))
        assert "● live" not in shown(app)
        await pilot.press("r")
        await pilot.pause()
        assert "NOT LIVE: findings stopped" in shown(app), "nothing starts it again: the banner stays"


TROUBLE = """
import sys
from textual.binding import Binding
from meshtui.app import MeshtuiApp
from meshtui.session import Session
from meshtui.settings import Settings
from tests.fakes.frozen import FrozenSource, bookstore

class Broken(MeshtuiApp):
    BINDINGS = [Binding("f9", "fail"), Binding("f10", "work")]
    def action_fail(self):
        password = "s3cr3t-in-a-variable"
        raise KeyError("password=s3cr3t-in-words")
    def action_work(self):
        self.run_worker(self.later())
    async def later(self):
        raise ValueError("in a worker")

app = Broken(Session(FrozenSource(bookstore()), Settings()))
app.run()
sys.exit(app.return_code)
"""


@pytest.mark.parametrize(("key", "names"), [("\x1b[20~", "KeyError"), ("\x1b[21~", "ValueError")], ids=["a key", "a worker"])
def test_an_error_in_meshtui_is_one_line_and_a_report(tmp_path, key, names):
    script = tmp_path / "trouble.py"
    script.write_text(TROUBLE)
    env = {"PYTHONPATH": str(REPO), "XDG_STATE_HOME": str(tmp_path / "state")}
    with Terminal([sys.executable, str(script)], cwd=tmp_path, home=tmp_path, env=env) as terminal:
        terminal.wait_for("ecom-service")
        terminal.send(key)
        assert terminal.wait() == 70
        while terminal._read(0.2):
            pass
        after = terminal.output.rpartition(b"\x1b[?1049l")[2].decode()
    assert after.count("this is a fault in meshtui") == 1
    assert names in after
    assert "Traceback" not in terminal.output.decode(errors="replace")
    assert "s3cr3t" not in terminal.output.decode(errors="replace")
    (report,) = (tmp_path / "state" / "meshtui" / "reports").iterdir()
    assert stat.S_IMODE(report.stat().st_mode) == 0o600
    assert names in report.read_text()
    assert "s3cr3t-in-words" not in report.read_text()
    assert os.fspath(report) in after.replace("\r\n", "")
