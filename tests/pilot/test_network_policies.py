"""The pane of network policies, where a CNI's own kinds are beside NetworkPolicies; and the tiers."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import yaml
from textual.events import Key
from textual.pilot import Pilot

from meshtui.app import MeshtuiApp
from meshtui.cli.source import source_for
from meshtui.screens.main import MainScreen
from meshtui.session import Session
from meshtui.settings import load_settings
from meshtui.ui.widgets.prompt import Prompt
from tests.fakes.cilium import ccnp, cnp
from tests.fakes.screens import table_of
from tests.fakes.snapshots import namespace, pod, policy
from tests.pilot.test_keys import until

CALICO = "projectcalico.org/v3"


def calico(kind: str, name: str, spec: str, space: str = "", version: str = CALICO) -> dict[str, Any]:
    """An object of Calico; the spec is YAML text."""
    metadata = {"name": name, **({"namespace": space} if space else {})}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": yaml.safe_load(spec)}


ADMIN = {
    "apiVersion": "policy.networking.k8s.io/v1alpha1",
    "kind": "AdminNetworkPolicy",
    "metadata": {"name": "first"},
    "spec": {
        "priority": 10,
        "subject": {"namespaces": {}},
        "egress": [{"action": "Deny", "to": [{"networks": ["10.9.0.0/16"]}]}],
    },
}
PODS = [
    namespace("shop", team="shop"),
    pod("shop/web", "10.0.1.1", [8080], {"app": "web"}, account="web"),
    pod("shop/db", "10.0.2.1", [5432], {"app": "db"}, account="db"),
]
WORLD = [
    *PODS,
    policy("shop/db", "podSelector: {matchLabels: {app: db}}"),
    ADMIN,
    calico("Tier", "platform", "{order: 100, defaultAction: Pass}"),
    calico(
        "GlobalNetworkPolicy",
        "platform.dbs",
        "{tier: platform, order: 5, selector: app == 'db', ingress: [{action: Allow, protocol: TCP, source: "
        "{selector: app == 'web'}, destination: {ports: [5432]}}, {action: Deny}]}",
    ),
    calico("NetworkPolicy", "default.web", "{selector: app == 'web', egress: [{action: Allow}]}", "shop"),
    calico("NetworkPolicy", "web", "{selector: app == 'web', egress: [{action: Allow}]}", "shop", "crd.projectcalico.org/v1"),
    calico("GlobalNetworkPolicy", "default.nodes", "{selector: all(), preDNAT: true, ingress: [{action: Deny}]}"),
]


@contextlib.asynccontextmanager
async def program(folder: Path, objects: list[dict[str, Any]], cni: str) -> AsyncIterator[Pilot[Any]]:
    """The program on a world in a file, once it is read."""
    (folder / "world.yaml").write_text(yaml.safe_dump_all(objects))
    settings = load_settings({"filenames": [str(folder)], "cni": cni})
    session = Session(source_for(settings), settings)
    async with MeshtuiApp(session).run_test(size=(160, 40)) as pilot:
        await until(pilot, lambda: session.settled and isinstance(pilot.app.screen, MainScreen))
        yield pilot


async def at(pilot: Pilot[Any], word: str) -> MainScreen:
    """The main screen, after a word at the prompt."""
    await pilot.press("colon", *word, "enter")
    screen = pilot.app.screen
    assert isinstance(screen, MainScreen)
    wanted = "tiers" if word == "tiers" else "networkpolicies"
    await until(pilot, lambda: screen.pane.id == wanted and not screen.query_one(Prompt).display)
    return screen


def cells(screen: MainScreen) -> dict[str, dict[str, str]]:
    """The rows as they are shown: texts by column, by name."""
    table = table_of(screen)
    titles = [column.title for column in table.columns]
    rows = [dict(zip(titles, (cell.text for cell in row.cells), strict=True)) for row in table.rows]
    return {row.get("NAME", row.get("TIER", "")): row for row in rows} if table.display else {}


def detail(screen: MainScreen, name: str) -> str:
    """What the detail says of a row."""
    row = next(row for row in table_of(screen).rows if any(cell.text == name for cell in row.cells))
    return screen.pane.detail(screen.view, row.uid).plain()


async def test_every_policy_of_the_network_is_a_row_once_with_its_kind_and_place(tmp_path: Path) -> None:
    async with program(tmp_path, WORLD, "calico") as pilot:
        found = cells(await at(pilot, "np"))
    seen = {name: tuple(row[t] for t in ("KIND", "ORDER", "PODS", "DIRECTIONS", "HBONE 15008")) for name, row in found.items()}
    assert seen == {
        "first": ("AdminNetworkPolicy", "Admin 10", "2", "egress", "-"),
        "platform.dbs": ("GlobalNetworkPolicy (Calico)", "platform 5", "1", "ingress", "-"),
        "default.nodes": ("GlobalNetworkPolicy (Calico)", "-", "?", "not evaluated", "-"),
        "db": ("NetworkPolicy", "default 1000", "1", "ingress", "closed"),
        "default.web": ("NetworkPolicy (Calico)", "default", "1", "egress", "open"),
    }


async def test_where_all_are_networkpolicies_no_column_says_so(tmp_path: Path) -> None:
    async with program(tmp_path, [*PODS, policy("shop/db", "podSelector: {}")], "calico") as pilot:
        (row,) = cells(await at(pilot, "np")).values()
    assert not {"KIND", "ORDER"} & set(row)


async def test_a_short_name_shows_one_kind(tmp_path: Path) -> None:
    objects = [
        *PODS,
        cnp("{endpointSelector: {}}", "shop/all"),
        ccnp("{endpointSelector: {}}"),
        policy("shop/db", "podSelector: {}"),
    ]
    async with program(tmp_path, objects, "cilium") as pilot:
        for word, names in (("cnp", {"all"}), ("ccnp", {"w"}), ("np", {"all", "w", "db"})):
            assert set(cells(await at(pilot, word))) == names, word


async def test_the_detail_has_the_rules_in_words(tmp_path: Path) -> None:
    async with program(tmp_path, WORLD, "calico") as pilot:
        screen = await at(pilot, "gnp")
        text = detail(screen, "platform.dbs")
    assert "ingress[0] allow TCP from [app == 'web'] to ports 5432" in text
    assert "ingress[1] deny everything" in text
    assert "the tier platform passes on" in text
    assert "shop/db" in text


async def test_the_tiers_are_in_the_order_of_their_evaluation(tmp_path: Path) -> None:
    async with program(tmp_path, WORLD, "calico") as pilot:
        screen = await at(pilot, "tiers")
        found = {name: (row["ORDER"], row["AT ITS END"], row["POLICIES"]) for name, row in cells(screen).items()}
        default = detail(screen, "default")
    assert found == {
        "platform": ("100", "pass", "1"),
        "adminnetworkpolicy": ("1000", "pass", "1"),
        "default": ("1000000", "deny", "2"),
        "baselineadminnetworkpolicy": ("10000000", "pass", "0"),
    }
    assert default.index("shop/db") < default.index("default.web"), "NetworkPolicies have an order, this one has none"


async def test_a_written_default_tier_keeps_networkpolicies(tmp_path: Path) -> None:
    """A live cluster has the object, and those of the admin tiers."""
    objects = [*WORLD, calico("Tier", "default", "{order: 1000000, defaultAction: Deny}")]
    async with program(tmp_path, objects, "calico") as pilot:
        assert cells(await at(pilot, "np"))["db"]["ORDER"] == "default 1000"
        assert cells(await at(pilot, "tiers"))["default"]["POLICIES"] == "2"


async def test_a_policy_that_the_agent_refuses_says_so(tmp_path: Path) -> None:
    ports = "[{ports: [{port: '99999', protocol: TCP}]}]"
    objects = [*PODS, cnp(f"{{endpointSelector: {{}}, ingress: [{{toPorts: {ports}}}]}}", "shop/odd")]
    async with program(tmp_path, objects, "cilium") as pilot:
        assert "Cilium refuses it" in detail(await at(pilot, "np"), "odd")


async def test_what_a_rule_passes_on_is_not_closed(tmp_path: Path) -> None:
    rules = "[{action: Pass, protocol: TCP, destination: {ports: [15008]}}]"
    objects = [*PODS, calico("GlobalNetworkPolicy", "default.p", f"{{selector: all(), ingress: {rules}}}")]
    async with program(tmp_path, objects, "calico") as pilot:
        assert cells(await at(pilot, "np"))["default.p"]["HBONE 15008"] == "some"


async def test_keys_that_are_typed_ahead_run_no_command(tmp_path: Path) -> None:
    async with program(tmp_path, WORLD, "calico") as pilot:
        for key in ("colon", *"wd", "enter"):  # why, describe
            pilot.app.post_message(Key(key, key if len(key) == 1 else None))
        await pilot.pause()
        screen = pilot.app.screen
        assert isinstance(screen, MainScreen)
        await until(pilot, lambda: not screen.query_one(Prompt).display)
        assert pilot.app.screen is screen


async def test_without_tiers_it_says_whose_they_are(tmp_path: Path) -> None:
    async with program(tmp_path, PODS, "cilium") as pilot:
        screen = await at(pilot, "tiers")
        assert not cells(screen)
        assert "they are Calico's" in screen.box.document.plain
