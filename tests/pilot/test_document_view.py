"""A document on the screen: how it breaks, what stays in view, and how it is searched."""

from __future__ import annotations

import pytest
from textual.app import App, ComposeResult

from meshtui.model.ids import ObjectRef
from meshtui.ui.document import Document, facts, line, section
from meshtui.ui.widgets.document_view import DocumentView
from meshtui.ui.yaml_marks import YamlLines


class Host(App[None]):
    CSS = "DocumentView { height: 1fr; scrollbar-gutter: stable; scrollbar-size-vertical: 1; overflow-x: hidden; }"

    def compose(self) -> ComposeResult:
        yield DocumentView()


@pytest.fixture
def host() -> Host:
    return Host()


def show_text(view: DocumentView, text: str) -> None:
    """Show a text that isn't a document."""
    view.show_yaml("t", YamlLines(text, ObjectRef("ConfigMap", "ecom", "t")))


def rows(view: DocumentView) -> list[str]:
    return [view.render_line(y).text.rstrip() for y in range(view.size.height)]


async def test_lines_go_on_indented_and_names_are_whole(host: Host) -> None:
    document = Document(
        "NetworkPolicy ecom/ecom-netpol",
        (
            section("Facts", *facts(("selects", "app=ecom-service, tier=backend"))),
            section("", line("a flow ✗ inventory-service")),
        ),
    )
    async with host.run_test(size=(30, 20)) as pilot:
        view = host.query_one(DocumentView)
        view.show(document)
        await pilot.pause()
        assert rows(view)[:8] == [
            "NetworkPolicy",
            "  ecom/ecom-netpol",
            "",
            "Facts",
            "  selects  app=ecom-service,",
            "           tier=backend",
            "",
            "a flow ✗ inventory-service",
        ]
        await pilot.resize_terminal(24, 20)
        await pilot.pause()
        assert rows(view)[4:7] == ["  selects", "    app=ecom-service,", "    tier=backend"]
        assert "  ✗ inventory-service" in rows(view)


async def test_the_line_at_the_top_stays_there_when_the_width_changes(host: Host) -> None:
    async with host.run_test(size=(40, 10)) as pilot:
        view = host.query_one(DocumentView)
        show_text(view, "\n".join(f"{n} " + "word " * 12 for n in range(100)))
        await pilot.pause()
        view.scroll_to(y=view._row_of(50, 0), animate=False, force=True)
        await pilot.pause()
        assert rows(view)[0].startswith("50 ")
        await pilot.resize_terminal(70, 10)
        await pilot.pause()
        assert rows(view)[0].startswith("50 ")


async def test_matches_are_found_across_the_places_where_lines_break(host: Host) -> None:
    async with host.run_test(size=(30, 6)) as pilot:
        view = host.query_one(DocumentView)
        show_text(view, "\n".join(["nothing"] * 20 + ["spiffe://cluster.local/ns/ecom/sa/ecom-db"] + ["x"] * 20 + ["Ecom"]))
        await pilot.pause()
        view.find("NS/ecom/sa")
        assert view.found == (0, 0)
        view.find("ns/ecom/sa")
        await pilot.pause()
        assert view.found == (1, 1)
        assert any("spiffe" in row for row in rows(view))
        assert any(segment.style and segment.style.reverse for y in range(6) for segment in view.render_line(y))
        view.find("ecom")
        assert view.found == (1, 3)
        view.step(-1)
        await pilot.pause()
        assert view.found == (3, 3)
        assert "Ecom" in rows(view)
        view.find("Ecom")
        assert view.found == (1, 1)
        view.find("")
        assert view.found == (0, 0)


async def test_ten_thousand_lines_are_not_rendered_at_once(host: Host) -> None:
    async with host.run_test(size=(80, 24)) as pilot:
        view = host.query_one(DocumentView)
        show_text(view, "\n".join(f"line {n}" for n in range(10_000)))
        await pilot.pause()
        assert len(view._strips) < 100
        view.scroll_end(animate=False, force=True)
        await pilot.pause()
        assert rows(view)[-1] == "line 9999"


async def test_what_is_selected_is_copied_without_the_breaks(host: Host) -> None:
    async with host.run_test(size=(30, 10)) as pilot:
        view = host.query_one(DocumentView)
        show_text(view, "spiffe://cluster.local/ns/ecom/sa/ecom-db")
        await pilot.pause()
        assert rows(view)[1].strip()
        await pilot.mouse_down(DocumentView, offset=(0, 0))
        await pilot.hover(DocumentView, offset=(12, 1))
        await pilot.mouse_up(DocumentView, offset=(12, 1))
        selected = host.screen.get_selected_text()
        assert selected is not None
        assert selected.startswith("spiffe://cluster.local/ns/ecom/sa/ec")
        assert "\n" not in selected
