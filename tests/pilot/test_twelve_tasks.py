"""What somebody wants to know, or to do, in an incident: from the first screen, in few keys, and seen on the screen.

Each task is on the running bookstore with a program of its own, just started. Typed letters count as keys.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
import yaml
from textual.pilot import Pilot

from meshtui.app import MeshtuiApp
from meshtui.sandbox.run import Sandbox
from meshtui.session import Session
from meshtui.settings import load_settings
from meshtui.sources.kubernetes.live import LiveSource
from meshtui.ui.filters import HINT
from tests.fakes.bookstore import IN_ITS_LOOP, on
from tests.fakes.screens import drawn, table_of
from tests.pilot.test_keys import until

pytestmark = [pytest.mark.sandbox, pytest.mark.restores_bookstore, IN_ITS_LOOP]

SIZE = (120, 40)
PATIENCE_S = 60.0
LEFT = slice(0, 50)
"""The cells of the panes at the left."""
COMMAND = "meshtui probe ecom/deployment/ecom-service inventory/svc/inventory-service:8000"


class Person:
    """Presses keys, and looks at the screen."""

    def __init__(self, pilot: Pilot[Any]) -> None:
        self._pilot = pilot

    @property
    def rows(self) -> list[str]:
        """The rows of the screen."""
        return drawn(self._pilot.app.screen)

    @property
    def clipboard(self) -> str:
        """What was copied last."""
        return self._pilot.app.clipboard

    def sees(self, *words: str) -> bool:
        """Whether one row has all these words, in this order."""
        return any(_in_order(row, words) for row in self.rows)

    def shows(self, *words: str) -> None:
        """A row has all these words; else the failure shows the screen."""
        assert self.sees(*words), "\n".join([f"not seen: {words}", *self.rows])

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds, else show the screen."""
        try:
            await until(self._pilot, holds, PATIENCE_S)
        except AssertionError:
            raise AssertionError("\n".join(self.rows)) from None

    async def does(self, most: int, *steps: tuple[str, tuple[str, ...]]) -> None:
        """Press the key of each step, and wait until a row has its words, which it hadn't before; without words, go on."""
        keys = [key for key, _ in steps]
        assert len(keys) <= most, keys
        for key, words in steps:
            assert not words or not self.sees(*words), f"seen before {key}: {words}"
            await self._pilot.press(key)
            if words:
                await self.until(partial(self.sees, *words))


def _in_order(row: str, words: tuple[str, ...]) -> bool:
    place = 0
    for word in words:
        place = row.find(word, place)
        if place < 0:
            return False
        place += len(word)
    return True


@asynccontextmanager
async def first_screen(bookstore: Sandbox) -> AsyncIterator[Person]:
    """The program, just started on a bookstore, once it has read and looked at everything."""
    settings = load_settings({"kubeconfig": str(bookstore.kubeconfig)})
    app = MeshtuiApp(Session(LiveSource(settings), settings))
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        person = Person(pilot)
        await person.until(lambda: app.session.settled and app.session.label.sandbox and bool(app.session.findings))
        await person.until(lambda: len(table_of(app.screen).rows) == 11 and person.sees("✗", "MT"))
        yield person


def probe_pods(bookstore: Sandbox) -> list[str]:
    """The names of the pods that probes have made and not removed."""
    return [name for obj in bookstore.api.store.list("pods") if (name := obj["metadata"]["name"]).startswith("meshtui-probe-")]


@on("missing-egress")
async def test_why_ecom_cannot_reach_inventory(bookstore: Sandbox) -> None:
    async with first_screen(bookstore) as person:
        await person.does(
            3,
            ("j", ("Path · ecom-service → inventory-service:8000",)),
            ("w", ("decided by NetworkPolicy ecom/ecom-netpol",)),
        )
        person.shows("Why? ecom/deployment/ecom-service → inventory/svc/inventory-service:8000")
        person.shows("✗ deny: timeout")
        person.shows("no egress rule of NetworkPolicy ecom/ecom-netpol allows TCP 15008")


@on("wrong-identity")
async def test_who_runs_under_a_wrong_identity_is_seen_at_once(bookstore: Sandbox) -> None:
    async with first_screen(bookstore) as person:
        panes = [row[LEFT] for row in person.rows]
        assert any(_in_order(row, ("✗", "ecom-service", "default", "D")) for row in panes)
        assert any(_in_order(row, ("✗", "MT101", "default identity", "ecom-service")) for row in panes)
        assert not any(_in_order(row, ("keycloak", "default", " D")) for row in panes)


@on("wrong-identity")
async def test_a_wrong_identity_is_seen_in_full_beside_what_it_is_denied(bookstore: Sandbox) -> None:
    async with first_screen(bookstore) as person:
        await person.does(2, ("b", ("✗ FAILED: The reserve call was closed",)), ("escape", ("2 Workloads · 11",)))
        await person.until(lambda: not person.sees("Checkout"))  # the header says where one is
        await person.until(lambda: person.sees("✗", "ecom-service", "default ", "D", "→"))


@on("missing-egress")
async def test_who_reaches_the_inventory_database(bookstore: Sandbox) -> None:
    async with first_screen(bookstore) as person:
        await person.does(4, ("slash", ()), ("i", ()), ("n", ()), ("v", ("Map · inventory/inventory-db",)))
        await person.until(lambda: person.sees("inven…rvice ─ ✓ :5432 ╯"))
        callers = [row[51:77] for row in person.rows if "✓ :5432" in row[51:77] or "✗ :5432" in row[51:77]]
        assert len(callers) == 10
        assert sum("✗" in row for row in callers) == 9


