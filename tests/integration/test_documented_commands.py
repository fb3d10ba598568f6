"""Every command line of the README and the guides is run on the sandbox as it stands there, and is good usage."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import signal
import sys
import tarfile
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from meshtui.journeys.load import parsed
from meshtui.sandbox.scenarios import load
from tests.fakes.bookstore import IN_ITS_LOOP, on
from tests.fakes.terminal import Terminal
from tests.fakes.ztunnels import dump

ROOT = Path(__file__).parents[2]
PAGES = ["README.md", *sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs" / "guide").glob("*.md"))]
ECOM, INVENTORY = "ecom/deploy/ecom-service", "inventory/svc/inventory-service:8000"
STANDS_FOR = {
    "FROM": ECOM,
    "TO": INVENTORY,
    "TO:PORT": INVENTORY,
    "NS/NAME": "ecom/deploy/ecom-service",
    "COMMAND": "explain",
    "FILE": "flows.yaml",
    "…": "",
    "order": "browse",
}
"""What the words in capitals of an example stand for; and a shop that isn't in the sandbox."""
ASKS = {("probe",): "--yes", ("verify", "--probe"): "--yes", ("clean",): "--yes"}
"""Commands that ask on a terminal: here nobody can answer."""
FULL_SCREEN = {(), ("--context", "prod", "--read-only"), ("-f", "manifests/")}
GOOD = {0, 1, 4}


@dataclass(frozen=True)
class Example:
    """A command line, and the first page that has it."""

    words: tuple[str, ...]
    page: str

    def __str__(self) -> str:
        return f"{self.page}: meshtui {' '.join(self.words)}"


def journeys_of_the_guide() -> dict[str, str]:
    """The files that docs/guide/journeys.md shows, by the name in their first line."""
    text = (ROOT / "docs" / "guide" / "journeys.md").read_text()
    return {name: text for text, name in re.findall(r"^```toml\n(# (\S+\.toml)\n.*?)^```", text, re.MULTILINE | re.DOTALL)}


def examples() -> list[Example]:
    """Those of code blocks, and those between backticks that say more than a command's name."""
    found: dict[tuple[str, ...], Example] = {}
    for page in PAGES:
        text = (ROOT / page).read_text()
        blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
        lines = [m[1] for block in blocks for m in re.finditer(r"^ *(?:\$ )?meshtui(?![.\w-])(.*)$", block, re.MULTILINE)]
        prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
        lines += re.findall(r"`meshtui ([^`\n]+ [^`\n]+)`", prose)
        for line in lines:
            words = tuple(shlex.split(re.sub(r"\s#.*|\s>\s.*", "", line)))
            found.setdefault(words, Example(words, page))
    return list(found.values())


EXAMPLES = examples()
DEMOS = [e for e in EXAMPLES if e.words[:1] == ("demo",)]
SERVED = [e for e in EXAMPLES if e.words[:1] == ("serve",)]
SCREENS = [e for e in EXAMPLES if e.words in FULL_SCREEN]
COMMANDS = [e for e in EXAMPLES if e not in DEMOS + SERVED + SCREENS]


def test_there_are_examples():
    assert len(COMMANDS) > 40
    assert {e.words for e in SCREENS} == FULL_SCREEN
    assert DEMOS
    assert SERVED


def test_the_journeys_of_the_guide_are_right():
    found = {name: parsed(name, text.encode()) for name, text in journeys_of_the_guide().items()}
    assert {name: journey.name for name, journey in found.items()} == {"browse.toml": "browse", "order.toml": "order"}


