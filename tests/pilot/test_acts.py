"""What keys do to what is shown: filter, sort, copy, save, edit; and what is said of what happens meanwhile."""

from __future__ import annotations

import contextlib
import csv
import stat
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from textual.geometry import Offset
from textual.pilot import Pilot
from textual.selection import Selection
from textual.widget import Widget

from meshtui.app import MeshtuiApp
from meshtui.engine.path.references import parse_flow
from meshtui.model.finding import Finding, Severity
from meshtui.model.ids import ObjectRef
from meshtui.sandbox.apiserver.server import running_api
from meshtui.screens.confirm import ConfirmScreen
from meshtui.screens.fix import FixScreen
from meshtui.screens.journal import JournalScreen
from meshtui.screens.main import MainScreen
from meshtui.screens.probe import ProbeScreen
from meshtui.screens.why import WhyScreen
from meshtui.session import Session
from meshtui.settings import load_settings
from meshtui.sources.kubernetes.live import LiveSource
from meshtui.ui.copying import MOST_COPIED, command_of
from meshtui.ui.widgets.document_view import DocumentView
from meshtui.ui.widgets.grid import Grid
from meshtui.ui.widgets.live import LiveMap
from meshtui.ui.widgets.pane_box import PaneBox
from meshtui.ui.widgets.picture import PictureView
from meshtui.ui.widgets.status import StatusBar
from tests.fakes.live import relayed
from tests.fakes.screens import table_of
from tests.integration.test_denials import Mesh
from tests.pilot.test_keys import bookstore_app, names, until
from tests.pilot.test_why_screen import close_egress
from tests.snapshot.conftest import settle

WIDE, NARROW = (120, 40), (80, 24)
FLOW = parse_flow("ecom/deploy/ecom-service", "inventory/svc/inventory-service:8000")


def strip_of(screen: MainScreen) -> str:
    return screen.query_one("#strip", DocumentView).plain


def said(pilot: Pilot[Any]) -> list[str]:
    return [notification.message for notification in pilot.app._notifications]


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
async def test_filters_by_words_labels_and_letters(size: tuple[int, int]) -> None:
    async with bookstore_app(size) as (_, pilot, screen):
        every = names(screen)
        await pilot.press("slash", *"!-db", "enter")
        await until(pilot, lambda: names(screen) == [name for name in every if not name.endswith("-db")])
        assert "8 of 11" in screen.box._border_title.plain if size == WIDE else True
        await pilot.press("escape", "slash", *"-f ivdb", "enter")
        await until(pilot, lambda: names(screen) == ["inventory-db"])
        await pilot.press("escape", "slash", *"-l app=ecom-service", "enter")
        await until(pilot, lambda: names(screen) == ["ecom-service"])
        await pilot.press("escape", "slash", *"-l app!=ecom-service", "enter")
        await until(pilot, lambda: names(screen) == [name for name in every if name != "ecom-service"])
        await pilot.press("escape")
        await until(pilot, lambda: names(screen) == every)


async def test_a_filter_that_is_wrong_is_said_in_the_pane_and_the_focus_comes_back_with_the_rows() -> None:
    async with bookstore_app(WIDE) as (_, pilot, screen):
        await pilot.press("slash", *"-l a b", "enter")
        await until(pilot, lambda: screen.box.document.display and "'a b' is no selector" in screen.box.document.plain)
        assert screen.focused is screen.box.document
        await pilot.press("escape")
        await until(pilot, lambda: len(names(screen)) == 11 and screen.box.table.display)
        await until(pilot, lambda: screen.focused is table_of(screen))
        assert not screen.box.error


async def test_rows_that_come_and_go_leave_the_focus_in_the_pane() -> None:
    async with bookstore_app(WIDE) as (api, pilot, screen):
        await pilot.press("3", "slash", *"zz", "enter")
        await until(pilot, lambda: screen.focused is screen.box.document)
        policy = {"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy", "spec": {}}
        api.add({**policy, "metadata": {"name": "zz", "namespace": "ecom"}})
        await until(pilot, lambda: names(screen) == ["zz"] and screen.focused is screen.box.table)
        api.store.delete("authorizationpolicies", "ecom", "zz")
        await until(pilot, lambda: screen.box.document.display and screen.focused is screen.box.document)


