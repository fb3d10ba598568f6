"""Parts of both forms of a map: the box in the middle, names that are shortened, items in reading order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from rich.cells import cell_len

from meshtui.ui.columns import shorten
from meshtui.ui.document import DIM, STRONG
from meshtui.ui.links import Link
from meshtui.ui.pictures.canvas import Canvas, Item, widest
from meshtui.ui.pictures.map_data import MapData
from meshtui.ui.pictures.map_rows import Row, shown_name
from meshtui.ui.text import clean

CENTRE = "centre"
"""The id of the item in the middle."""
LEAST_NAME = 10
"""A name is never shortened to fewer cells."""


@dataclass(slots=True)
class Items:
    """Items as they are found; ``put_on`` makes their ids unique, and gives them to a canvas in reading order."""

    found: list[Item] = field(default_factory=list)

    def add(self, id: str, x: int, y: int, width: int, height: int = 1, link: Link | None = None) -> None:  # noqa: A002  (as in Item)
        """Let the cursor rest on a rectangle."""
        self.found.append(Item(id, x, y, max(1, width), height, link))

    def put_on(self, canvas: Canvas) -> None:
        """Give them to a canvas, cut off at its right edge."""
        seen: dict[str, int] = {}
        for item in sorted(self.found, key=lambda each: (each.y, each.x)):
            if not (0 <= item.x < canvas.width and item.y < canvas.height):
                continue
            number = seen[item.id] = seen.get(item.id, 0) + 1
            unique = f"{item.id}#{number}" if number > 1 else item.id
            shown = replace(item, id=unique, width=min(item.width, canvas.width - item.x))
            canvas.item(shown.id, shown.x, shown.y, shown.width, min(item.height, canvas.height - item.y), shown.link)


def facts_of(data: MapData) -> list[str]:
    """What is said of the centre besides its name: its identity and its mesh mode."""
    return [text for text in (clean(data.identity).strip(), clean(data.mode).strip()) if text]


def headings(data: MapData) -> tuple[str, str]:
    """What both sides are, with the number of neighbours."""
    right = f"Selects {len(data.selected)}" if data.selected else f"Callees {len(data.callees)}"
    return f"Callers {len(data.callers)}", right


def name_width(rows: Sequence[Row]) -> int:
    """The width of the longest name."""
    return widest(row.name for row in rows)


def short_name(text: str, width: int) -> str:
    """A name in at most ``width`` cells. Of ``NAMESPACE/NAME`` the namespace is shortened first."""
    space, slash, name = text.partition("/")
    room = width - cell_len(name) - 1
    if cell_len(text) <= width or not slash or room < 1:
        return shorten(text, width)
    return f"{shorten(space, room)}/{name}"


def centre_name(data: MapData, width: int) -> str:
    """The name in the middle, in at most ``width`` cells."""
    return short_name(shown_name(data.name), width)


def middled(canvas: Canvas, x: int, y: int, width: int, text: str, tone: str = DIM) -> None:
    """Write a text in the middle of some cells."""
    text = shorten(text, width)
    canvas.put(x + (width - cell_len(text)) // 2, y, text, tone)


def box(canvas: Canvas, x: int, y: int, width: int, lines: Sequence[str]) -> None:
    """A heavy box with lines of text; the first one is a name."""
    canvas.box(x, y, width, len(lines) + 2, STRONG, heavy=True)
    for number, text in enumerate(lines):
        canvas.put(x + 2, y + 1 + number, text, DIM if number else STRONG)


def name_item(items: Items, row: Row, x: int, y: int, width: int) -> None:
    """The item of a row's name."""
    if row.first:
        items.add(row.name_id, x, y, width, link=row.link)


def edge_item(items: Items, row: Row, x: int, y: int, end: int) -> None:
    """The item of a row's edge."""
    if row.edge is not None:
        flow = row.edge.flow
        side = row.name_id.partition(":")[0]
        id_ = f"{side}-edge:{flow.source}>{flow.destination}:{flow.port}/{flow.protocol}"
        items.add(id_, x, y, end - x, link=flow)


def tops(rows: Sequence[Row], step: int, further: int = 1) -> list[int]:
    """The place of each row below the first one: ``step`` rows after a neighbour, ``further`` between its edges."""
    places: list[int] = []
    for row in rows:
        places.append(places[-1] + (step if row.first else further) if places else 0)
    return places