@pytest.fixture
def workspace(tmp_path, bookstore):
    """A folder with what the examples name, and a kubeconfig that has a context ``prod``."""
    for folder in ("manifests", "new", "changed"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "all.yaml").write_text(yaml.safe_dump_all(load("healthy")))
    (tmp_path / "report.yaml").write_text((tmp_path / "manifests" / "all.yaml").read_text())
    (tmp_path / "flows.jsonl").write_text(
        '{"from": {"workload": "ecom/Deployment/ecom-service"}, "to": {"service": "inventory/inventory-service", "port": 8000}}\n'
    )
    flows = {"apiVersion": "meshtui/v1", "flows": [{"from": ECOM, "to": INVENTORY, "expect": "allow"}]}
    (tmp_path / "flows.yaml").write_text(yaml.safe_dump(flows))
    own = tmp_path / ".config" / "meshtui" / "journeys"
    own.mkdir(parents=True)
    for name, text in journeys_of_the_guide().items():
        (tmp_path / name).write_text(text)
        (own / name).write_text(text)
    for node in ("a", "b"):
        (tmp_path / f"{node}.json").write_bytes(dump(node))
    with tarfile.open(tmp_path / "bug-report.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "a.json", "bug-report/istio-system/ztunnel-a/config_dump.json")
    (tmp_path / "known.json").write_text('{"apiVersion": "meshtui/v1", "findings": []}')
    config = yaml.safe_load(Path(bookstore.kubeconfig).read_text())
    config["contexts"].append({**config["contexts"][0], "name": "prod"})
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(config))
    return tmp_path


def words_of(example: Example) -> list[str]:
    words = [STANDS_FOR.get(word, word) for word in example.words]
    if example.words[:1] == ("predict",):
        words = ["flows.jsonl" if word == "flows.yaml" else word for word in words]
    for asked, answer in ASKS.items():
        if set(asked) <= set(example.words) and "--plan" not in words:
            words.append(answer)
    return [word for word in words if word]


def environment(folder: Path) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("MESHTUI_", "XDG_", "KUBE"))}
    return clean | {"HOME": str(folder), "KUBECONFIG": str(folder / "kubeconfig"), "PYTHONPATH": str(ROOT)}


@asynccontextmanager
async def started(words: Iterable[str], workspace: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """A command that runs; it is killed if it still does at the end."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "meshtui", *words),
        cwd=workspace,
        env=environment(workspace),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.sandbox
@pytest.mark.changes_bookstore
@IN_ITS_LOOP
@on("healthy")
@pytest.mark.parametrize("example", COMMANDS, ids=str)
async def test_an_example_is_good_usage(workspace, example):
    words = words_of(example)
    if "--init" in words or "--write-baseline" in words:
        (workspace / words[words.index("--init") - 1 if "--init" in words else -1]).unlink(missing_ok=True)
    async with started(words, workspace) as process:
        if "--follow" in words:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(asyncio.shield(process.wait()), 3)
            process.send_signal(signal.SIGINT)
        out, err = await asyncio.wait_for(process.communicate(), 120)
    expected = {130} if "--follow" in words else GOOD
    assert process.returncode in expected, (words, err.decode(), out.decode()[-500:])
    assert b"Traceback" not in err


@pytest.mark.sandbox
@pytest.mark.changes_bookstore
@IN_ITS_LOOP
@on("healthy")
@pytest.mark.parametrize("example", SCREENS, ids=str)
async def test_an_example_opens_the_terminal_program(workspace, example):
    assert await asyncio.to_thread(ended_after_q, workspace, example) == 0


def ended_after_q(workspace: Path, example: Example) -> int:
    command = [sys.executable, "-m", "meshtui", *example.words]
    env = {"KUBECONFIG": str(workspace / "kubeconfig"), "PYTHONPATH": str(ROOT)}
    with Terminal(command, cwd=workspace, home=workspace, env=env) as terminal:
        terminal.wait_for("ecom")
        terminal.send("q")
        return terminal.wait()


@pytest.mark.sandbox
@pytest.mark.changes_bookstore
@IN_ITS_LOOP
@on("healthy")
@pytest.mark.parametrize("example", SERVED, ids=str)
async def test_an_example_serves_a_page(workspace, example):
    async with started(example.words, workspace) as process:
        url = await asyncio.wait_for(process.stdout.readline(), 90)
        assert url.startswith(b"http://127.0.0.1:")
        process.send_signal(signal.SIGINT)
        _, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, err.decode()
    assert b"serving" in err
    assert b"Traceback" not in err


@pytest.mark.parametrize("example", DEMOS, ids=str)
def test_an_example_of_the_demo_names_what_there_is(example, monkeypatch):
    """It would open: all that it says is understood, and only the terminal is missing."""
    from meshtui.cli.main import run
    from meshtui.model.errors import UsageError

    said = []
    monkeypatch.setattr("sys.stderr.write", said.append)
    assert run(list(example.words)) == UsageError("").exit_code
    assert "this is not a terminal" in "".join(said)