async def test_a_capital_and_a_click_on_a_title_sort_and_the_arrow_says_so() -> None:
    async with bookstore_app(WIDE) as (_, pilot, screen):
        table = table_of(screen)
        by_pane = names(screen)
        await pilot.press("N")
        await until(pilot, lambda: names(screen) == sorted(by_pane))
        assert "NAME↑" in table._line_of(0).text
        await pilot.press("N")
        await until(pilot, lambda: names(screen) == sorted(by_pane, reverse=True))
        assert "NAME↓" in table._line_of(0).text
        assert screen._remembered.sort["workloads"] == "-NAME"
        await pilot.press("N")
        await until(pilot, lambda: names(screen) == by_pane)
        place = table._line_of(0).text.index("NAME ")
        await pilot.click(table, offset=(place + 1, 0))
        await until(pilot, lambda: names(screen) == sorted(by_pane))
        assert pilot.app.screen is screen


async def test_c_copies_what_the_cursor_is_on() -> None:
    async with bookstore_app(WIDE) as (_, pilot, screen):
        await pilot.press("j", "c")
        assert pilot.app.clipboard == "ecom/ecom-service"
        await until(pilot, lambda: bool(screen.query_one(LiveMap).picture.items))
        await pilot.press("right")
        await until(pilot, lambda: screen.link != screen._row_link())
        await pilot.press("c")
        flow = screen.link
        assert pilot.app.clipboard == command_of(flow, screen.session)[0]


async def test_each_kind_of_link_has_its_text() -> None:

    async with bookstore_app(WIDE) as (_, pilot, screen):
        session = screen.session
        command, what = command_of(FLOW, session)
        assert what == "the command"
        assert command.startswith("meshtui probe ecom/deployment/ecom-service inventory/svc/inventory-service:8000")
        finding = next((each for each in session.findings if each.fix is not None), None)
        if finding is not None:
            assert "op: " in command_of(finding, session)[0] or "kind: " in command_of(finding, session)[0]
        assert command_of(ObjectRef("Pod", "a", "b\x1b[201~\nrm"), session)[0] == "a/b\\x1b[201~\\x0arm"
        bare = Finding("X001", "t", Severity.INFO, (), "d")
        assert command_of(bare, session) == ("X001", "the name")
        screen.copy("x" * (MOST_COPIED + 1), "the patch")
        assert pilot.app.clipboard != "x" * (MOST_COPIED + 1)
        await until(pilot, lambda: any("saved " in text for text in said(pilot)))


@pytest.mark.parametrize("size", [(80, 24), (200, 50)])
async def test_ctrl_s_saves_the_whole_table_as_its_user_s_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    async with bookstore_app(size) as (_, pilot, screen):
        await pilot.press("ctrl+s")
        folder = tmp_path / "meshtui" / "saved"
        await until(pilot, lambda: folder.is_dir() and len(list(folder.iterdir())) == 1)
        (file,) = folder.iterdir()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        header, *rows = list(csv.reader(file.read_text().splitlines()))
        assert [row[header.index("NAME")] for row in rows] == names(screen)
        assert {"NAMESPACE", "KIND", "READY", "MESH", "IDENTITY", "DENIED"} <= set(header)
        assert all(datetime.fromisoformat(row[header.index("AGE")]) for row in rows), "an age would be wrong tomorrow"


# ---- editing


def editor(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that edits, in place of a person's."""
    file = folder / "editor"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o700)
    monkeypatch.delenv("KUBE_EDITOR", raising=False)
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", str(file))
    monkeypatch.setenv("XDG_STATE_HOME", str(folder / "state"))
    monkeypatch.setattr(MeshtuiApp, "suspend", lambda _: contextlib.nullcontext())


def saved_in(folder: Path) -> list[Path]:
    return list(folder.glob("state/meshtui/saved/*.yaml"))


async def on_netpol(pilot: Pilot[Any], screen: MainScreen, api: Any) -> dict[str, Any]:
    policy: dict[str, Any] = api.store.get("networkpolicies", "inventory", "inventory-netpol")
    await pilot.press("4")
    await until(pilot, lambda: "inventory-netpol" in names(screen))
    table_of(screen).select(policy["metadata"]["uid"])
    return policy


