"""The keys, pressed as a person presses them, on a real API server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from textual.command import CommandList
from textual.pilot import Pilot
from textual.widgets import Input, Static

from meshtui.app import MeshtuiApp
from meshtui.model.snapshot import KindStatus
from meshtui.probe import podspec
from meshtui.probe.plan import Batch
from meshtui.sandbox.apiserver.server import ApiServer, running_api
from meshtui.screens.describe import DescribeScreen
from meshtui.screens.help import HelpScreen
from meshtui.screens.main import MainScreen
from meshtui.screens.namespace import NamespaceScreen
from meshtui.screens.yaml import YamlScreen
from meshtui.session import Session
from meshtui.settings import Probe, load_settings
from meshtui.sources.kubernetes.live import LiveSource
from meshtui.ui.fuzzy import rank
from meshtui.ui.panes import ELSEWHERE, pane_called, panes
from meshtui.ui.widgets.detail import Detail
from meshtui.ui.widgets.document_view import DocumentView
from meshtui.ui.widgets.live import LiveMap
from meshtui.ui.widgets.prompt import Prompt
from meshtui.ui.widgets.status import StatusBar
from tests.fakes.frozen import recorded_objects
from tests.fakes.screens import table_of


async def until(pilot: Pilot[Any], holds: Callable[[], bool], deadline_s: float = 40.0) -> None:
    """Wait until something holds."""
    end = asyncio.get_running_loop().time() + deadline_s
    while not holds():
        assert asyncio.get_running_loop().time() < end, "it never came to that"
        await pilot.pause(0.02)


def _addable(obj: dict[str, Any]) -> dict[str, Any]:
    """An object as it can be added: what every API server has of its own keeps its own UID."""
    if obj["kind"] not in {"Namespace", "ServiceAccount"}:
        return obj
    return {**obj, "metadata": {key: value for key, value in obj["metadata"].items() if key != "uid"}}


@asynccontextmanager
async def bookstore_app(size: tuple[int, int] = (120, 40)) -> AsyncIterator[tuple[ApiServer, Pilot[Any], MainScreen]]:
    """The program on an API server that holds the recorded bookstore, once everything is read."""
    objects = [_addable(obj) for listed in recorded_objects().values() for obj in listed]
    async with running_api(objects=objects) as api:
        settings = load_settings({"kubeconfig": str(api.kubeconfig)})
        app = MeshtuiApp(Session(LiveSource(settings), settings))
        async with app.run_test(size=size) as pilot:
            screen = app.screen
            assert isinstance(screen, MainScreen)
            kinds = ("Namespace", "Pod", "AuthorizationPolicy", "NetworkPolicy", "Deployment", "ReplicaSet")
            await until(
                pilot,
                lambda: (
                    app.session.settled
                    and all(app.session.snapshot.kind_state(k).status is KindStatus.SYNCED for k in kinds)
                    and bool(app.session.snapshot.pods)
                ),
            )
            await until(pilot, lambda: len(table_of(screen).rows) == 11)
            yield api, pilot, screen


def names(screen: MainScreen) -> list[str]:
    """What the NAME column says."""
    table = table_of(screen)
    index = [column.title for column in table.columns].index("NAME")
    return [row.cells[index].text for row in table.rows]


async def test_digits_choose_the_kind() -> None:
    async with bookstore_app() as (_, pilot, screen):
        await pilot.press("1")
        await until(pilot, lambda: "ecom" in names(screen))
        await pilot.press("3")
        await until(pilot, lambda: "inventory-service-policy" in names(screen))
        await pilot.press("4")
        await until(pilot, lambda: "ecom-netpol" in names(screen))


@pytest.mark.parametrize("word", ["sa", "ev", "vs"])
async def test_a_kind_without_a_pane_is_never_taken_for_another(word: str) -> None:
    async with bookstore_app() as (_, pilot, screen):
        await pilot.press("2", "colon", *word, "enter")
        await until(pilot, lambda: any(f"no kind '{word}'" in each.message for each in pilot.app._notifications))
        assert screen.pane.id == "workloads"


def test_words_for_kinds_without_a_pane_are_those_of_none() -> None:
    assert not ELSEWHERE & {alias for pane in panes() for alias in pane.aliases}
    assert pane_called("ds") is pane_called("workloads")


async def test_colon_goes_to_a_kind() -> None:
    async with bookstore_app() as (_, pilot, screen):
        await pilot.press("colon", *"netpol", "enter")
        await until(pilot, lambda: screen.pane.id == "networkpolicies")
        assert "ecom-netpol" in names(screen)


async def test_a_word_that_is_no_kind_says_so() -> None:
    async with bookstore_app() as (_, pilot, screen):
        await pilot.press("colon", *"nonsense", "enter")
        await pilot.pause()
        assert screen.pane.id == "workloads"


async def test_tab_completes_what_is_typed_and_enter_goes_there() -> None:
    async with bookstore_app() as (_, pilot, screen):
        prompt, field = screen.query_one(Prompt), screen.query_one("#prompt-input", Input)
        await pilot.press("1", "colon", *"wo")
        assert prompt.chosen == "workloads"
        await pilot.press("tab")
        assert field.value == "workloads"
        assert prompt.display
        assert screen.focused is field
        assert screen.pane.id == "namespaces"
        await pilot.press("enter")
        await until(pilot, lambda: screen.pane.id == "workloads")


async def test_enter_takes_the_best_match_and_the_arrows_choose_another() -> None:
    async with bookstore_app() as (_, pilot, screen):
        await pilot.press("colon", *"ntpl", "enter")
        await until(pilot, lambda: screen.pane.id == "networkpolicies")
        prompt = screen.query_one(Prompt)
        await pilot.press("colon", *"na")
        first = prompt.chosen
        await pilot.press("down")
        assert prompt.chosen != first
        await pilot.press("up")
        assert prompt.chosen == first == "namespaces"
        await pilot.press("escape", "colon", "enter")
        await pilot.pause()
        assert screen.pane.id == "networkpolicies", "Enter alone goes nowhere"


async def test_slash_filters_as_one_types_and_escape_clears() -> None:
    async with bookstore_app() as (_, pilot, screen):
        await pilot.press("slash", *"-db")
        await until(pilot, lambda: names(screen) == ["ecom-db", "keycloak-db", "inventory-db"])
        await pilot.press("enter", "escape")
        await until(pilot, lambda: len(names(screen)) == 11)


async def test_enter_on_a_namespace_shows_its_workloads_and_escape_goes_back() -> None:
    async with bookstore_app() as (_, pilot, screen):
        await pilot.press("1")
        table_of(screen).select(next(u.meta.uid for u in screen.session.snapshot.namespaces.values() if u.name == "inventory"))
        await pilot.press("enter")
        await until(pilot, lambda: names(screen) == ["inventory-db", "inventory-service"])
        await pilot.press("escape")
        await until(pilot, lambda: len(names(screen)) == 11)


async def test_n_chooses_a_namespace() -> None:
    async with bookstore_app() as (_, pilot, screen):
        await pilot.press("n")
        await until(pilot, lambda: isinstance(pilot.app.screen, NamespaceScreen))
        await pilot.press("down", "down", "enter")
        await until(pilot, lambda: screen.session.namespace == "ecom")
        await until(pilot, lambda: names(screen) == ["ecom-db", "ecom-service", "ui-service"])


async def test_a_namespace_is_chosen_by_typing_a_part_of_it() -> None:
    async with bookstore_app() as (_, pilot, screen):
        await pilot.press("n")
        await until(pilot, lambda: isinstance(pilot.app.screen, NamespaceScreen))
        await pilot.press(*"invt", "enter")
        await until(pilot, lambda: screen.session.namespace == "inventory")
        await pilot.press("n")
        await until(pilot, lambda: isinstance(pilot.app.screen, NamespaceScreen))
        await pilot.press(*"qqq", "enter")
        await pilot.pause()
        assert isinstance(pilot.app.screen, NamespaceScreen), "nothing is chosen where nothing matches"
        await pilot.press("escape")
        await until(pilot, lambda: pilot.app.screen is screen)
        assert screen.session.namespace == "inventory"
        await pilot.press("n")
        await until(pilot, lambda: isinstance(pilot.app.screen, NamespaceScreen))
        await pilot.press(*"all", "enter")
        await until(pilot, lambda: screen.session.namespace == "")


async def test_d_describes_and_y_shows_yaml_and_escape_goes_back() -> None:
    async with bookstore_app() as (_, pilot, screen):
        await pilot.press("j", "d")
        await until(pilot, lambda: isinstance(pilot.app.screen, DescribeScreen))
        await until(pilot, lambda: "inventory/svc/inventory-service:8000" in pilot.app.screen.query_one(DocumentView).plain)
        await pilot.press("y")
        await until(pilot, lambda: isinstance(pilot.app.screen, YamlScreen))
        await until(pilot, lambda: "kind: Deployment" in pilot.app.screen.query_one(DocumentView).plain)
        await pilot.press("escape", "escape")
        await until(pilot, lambda: pilot.app.screen is screen)


async def test_slash_searches_a_text_and_escape_ends_the_search_first() -> None:
    async with bookstore_app((80, 24)) as (_, pilot, screen):
        await pilot.press("j", "y")
        await until(pilot, lambda: isinstance(pilot.app.screen, YamlScreen))
        view = pilot.app.screen.query_one(DocumentView)
        await until(pilot, lambda: "kind: Deployment" in view.plain)
        await pilot.press("slash", *"ecom-service")
        await until(pilot, lambda: view.found[0] == 1)
        total = view.found[1]
        assert total > 2
        await pilot.press("enter", "n", "n")
        assert view.found == (3, total)
        await pilot.press("N", "N", "N")
        assert view.found == (total, total)
        assert f"{total} of {total}: ecom-service" in str(pilot.app.screen.query_one("#found", Static).render())
        await pilot.press("escape")
        await until(pilot, lambda: view.found == (0, 0))
        assert isinstance(pilot.app.screen, YamlScreen)
        await pilot.press("escape")
        await until(pilot, lambda: pilot.app.screen is screen)


async def test_what_kubectl_repeats_is_one_line_until_it_is_unfolded() -> None:
    async with bookstore_app() as (api, pilot, screen):
        policy = api.store.get("networkpolicies", "ecom", "ecom-netpol")
        assert policy is not None
        repeated = '{"apiVersion":"networking.k8s.io/v1","metadata":{"annotations":{}}}\n'
        annotations = {"kubectl.kubernetes.io/last-applied-configuration": repeated}
        api.store.update("networkpolicies", {**policy, "metadata": {**policy["metadata"], "annotations": annotations}})
        await pilot.press("4")
        await until(pilot, lambda: "ecom-netpol" in names(screen))
        table_of(screen).select(policy["metadata"]["uid"])
        await pilot.press("y")
        await until(pilot, lambda: isinstance(pilot.app.screen, YamlScreen))
        view = pilot.app.screen.query_one(DocumentView)
        await until(pilot, lambda: " B, o unfolds\n" in view.plain)
        assert 'networking.k8s.io/v1"' not in view.plain
        await pilot.press("o")
        await until(pilot, lambda: 'networking.k8s.io/v1"' in view.plain)
        await pilot.press("enter")
        await until(pilot, lambda: 'networking.k8s.io/v1"' not in view.plain)


async def test_question_mark_helps_and_escape_goes_back() -> None:
    async with bookstore_app() as (_, pilot, screen):
        await pilot.press("question_mark")
        await until(pilot, lambda: isinstance(pilot.app.screen, HelpScreen))
        await until(pilot, lambda: "Probe" in pilot.app.screen.query_one(DocumentView).plain)
        await pilot.press("escape")
        await until(pilot, lambda: pilot.app.screen is screen)


async def test_the_palette_has_every_command() -> None:
    async with bookstore_app() as (_, pilot, screen):
        titles = {command.title for command in pilot.app.get_system_commands(screen)}
        assert {
            "Go to Workloads",
            "Probe",
            "Checkout",
            "Describe",
            "YAML",
            "ztunnel log",
            "Filter",
            "Namespace",
            "Help",
        } <= titles
        await pilot.press("ctrl+p")
        await until(pilot, lambda: bool(pilot.app.screen.query(Input)))


@pytest.mark.parametrize(
    ("typed", "first"), [("mat", "Matrix"), ("filt", "Filter"), ("gtw", "Go to Workloads"), ("workl", "Go to Workloads")]
)
async def test_the_palette_ranks_as_the_prompt_does(typed: str, first: str) -> None:
    async with bookstore_app() as (_, pilot, screen):
        commands = pilot.app.get_system_commands(screen)
        assert rank(typed, [command.title for command in commands])[0] == first
        await pilot.press("ctrl+p", *typed)
        listed = pilot.app.screen.query_one(CommandList)
        await until(pilot, lambda: listed.option_count > 0 and str(listed.get_option_at_index(0).prompt).startswith(first))


async def test_the_detail_follows_the_cursor() -> None:
    async with bookstore_app() as (_, pilot, screen):
        detail = screen.query_one("#detail", DocumentView)
        await until(pilot, lambda: "ecom/ecom-db" in detail.plain)
        await pilot.press("j")
        await until(pilot, lambda: "spiffe://cluster.local/ns/ecom/sa/ecom-service" in detail.plain)


async def test_a_change_arrives_and_the_cursor_stays_on_its_object() -> None:
    async with bookstore_app() as (api, pilot, screen):
        await pilot.press("1", "G")
        table = table_of(screen)
        await until(pilot, lambda: names(screen)[table.cursor] == "observability")
        api.add({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "aaa"}})
        await until(pilot, lambda: names(screen)[0] == "aaa")
        assert names(screen)[table.cursor] == "observability"


async def test_a_label_changed_in_the_cluster_changes_the_mesh_column() -> None:
    async with bookstore_app() as (api, pilot, screen):
        table = table_of(screen)
        mesh = [column.title for column in table.columns].index("MESH")
        pod = next(p for p in api.store.list("pods", "observability"))
        labels = {**pod["metadata"]["labels"], "istio.io/dataplane-mode": "ambient"}
        api.store.update("pods", {**pod, "metadata": {**pod["metadata"], "labels": labels}})
        await until(pilot, lambda: "! not captured" in [row.cells[mesh].text for row in table.rows])


async def test_sorting_by_change_puts_the_newest_first() -> None:
    async with bookstore_app() as (api, pilot, screen):
        await pilot.press("4", "s")
        policy = api.store.get("networkpolicies", "inventory", "inventory-netpol")
        assert policy is not None
        newest = max(each["metadata"]["creationTimestamp"] for each in api.store.list("networkpolicies"))
        await until(pilot, lambda: f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}" > newest)  # times have no fractions of a second
        spec = {**policy["spec"], "policyTypes": ["Ingress"]}
        api.store.update("networkpolicies", {**policy, "spec": spec})
        await until(pilot, lambda: names(screen)[0] == "inventory-netpol")


async def test_q_quits() -> None:
    async with bookstore_app() as (_, pilot, _screen):
        await pilot.press("q")
        await until(pilot, lambda: pilot.app.return_code is not None or not pilot.app.is_running)


async def test_hostile_text_is_shown_and_not_executed() -> None:
    async with bookstore_app() as (api, pilot, screen):
        hostile = "[bold red]x[/]\x1b[31m\u202e\x07"
        policy = {
            "apiVersion": "security.istio.io/v1",
            "kind": "AuthorizationPolicy",
            "metadata": {"name": "zz", "namespace": "observability"},
            "spec": {"rules": [{"from": [{"source": {"principals": [hostile]}}]}]},
        }
        api.add(policy)
        detail = screen.query_one("#detail", DocumentView)
        await pilot.press("3")
        await until(pilot, lambda: "zz" in names(screen))
        await pilot.press("G")
        await until(pilot, lambda: "[bold red]x[/]\\x1b[31m\\u202e\\x07" in detail.plain)
        assert "\x1b" not in detail.plain
        assert "\u202e" not in detail.plain


async def test_a_terminal_that_grows_shows_the_map_that_had_no_room() -> None:
    async with bookstore_app((80, 24)) as (_, pilot, screen):
        chart = screen.query_one(LiveMap)
        await pilot.press("2", "G")
        await until(pilot, lambda: names(screen)[-1] in screen.query_one(Detail).plain)
        assert not chart.display
        assert chart.map is None
        await pilot.resize_terminal(120, 40)
        await until(pilot, lambda: chart.display and names(screen)[-1] in chart.picture.plain())


@pytest.mark.parametrize(
    ("size", "said"), [((120, 40), "sees only ecom, inventory"), ((80, 24), "sees only 2 namespaces")], ids=["wide", "narrow"]
)
async def test_the_header_says_when_only_some_namespaces_are_seen(size: tuple[int, int], said: str) -> None:
    objects = [_addable(obj) for listed in recorded_objects().values() for obj in listed]
    async with running_api(objects=objects) as api:
        api.faults.set(forbidden=["list namespaces", "watch namespaces"])
        settings = load_settings({"kubeconfig": str(api.kubeconfig), "namespaces": ["ecom", "inventory"]})
        app = MeshtuiApp(Session(LiveSource(settings), settings))
        async with app.run_test(size=size) as pilot:
            await until(pilot, lambda: app.session.settled and said in str(app.screen.query_one("#status").visual))


async def test_what_does_not_start_in_the_sandbox_is_said_on_the_first_screen_with_its_own_words():
    async with bookstore_app() as (api, pilot, screen):
        assert screen.session.label.sandbox
        pod = next(p for p in api.store.list("pods", "inventory") if p["metadata"]["name"].startswith("inventory-db"))
        waiting = {"reason": "CrashLoopBackOff", "message": "initdb: error while loading\nshared libraries"}
        container = {"name": "postgres", "ready": False, "restartCount": 3, "state": {"waiting": waiting}}
        api.store.update("pods", {**pod, "status": {**pod["status"], "containerStatuses": [container]}}, subresource="status")
        bar = screen.query_one("#status")
        await until(pilot, lambda: "✗ the sandbox: inventory/inventory-db-0 doesn't start" in str(bar.render()))
        assert "initdb: error while loading shared libraries" in str(bar.render())
        metadata = {key: value for key, value in pod["metadata"].items() if key != "resourceVersion"}
        api.store.update("pods", {**pod, "metadata": metadata}, subresource="status")
        await until(pilot, lambda: "doesn't start" not in str(bar.render()))


async def test_pods_that_are_set_apart_as_probes_are_counted_in_the_header():
    """Whoever may make pods can imitate a probe: it must not vanish without a word."""
    async with bookstore_app() as (api, pilot, screen):
        bar = screen.query_one("#status")
        assert "apart" not in str(bar.render())
        batch = Batch("ecom", "ecom-service", "ecom/deploy/ecom-service", {}, "", ambient=False, targets=())
        api.add(podspec.pod("1234abcd", 0, batch, "a-uid", Probe(), datetime.now(UTC)))
        await until(pilot, lambda: "1 probe pod apart" in str(bar.render()))


@pytest.mark.parametrize("width", [60, 80, 120, 200])
async def test_the_end_of_the_header_is_never_cut(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    async with bookstore_app((width, 24)) as (_, pilot, screen):
        bar = screen.query_one(StatusBar)
        session = screen.session
        long = "arn:aws:eks:eu-central-1:123456789012:cluster/production-of-the-bookstore"
        user = "a.person.with.a.long.name@an-organisation-with-a-long-name.example"
        label = replace(session.label, context=long, cluster="the-cluster", user=user)
        monkeypatch.setattr(type(session.source), "label", label)
        session.namespace = "inventory"
        bar.show(session)
        await until(pilot, lambda: "● live" in bar.render_line(0).text)
        said = bar.render_line(0).text
        assert "read-write" in said
        assert said.rstrip().endswith("● live" if width < 100 else "ago")
        if width >= 80:
            assert ("inv…ory" if width == 80 else "inventory") in said
            assert "arn" in said
            assert "…" in said
