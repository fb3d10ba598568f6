"""An incident in twelve keys: ``python -m tests.incident`` walks it in the sandbox, and writes its page, pictures and film.

``make screenshots`` runs it. The test of the same name presses the same keys, and holds that each step shows what the page says.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from meshtui.app import MeshtuiApp
from meshtui.sandbox.run import running_sandbox
from meshtui.screens.checkout import CheckoutScreen
from meshtui.screens.confirm import ConfirmScreen
from meshtui.screens.fix import FixScreen
from meshtui.screens.main import MainScreen
from meshtui.screens.why import WhyScreen
from meshtui.session import Session
from meshtui.settings import load_settings
from meshtui.sources.kubernetes.live import LiveSource
from meshtui.ui.widgets.document_view import DocumentView
from meshtui.ui.widgets.path_view import PathView
from tests.fakes.screens import table_of

SCENARIO = "missing-egress"
SIZE = (120, 40)
PATIENCE_S = 90.0
HERE = Path(__file__).parent.parent
PAGE = HERE / "docs" / "guide" / "incident.md"
PICTURES = HERE / "docs" / "guide" / "incident"
FILM = HERE / "screenshots" / "incident.svg"
_SECONDS = 3
"""How long each picture of the film is shown."""


@dataclass(frozen=True)
class Step:
    """One key, what it is for, and what is seen then."""

    key: str
    name: str
    title: str
    says: str
    seen: Callable[[Any], bool]


def _checkout(app: Any, *, ok: bool) -> bool:
    screen = app.screen
    trace = screen.trace if isinstance(screen, CheckoutScreen) else None
    return trace is not None and trace.finished and trace.ok is ok


def _main(app: Any) -> bool:
    return isinstance(app.screen, MainScreen)


def _broken_path(app: Any) -> bool:
    data = app.screen.query_one(PathView).data if _main(app) else None
    return data is not None and data.stop is not None and "inventory-service" in data.title


def _on_the_edge(app: Any) -> bool:
    return _main(app) and getattr(app.screen.focused, "id", "") == "map" and _broken_path(app)


def _text(app: Any) -> str:
    return "\n".join(view.plain for view in app.screen.query(DocumentView) if view.display)


def _on_finding(app: Any) -> bool:
    return _main(app) and app.screen.pane.id == "findings" and table_of(app.screen).uid.startswith("MT303")


STEPS = (
    Step(
        "b",
        "b",
        "Is it broken for customers?",
        "The purchase stops at the reserve call: ecom-service gets no answer from inventory-service. No stock moved.",
        lambda app: _checkout(app, ok=False),
    ),
    Step("escape", "Esc", "Back to the cluster", "All panes are there; the finding stands in the list already.", _main),
    Step(
        "j",
        "j",
        "Who is it?",
        "On ecom-service the map shows callers and callees; the path of the flow that findings name breaks at the egress policy.",
        _broken_path,
    ),
    Step("right", "→", "The flow itself", "The cursor is on the edge: `w`, `p`, `c` and Enter act on this flow.", _on_the_edge),
    Step(
        "w",
        "w",
        "Why?",
        "Every station with what it decides, the rule, and what would change it. Stations behind the break would let it pass.",
        lambda app: isinstance(app.screen, WhyScreen) and "ecom-netpol" in _text(app) and "What would change it" in _text(app),
    ),
    Step("escape", "Esc", "Back", "Nothing was changed so far.", _main),
    Step("5", "5", "What do the rules say?", "MT303, an error: NetworkPolicy ecom-netpol has no egress rule to it.", _on_finding),
    Step(
        "f",
        "f",
        "What would repair it?",
        "The patch, after a dry run on the server, and the flows that it opens: exactly these and no other.",
        lambda app: isinstance(app.screen, FixScreen) and app.screen._proposal is not None and "It would open" in _text(app),
    ),
    Step("a", "a", "Apply it", "A question says what is written, and where.", lambda app: isinstance(app.screen, ConfirmScreen)),
    Step(
        "y",
        "y",
        "Yes",
        "It is applied, and the flows that it promised to open are probed with real traffic: predicted and observed agree.",
        lambda app: isinstance(app.screen, FixScreen) and not app.screen._busy and "agrees" in _text(app),
    ),
    Step("escape", "Esc", "Back", "The finding is gone; the strip says which verdicts turned.", _main),
    Step(
        "b",
        "b",
        "Is it repaired for customers?",
        "The same purchase: the reserve call answers 200, and the stock has moved.",
        lambda app: _checkout(app, ok=True),
    ),
)


@asynccontextmanager
async def walking() -> AsyncIterator[Pilot[Any]]:
    """The program on the broken bookstore, once everything runs and the findings are there."""
    async with running_sandbox(SCENARIO) as sandbox:
        await sandbox.wait_ready()
        settings = load_settings({"kubeconfig": str(sandbox.kubeconfig)})
        app = MeshtuiApp(Session(LiveSource(settings), settings))
        async with app.run_test(size=SIZE) as pilot:
            await until(pilot, lambda: app.session.label.sandbox and app.session.settled)
            await until(pilot, lambda: any(finding.rule == "MT303" for finding in app.session.findings))
            await until(pilot, lambda: len(table_of(app.screen).rows) >= 11)
            yield pilot


async def until(pilot: Pilot[Any], holds: Callable[[], bool]) -> None:
    """Wait until something holds. Raises TimeoutError."""
    async with asyncio.timeout(PATIENCE_S):
        while not holds():
            await pilot.pause(0.1)


async def press(pilot: Pilot[Any], step: Step) -> None:
    """Press the key of a step, and wait for what it shows. Raises TimeoutError."""
    await pilot.press(step.key)
    await until(pilot, lambda: step.seen(pilot.app))


def page() -> str:
    """The page, from the steps."""
    lines = [
        "# An incident in twelve keys",
        "",
        "Customers can't buy. This is `make demo SCENARIO=missing-egress`: its checkout hangs, then answers 504.",
        "Every picture is what the program showed after the key.",
        "",
    ]
    for number, step in enumerate(STEPS, 1):
        lines += [
            f"## {number}. `{step.name}`: {step.title}",
            "",
            step.says,
            "",
            f"![After {step.name}: {step.title}](incident/{number:02}.svg)",
            "",
        ]
    lines += [
        "`u` on the fix would take it back; `:journal` says what was done. All keys: [Keys](keys.md).",
        "",
    ]
    return "\n".join(lines)


def film(pictures: list[str]) -> str:
    """The pictures as one animated SVG: each is shown for some seconds, again and again."""
    head = re.match(r"<svg[^>]*>", pictures[0])
    assert head is not None
    total, count = _SECONDS * len(pictures), len(pictures)
    share = 100 / count
    rules = [
        ".frame { visibility: hidden; animation: show " + f"{total}s step-end infinite; }}",
        f"@keyframes show {{ 0% {{ visibility: visible; }} {share:.4f}% {{ visibility: hidden; }} }}",
    ]
    rules += [f"#f{number} {{ animation-delay: {number * _SECONDS}s; }}" for number in range(count)]
    frames = []
    for number, picture in enumerate(pictures):
        body = picture[picture.index(">", picture.index("<svg")) + 1 : picture.rindex("</svg>")]
        unique = f"p{number}"
        body = re.sub(r"terminal-\d+", unique, body)
        frames.append(f'<g class="frame" id="f{number}">{body}</g>')
    return f"{head.group()}<style>{' '.join(rules)}</style>{''.join(frames)}</svg>\n"


async def main() -> None:
    """Walk, and write everything."""
    PICTURES.mkdir(exist_ok=True)
    pictures = []
    async with walking() as pilot:
        pictures.append(pilot.app.export_screenshot(title="meshtui"))
        for number, step in enumerate(STEPS, 1):
            await press(pilot, step)
            await pilot.pause(1.5)
            pictures.append(pilot.app.export_screenshot(title=f"meshtui  ·  {number}. {step.name}  {step.title}"))
            (PICTURES / f"{number:02}.svg").write_text(pictures[-1])
            print(f"docs/guide/incident/{number:02}.svg")
    FILM.write_text(film(pictures))
    PAGE.write_text(page())


if __name__ == "__main__":
    asyncio.run(main())