async def test_e_shows_the_change_as_a_fix_and_writes_nothing_before_the_question(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    editor(tmp_path, 'sed -i "s/^  name: .*/&\\n  labels: {edited: yes-it-is}/" "$1"', monkeypatch)
    async with bookstore_app(WIDE) as (api, pilot, screen):
        policy = await on_netpol(pilot, screen, api)
        await pilot.press("e")
        await until(pilot, lambda: isinstance(pilot.app.screen, FixScreen))
        text = pilot.app.screen.query_one(DocumentView)
        await until(pilot, lambda: "edited: yes-it-is" in text.plain)
        assert api.store.get("networkpolicies", "inventory", "inventory-netpol") == policy, "nothing is written yet"
        await until(pilot, lambda: pilot.app.screen._proposal is not None)  # type: ignore[attr-defined]
        await pilot.press("a")
        await until(pilot, lambda: isinstance(pilot.app.screen, ConfirmScreen))
        assert api.store.get("networkpolicies", "inventory", "inventory-netpol") == policy, "nothing is written yet"
        await pilot.press("y")
        await until(
            pilot,
            lambda: (
                api.store.get("networkpolicies", "inventory", "inventory-netpol")["metadata"]["labels"] == {"edited": "yes-it-is"}
            ),
        )


@pytest.mark.parametrize(
    ("script", "words", "kept"),
    [
        ("exit 3", "ended with 3", False),
        ('rm "$1"', "left no text", False),
        ('printf "\\377\\376" > "$1"', "left no text", False),
        ('echo "a: [" >> "$1"', "", True),
        ('echo "" > "$1"', "no manifest", True),
        ('sed -i "s/^kind: .*/kind: Pod/" "$1"', "kind can't be edited", True),
        ("true", "nothing was changed", False),
    ],
    ids=["fails", "removes", "no text", "no yaml", "empties", "another kind", "nothing"],
)
async def test_an_edit_that_cannot_be_used_changes_nothing_and_is_kept(
    script: str, words: str, kept: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    editor(tmp_path, script, monkeypatch)
    async with bookstore_app(WIDE) as (api, pilot, screen):
        policy = await on_netpol(pilot, screen, api)
        await pilot.press("e")
        await until(pilot, lambda: any(words in text for text in said(pilot)))
        assert pilot.app.screen is screen
        assert api.store.get("networkpolicies", "inventory", "inventory-netpol") == policy
        assert bool(saved_in(tmp_path)) == kept


async def test_an_object_that_somebody_else_changes_meanwhile_is_not_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    editor(tmp_path, 'sed -i "s/^  name: .*/&\\n  labels: {edited: mine}/" "$1"', monkeypatch)
    async with bookstore_app(WIDE) as (api, pilot, screen):
        policy = await on_netpol(pilot, screen, api)
        theirs = {**policy, "spec": {**policy["spec"], "policyTypes": ["Ingress"]}}

        @contextlib.contextmanager
        def meanwhile(_: object) -> Any:
            yield
            api.store.update("networkpolicies", theirs)

        monkeypatch.setattr(MeshtuiApp, "suspend", meanwhile)
        await pilot.press("e")
        await until(pilot, lambda: any("was changed while it was edited" in text for text in said(pilot)))
        assert pilot.app.screen is screen
        assert len(saved_in(tmp_path)) == 1


async def test_e_is_refused_where_nothing_may_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    editor(tmp_path, f"touch {tmp_path}/was-run", monkeypatch)
    async with bookstore_app(WIDE) as (_, pilot, screen):
        screen.session.settings = screen.session.settings.model_copy(update={"read_only": True})
        await pilot.press("4", "e")
        await until(pilot, lambda: any("nothing is changed" in text or "nothing is edited" in text for text in said(pilot)))
        assert not (tmp_path / "was-run").exists()


# ---- what happens


async def test_the_strip_shows_denials_edits_with_what_turned_and_own_deeds_each_a_link() -> None:
    async with bookstore_app(WIDE) as (api, pilot, screen):
        assert "nothing has happened yet" in strip_of(screen)
        made = Mesh(api, screen.session)
        for pod in made.ztunnels:
            api.logs.begin(pod["metadata"]["uid"], "")
        named = "connection closed due to policy rejection: explicitly denied by: inventory/inventory-service-policy"
        made.say(made.line(named).replace("2026-11-24T13:00:00", screen.session.clock().strftime("%Y-%m-%dT%H:%M:%S")))
        await until(pilot, lambda: "✗ denied " in strip_of(screen))
        close_egress(api)
        await until(pilot, lambda: "NetworkPolicy ecom/ecom-netpol edited" in strip_of(screen))
        await until(pilot, lambda: "turned ✗" in strip_of(screen))
        screen.session.note("probed 3 flows", "all 3 as predicted")
        screen.session.tell()
        await until(pilot, lambda: "probed 3 flows: all 3 as predicted" in strip_of(screen))
        strip = screen.query_one("#strip", DocumentView)
        strip.focus()
        await pilot.press("home")
        seen: list[object] = []
        for _ in range(8):
            await pilot.press("down")
            seen.append(strip.link)
        assert ObjectRef("NetworkPolicy", "ecom", "ecom-netpol") in seen
        strip._rest_on(next(index for index, spot in enumerate(strip._spots) if not isinstance(spot.link, ObjectRef)))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, WhyScreen))


