"""The sequence diagram: lifelines that never overlap, arrows that say how they ended without any colour."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from meshtui.model.flow import EndpointKind, Flow, FlowEndpoint
from meshtui.model.ids import ObjectRef
from meshtui.ui.pictures.sequence import Arrow, Diagram, Party, State, Step, Stop, draw_sequence, sequence_in_words

NAMES = ("client", "gateway", "keycloak", "ecom-service", "inventory-service", "ecom-db", "inventory-db")
FLOW = Flow(FlowEndpoint(EndpointKind.POD, "a", "b"), FlowEndpoint(EndpointKind.SERVICE, "c", "d"), 8000)
POLICY = ObjectRef("AuthorizationPolicy", "inventory", "closed")
PARTIES = tuple(Party(name, name, ObjectRef("Deployment", "ns", name)) for name in NAMES)
RESERVE = Arrow("reserve", "ecom-service", "inventory-service", mtls=True, identities=("sa/a", "sa/b"), strong=True, link=FLOW)
TITLES = ("stock before", "token", "what the shop sells", "cart", "checkout", "order and its event", "stock after")


def diagram(reserve: Arrow = RESERVE, parties: tuple[Party, ...] = PARTIES, **changes) -> Diagram:
    steps = [
        Step(
            title, title, State.DONE, "200", "12 ms", "", (Arrow(title, "client", "gateway"), Arrow(f"{title} 2", "gateway", to))
        )
        for title, to in zip(TITLES, ("inventory-service", "keycloak", *["ecom-service"] * 4, "inventory-service"), strict=True)
    ]
    steps.insert(5, replace(Step("reserve", "reserve call", reserve.state, "200", "3 ms", "", (reserve,), inner=True), **changes))
    return Diagram(parties, tuple(steps))


def row(text: str, words: str) -> str:
    return next(line for line in text.split("\n") if words in line)


def test_seven_parties_at_80_columns_keep_apart_and_a_legend_has_what_is_short():
    picture = draw_sequence(diagram(), 78, 16)
    assert picture.height <= 16
    text = picture.plain()
    heads = [item for item in picture.items if item.id.startswith("party ")]
    assert [item.id.removeprefix("party ") for item in heads] == list(NAMES)
    for left, right in pairwise(heads):
        assert left.x + left.width < right.x
    assert row(text, "reserve call").count("│") == len(NAMES) - 1
    for name in NAMES:
        assert name in text, "above its lifeline, or in the legend"


def test_items_lead_to_the_workload_and_to_the_flow_and_to_what_stopped_it():
    failed = replace(RESERVE, state=State.FAILED)
    data = diagram(failed, stopped_by="AuthorizationPolicy inventory/closed", stopper=POLICY)
    links = {item.id: item.link for item in draw_sequence(data, 118, 30).items}
    assert links["party ecom-service"] == ObjectRef("Deployment", "ns", "ecom-service")
    assert links["arrow reserve"] == FLOW
    assert links["stop reserve"] == POLICY


@pytest.mark.parametrize(
    ("arrow", "begin", "end"),
    [
        (RESERVE, "┣━", "━▶│"),
        (replace(RESERVE, strong=False), "├─", "─▶│"),
        (replace(RESERVE, state=State.RUNNING), "├··", "··▶│"),
        (replace(RESERVE, state=State.FAILED), "┣━", "━✗│"),
        (replace(RESERVE, state=State.FAILED, stop=Stop.SOURCE), "┣━✗", "│"),
        (replace(RESERVE, source="inventory-service", target="ecom-service"), "│◀━", "━┫"),
        (replace(RESERVE, strong=False, answer=True), "│┄", "┄▶│"),
    ],
    ids=["strong", "plain", "in progress", "stopped at its target", "stopped at its source", "to the left", "answer"],
)
def test_glyphs_say_how_an_arrow_ended(arrow, begin, end):
    line = row(draw_sequence(diagram(arrow, PARTIES[:5]), 118, 30).plain(), "reserve call").partition("3 ms")[2].strip()
    assert begin in line
    assert line.endswith(end)


def test_one_that_nobody_answered_ends_on_its_way():
    text = draw_sequence(diagram(replace(RESERVE, state=State.FAILED, stop=Stop.BETWEEN), PARTIES[:5]), 118, 30).plain()
    line = row(text, "reserve call")
    assert 3 < len(line.rpartition("✗")[2].rstrip("│")) < 14


def test_mtls_is_a_glyph_and_a_word_wherever_it_is():
    for width in (78, 118, 198):
        text = draw_sequence(diagram(), width, 30).plain()
        assert "▪" in row(text, "reserve call")
        assert "▪ mTLS" in text
    plain = draw_sequence(diagram(replace(RESERVE, mtls=False)), 198, 30).plain()
    assert "! plaintext" in row(plain, "reserve call")


@pytest.mark.parametrize(("width", "height", "shown"), [(118, 30, True), (198, 40, True), (78, 16, False)])
def test_identities_stand_under_the_arrow_where_there_is_room(width, height, shown):
    assert ("sa/a → sa/b" in draw_sequence(diagram(), width, height).plain()) is shown
    assert "sa/a → sa/b" in sequence_in_words(diagram()).plain()


def test_a_waiting_step_has_no_arrow_and_a_long_one_scrolls():
    waiting = Diagram(PARTIES, tuple(Step(str(number), f"step {number}") for number in range(40)))
    picture = draw_sequence(waiting, 100, 20)
    assert picture.height > 40
    assert "▶" not in picture.plain()


def test_nothing_at_all_is_said():
    assert draw_sequence(Diagram(), 80, 24).plain() == "no steps"


def test_hostile_names_stay_in_their_place():
    parties = (Party("a", "\x1b[31mred\n"), Party("b", "数据库" * 80), Party("c", ""))
    steps = (Step("s", "\x00" * 9, State.DONE, arrows=(Arrow("1", "a", "b"), Arrow("2", "b", "c"))),)
    text = draw_sequence(Diagram(parties, steps), 78, 20).plain()
    assert "\x1b" not in text
    assert "\x00" not in text
