"""Broken and hostile servers, one fault after the other: nothing ends silently, nothing says "live" over old data."""

import asyncio
import re
from pathlib import Path

import pytest

from meshtui.cli.main import run
from meshtui.model.snapshot import KindStatus
from meshtui.session import Session
from meshtui.settings import Settings, Timeouts
from meshtui.sources.kubernetes import api, limits, listing, reflector
from meshtui.sources.kubernetes.live import LiveSource
from meshtui.sources.kubernetes.reflector import pause
from meshtui.ui.widgets.status import _freshness, banner
from tests.fakes.faults import FAULTS, table
from tests.fakes.hostile_server import HostileServer
from tests.fakes.live import synced

REPO = Path(__file__).parents[2]
ids = {"ids": lambda value: value.name if hasattr(value, "name") else value[0]}


@pytest.fixture
def server():
    with HostileServer() as running:
        yield running


@pytest.fixture(autouse=True)
def smaller_limits(monkeypatch):
    """The same limits, lower: reaching the real ones takes long."""
    monkeypatch.setattr(api, "BODY_BYTES", 8 << 20)
    monkeypatch.setattr(reflector, "EVENT_BYTES", 64 << 10)
    monkeypatch.setattr(listing, "LIST_PAGES", 20)
    monkeypatch.setattr(listing, "LIST_OBJECTS", 1000)


async def short_pause(seconds, wake):
    """Failures wait long enough to be published, and not longer."""
    await pause(min(seconds, 0.3), wake)


class Watched:
    """A session on a server, as the terminal program has one."""

    def __init__(self, kubeconfig, request_s=5.0):
        settings = Settings(kubeconfig=str(kubeconfig), timeouts=Timeouts(connect_s=2, request_s=request_s))
        self.session = Session(LiveSource(settings, short_pause), settings)
        self._news = asyncio.Event()
        self.session.listen(self._news.set)
        self.session.start()

    @property
    def pods(self):
        return self.session.snapshot.kind_state("Pod")

    @property
    def header(self):
        return _freshness(self.session, terse=False)[0]

    async def until(self, good):
        try:
            async with asyncio.timeout(20):
                while not good():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            kinds = {n: (s.status.value, s.message) for n, s in self.session.snapshot.kinds.items()}
            raise AssertionError(f"{self.session.error!r} {kinds}") from None


NOT_LIVE = {KindStatus.STALE, KindStatus.UNREACHABLE, KindStatus.EXPIRED, KindStatus.BROKEN}
"""The states in which something old is shown, so that a banner stands over it."""


@pytest.mark.parametrize("fault", FAULTS, **ids)
async def test_the_terminal_program_says_so_and_recovers(tmp_path, server, fault):
    stray = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: stray.append(context))
    watched = Watched(server.kubeconfig(tmp_path / "k"), request_s=0.5 if fault.slow else 5.0)
    session = watched.session
    try:
        await watched.until(lambda: synced(session.snapshot))
        assert watched.header.startswith("● live")
        server.fault = fault
        server.cut()
        # The end of the watches that were cut is said first, and may have the same status.
        await watched.until(lambda: watched.pods.status is fault.stands and fault.says in watched.pods.message)
        assert watched.pods.message
        assert "\n" not in watched.pods.message
        assert "● live" not in watched.header
        # Kind after kind hears of the fault; the banner is about most of them.
        await watched.until(lambda: bool(banner(session)) is any(s.status in NOT_LIVE for s in session.snapshot.kinds.values()))
        if fault.stands is KindStatus.BROKEN:
            assert watched.pods.message in banner(session)[1] or "Pod" in banner(session)[0]
        if fault.stands is not KindStatus.FORBIDDEN:
            assert {pod.name for pod in session.snapshot.pods.values()} >= {"a", "b"}, "what was known stays"
        server.fault = None
        session.retry_now()
        await watched.until(lambda: synced(session.snapshot))
        assert watched.header.startswith("● live")
        assert session.error is None
    finally:
        await session.stop()
    assert stray == []


COMMANDS = [
    ("explain", "shop/a", "shop/b:80"),
    ("matrix",),
    ("predict", "--flows", "flows.jsonl"),
    ("check",),
    ("verify", "expected.yaml"),
    ("denials",),
    ("probe", "shop/a", "shop/b:80", "--plan"),
    ("clean", "--dry-run"),
    ("diff", "new.yaml"),
]

_FEW = {"explain", "denials", "clean"}
"""Where each takes long, one command of each way to read a cluster."""


@pytest.fixture
def at_home(tmp_path, monkeypatch):
    """A folder with what the commands read, and nothing of this machine's settings."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    Path("flows.jsonl").write_text('{"from": {"pod": "shop/a"}, "to": {"pod": "shop/b", "port": 80}}\n')
    Path("expected.yaml").write_text("apiVersion: meshtui/v1\nflows:\n- {from: shop/a, to: 'shop/b:80', expect: allow}\n")
    Path("new.yaml").write_text("apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: new, namespace: shop}\n")
    return tmp_path


@pytest.mark.parametrize("words", COMMANDS, **ids)
def test_a_command_works_while_the_server_is_healthy(at_home, server, capsys, words):
    code = run([*words, "--kubeconfig", str(server.kubeconfig(at_home / "k"))])
    out, err = capsys.readouterr()
    if words[0] == "denials":
        assert (code, "ztunnel" in err) == (3, True), "there is none in this cluster"
    else:
        read = "meshtui: note: read 1 object in 1 file\n" if words[0] == "diff" else ""
        assert (code, err) == (0, read), out


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault.exit is not None], **ids)
def test_every_command_ends_with_one_line(at_home, server, capsys, fault):
    kubeconfig = str(server.kubeconfig(at_home / "k"))
    server.fault = fault
    for words in [row for row in COMMANDS if row[0] in _FEW] if fault.slow else COMMANDS:
        code = run([*words, "--kubeconfig", kubeconfig, "--request-timeout", "0.5" if fault.slow else "5"])
        out, err = capsys.readouterr()
        assert (code, out) == (fault.exit, ""), (words, err)
        assert re.fullmatch(r"meshtui: [^\n]+\n", err), (words, err)
        assert "Traceback" not in err
        assert fault.says in err, words


def test_there_are_many_faults_each_with_its_own_name():
    assert len({fault.name for fault in FAULTS}) == len(FAULTS) >= 40


def test_the_security_guide_has_the_table_of_faults():
    assert table() in (REPO / "docs/guide/security.md").read_text()


def test_the_security_guide_has_the_limits():
    guide = (REPO / "docs/guide/security.md").read_text()
    said = [limits.size(getattr(limits, name)) for name in vars(limits) if name.endswith("_BYTES")]
    said += [f"{limits.LIST_PAGES:,} pages", f"{limits.LIST_OBJECTS:,} objects", f"{limits.INFLATION} times"]
    said += [f"{seconds:.0f} s" for seconds in (limits.RETRY_AFTER_S, limits.PLUGIN_S, limits.FILE_S)]
    assert [words for words in said if words not in guide] == []