async def test_the_journal_lists_what_was_done_newest_first() -> None:
    async with bookstore_app(WIDE) as (_, pilot, screen):
        await pilot.press("colon", *"journal", "enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, JournalScreen))
        text = pilot.app.screen.query_one(DocumentView)
        await until(pilot, lambda: "nothing was done" in text.plain)
        screen.session.note("probed 1 flow", "all 1 as predicted")
        screen.session.note("applied [bold]x[/]", "refused\x1b[31m", "meshtui undo", failed=True)
        screen.session.tell()
        await until(pilot, lambda: "✗ applied [bold]x[/]: refused\\x1b[31m  meshtui undo" in text.plain)
        assert text.plain.index("applied") < text.plain.index("probed")
        await pilot.press("escape")
        await until(pilot, lambda: pilot.app.screen is screen)


async def test_ctrl_c_copies_what_the_mouse_has_selected_and_then_quits() -> None:
    async with bookstore_app(WIDE) as (_, pilot, screen):
        detail = screen.query_one("#detail", DocumentView)
        await until(pilot, lambda: bool(detail.plain))
        screen.selections = {detail: Selection(Offset(0, 0), Offset(4, 0))}
        await pilot.press("ctrl+c")
        assert pilot.app.clipboard == detail.plain[:4]
        assert not screen.selections
        await pilot.press("slash", *"abc", "shift+home", "ctrl+c")
        assert pilot.app.clipboard == "abc"
        await pilot.press("escape", "ctrl+c")
        await until(pilot, lambda: pilot.app.return_code is not None or not pilot.app.is_running)


async def test_ctrl_c_stops_a_probe_and_removes_its_pods_before_it_quits() -> None:
    async with bookstore_app(WIDE) as (api, pilot, _screen):
        await pilot.press("j", "p")
        await until(pilot, lambda: isinstance(pilot.app.screen, ProbeScreen))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, ConfirmScreen))
        await pilot.press("y")
        await until(pilot, lambda: bool(api.store.list("jobs")))
        await pilot.press("ctrl+c")
        await until(pilot, lambda: "stopped; Ctrl-C again quits" in said(pilot))
        assert isinstance(pilot.app.screen, ProbeScreen)
        await until(pilot, lambda: not api.store.list("jobs"))
        await until(pilot, lambda: "stopped; its pods were removed" in [deed.outcome for deed in pilot.app.session.journal])
        await pilot.press("ctrl+c")
        await until(pilot, lambda: pilot.app.return_code is not None or not pilot.app.is_running)