@on("missing-egress")
async def test_a_filter_by_label_is_said_to_be_there(bookstore: Sandbox) -> None:
    async with first_screen(bookstore) as person:
        await person.does(20, ("slash", (HINT,)))
        person.shows("-l app=x a label")
        *letters, last = "-l app=keycloak"
        await person.does(
            20, *((letter, ()) for letter in letters), (last, ("2 Workloads · 1 of 11 · /-l app=keycloak",)), ("enter", ())
        )
        person.shows("identity", "keycloak", "ambient", "keycloak")
        assert not any("ecom-service " in row[LEFT] and "amb" in row[LEFT] for row in person.rows)


@on("missing-egress")
async def test_why_station_by_station_and_the_yaml_of_what_decides(bookstore: Sandbox) -> None:
    async with first_screen(bookstore) as person:
        path = "Path · ecom-service → inventory-service:8000"
        await person.does(3, ("j", (path,)), ("right", ()), ("w", ("decided by NetworkPolicy ecom/ecom-netpol",)))
        person.shows("ecom-service ", "╳ egress", "┄▶ ingress", ":8000")
        person.shows("predicted ✗ timeout at egress policy")
        await person.does(2, ("y", ("kind: NetworkPolicy",)))
        person.shows("name: ecom-netpol")


@on("missing-egress")
async def test_one_flow_is_probed(bookstore: Sandbox) -> None:
    async with first_screen(bookstore) as person:
        hint = "Enter probes the marked flows, or the current one"
        await person.does(3, ("p", (hint,)), ("enter", ("Probe 1 flow?",)), ("y", ("= agrees",)))
        person.shows("8080", "✗ deny", "timeout", "= agrees")
        await person.until(lambda: person.sees("observed  ✗ timeout"))
        await person.until(lambda: not person.sees("Ctrl-C stops it") and probe_pods(bookstore) == [])


@on("missing-egress")
async def test_a_namespace_is_probed_and_that_is_stopped(bookstore: Sandbox) -> None:
    async with first_screen(bookstore) as person:
        await person.does(
            4,
            ("1", ("Namespace ecom",)),
            ("p", ("Probe 24 flows?",)),
            ("y", ("Ctrl-C stops it",)),
            ("ctrl+c", ("stopped; the probe pods are removed",)),
        )
        person.shows("Flows from Namespace ecom")
        await person.until(lambda: probe_pods(bookstore) == [])


@on("missing-egress")
async def test_a_book_is_bought_and_its_denial_is_explained(bookstore: Sandbox) -> None:
    async with first_screen(bookstore) as person:
        await person.does(2, ("b", ("✗ FAILED: The reserve call timed out",)))
        person.shows("✗ checkout", "504")
        person.shows("stock after", "200")
    async with first_screen(bookstore) as person:
        await person.does(3, ("D", ("cause: network policy",)), ("enter", ("decided by NetworkPolicy ecom/ecom-netpol",)))
        person.shows("Why? ecom/deployment/ecom-service → inventory/deployment/inventory-service:8000")


@on("missing-egress")
async def test_the_first_finding_is_fixed_and_that_is_undone(bookstore: Sandbox) -> None:
    def rules() -> Any:
        policy = bookstore.api.store.get("networkpolicies", "ecom", "ecom-netpol")
        assert policy is not None
        return policy["spec"]["egress"]

    before = rules()
    async with first_screen(bookstore) as person:
        await person.does(
            6,
            ("5", ("MT303 egress missing",)),
            ("f", ("✓ the API server would take it",)),
            ("a", ("Apply (y)",)),
            ("y", ("✓ applied",)),
        )
        assert rules() != before
        assert "inventory-service" in yaml.safe_dump(rules())
        await person.does(2, ("u", ("Undo (y)",)), ("y", ("✓ undone: the objects are as they were",)))
        assert rules() == before
        await person.until(lambda: probe_pods(bookstore) == [])


@on("missing-egress")
async def test_the_command_of_a_flow_is_copied_and_the_same_flow_would_be_probed(bookstore: Sandbox) -> None:
    async with first_screen(bookstore) as person:
        await person.does(1, ("j", ("Path · ecom-service → inventory-service:8000",)))
        person.shows("→ to this flow: w Why?, p Probe, c Copy")
        await person.does(2, ("right", ()), ("c", ("copied the command: meshtui probe",)))
        assert person.clipboard.startswith(f"{COMMAND} --kubeconfig ")
        await person.does(1, ("p", ("Probe 1 flow?",)))  # what is acted on is this flow, too
        person.shows("in ecom as ecom-service, like Deployment ecom/ecom-service: 1 flow")
        assert probe_pods(bookstore) == []


@on("missing-egress")
async def test_another_namespace_by_three_letters(bookstore: Sandbox) -> None:
    async with first_screen(bookstore) as person:
        await person.does(5, ("n", ("Enter chooses",)), ("i", ()), ("n", ()), ("v", ()), ("enter", ("namespace inventory",)))
        person.shows("2 Workloads · 2")
        person.shows("inventory-db")
        assert not any("ui-service" in row[LEFT] for row in person.rows)