async def test_dragging_over_a_text_or_a_table_opens_nothing() -> None:
    async with bookstore_app(WIDE) as (_, pilot, screen):
        detail = screen.query_one("#detail", DocumentView)
        await until(pilot, lambda: bool(detail._spots))
        spot = detail._spots[0]
        await pilot.mouse_down(detail, offset=(1, 1))
        await pilot.hover(detail, offset=(spot.start + 3, spot.line + 1))
        await pilot.mouse_up(detail, offset=(spot.start + 3, spot.line + 1))
        await pilot.pause()
        assert pilot.app.screen is screen
        before = table_of(screen).cursor
        await pilot.mouse_down(table_of(screen), offset=(3, 2))
        await pilot.hover(table_of(screen), offset=(9, 4))
        await pilot.mouse_up(table_of(screen), offset=(9, 4))
        await pilot.pause()
        assert pilot.app.screen is screen
        assert table_of(screen).cursor == before


@pytest.mark.parametrize("where", ["#map", "#path", "#grid"])
async def test_what_is_dragged_over_in_a_picture_is_copied_by_ctrl_c_which_ends_nothing(
    where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bookstore_app(WIDE) as (_, pilot, screen):
        if where == "#grid":
            await pilot.press("m")
            await until(pilot, lambda: any(grid.size.height > 5 for grid in pilot.app.screen.query(Grid)))
        else:
            await until(pilot, lambda: "predicted" in screen.query_one("#path", PictureView).picture.plain())
        await settle(pilot)  # nothing moves while the mouse does
        view: Widget = pilot.app.screen.query(Grid if where == "#grid" else where).first(Widget)
        copied: list[str] = []
        monkeypatch.setattr(pilot.app, "copy_to_clipboard", copied.append)
        await pilot.mouse_down(view, offset=(3, 2))
        await pilot.hover(view, offset=(30, 5))
        await pilot.mouse_up(view, offset=(30, 5))
        await pilot.press("ctrl+c")
        await until(pilot, lambda: bool(copied))
        assert len(copied[0].split("\n")) == 4
        assert pilot.app.is_running
        assert not pilot.app.screen.selections
        bottom = view.size.height - 1
        await pilot.mouse_down(view, offset=(1, bottom))
        await pilot.hover(view, offset=(40, bottom))
        await pilot.mouse_up(view, offset=(40, bottom))
        await pilot.press("ctrl+c")
        await pilot.pause()
        assert pilot.app.is_running
        assert not pilot.app.screen.selections


async def test_a_lost_connection_is_a_banner_until_it_is_back(tmp_path: Path) -> None:
    async with running_api(objects=[]) as api, relayed(api, tmp_path) as (relay, kubeconfig):
        settings = load_settings({"kubeconfig": str(kubeconfig)})
        app = MeshtuiApp(Session(LiveSource(settings), settings))
        async with app.run_test(size=WIDE) as pilot:
            bar = app.screen.query_one(StatusBar)
            await until(pilot, lambda: app.session.settled and "NOT LIVE" not in str(bar.render()))
            await relay.down()
            await until(pilot, lambda: "✗ NOT LIVE: the connection is lost since" in str(bar.render()))
            assert "what is shown was known" in str(bar.render())
            await relay.up()
            await pilot.press("ctrl+r")
            await until(pilot, lambda: "NOT LIVE" not in str(bar.render()))


async def test_each_pane_says_what_its_kind_is_like() -> None:
    async with running_api(objects=[]) as api:
        api.faults.set(forbidden=["list networkpolicies", "watch networkpolicies"], hidden=["authorizationpolicies"])
        settings = load_settings({"kubeconfig": str(api.kubeconfig)})
        app = MeshtuiApp(Session(LiveSource(settings), settings))
        async with app.run_test(size=WIDE) as pilot:
            screen = app.screen
            assert isinstance(screen, MainScreen)
            boxes = {box.pane.id: box for box in screen.query(PaneBox)}
            await until(pilot, lambda: "⊘ Forbidden" in boxes["networkpolicies"].document.plain)
            await until(pilot, lambda: "∅ Not installed" in boxes["authorizationpolicies"].document.plain)
            await until(pilot, lambda: "No Workloads" in boxes["workloads"].document.plain)
            for digit in "123456":
                await pilot.press(
                    digit, "M", "j", "c", "w", "y", "d", "l", "f", "e", "ctrl+s", "right", "left", "N", "enter", "escape"
                )
                while app.screen is not screen:
                    await pilot.press("escape")
            assert boxes["networkpolicies"].display
