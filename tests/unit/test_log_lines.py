"""What is read in the ztunnels' lines about a workload, and how they are folded and filtered."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshtui.logs.failures import Failure
from meshtui.logs.ztunnel import parse_access_line
from meshtui.ui.log_lines import CHECK, CLASSES, SCRAPE, page, read_entries
from tests.fakes.frozen import NOW, bookstore
from tests.fakes.ztunnel_lines import REFUSED, REJECTED, access_line, pod_of

SNAPSHOT = bookstore()
CLIENT, SERVER, SCRAPER = (pod_of(SNAPSHOT, name).key for name in ("ecom-service", "inventory-service", "prometheus"))


def entries(*lines):
    return read_entries((parse_access_line(each) for each in lines), SNAPSHOT)


def shown(*lines, **how):
    return page("log", entries(*lines), NOW, **how)


def rows(found):
    return found.document.plain().split("\n")[2:]


def test_every_failure_has_a_class():
    assert set(CLASSES) == {None, *Failure}


@pytest.mark.parametrize(
    ("source", "target", "ends", "linked"),
    [
        pytest.param(CLIENT, SERVER, "ecom/ecom-service → inventory/inventory-service:8000", True, id="pods"),
        pytest.param("ecom/ecom-service-7d9f-x", SERVER, "ecom/ecom-service → inventory/inventory-service:8000", True, id="gone"),
        pytest.param("ecom/ecom-db-7", SERVER, "ecom/ecom-db → inventory/inventory-service:8000", True, id="gone, of a set"),
        pytest.param("other/thing-1", SERVER, "other/thing-1 → inventory/inventory-service:8000", False, id="not known"),
    ],
)
def test_ends_are_workloads_and_lead_to_their_flow(source, target, ends, linked):
    (entry,) = entries(access_line(source, target, 8000))
    assert entry.ends == ends
    assert (entry.flow is not None) == linked
    if linked:
        assert f"{entry.flow.destination}:{entry.flow.port}" == "inventory/deployment/inventory-service:8000"


def test_the_class_stands_beside_the_line_with_its_age():
    found = shown(access_line(CLIENT, SERVER, 8000, ago_s=40, error=REJECTED), access_line(CLIENT, SERVER, 8000, ago_s=2))
    denied, why, closed = rows(found)
    assert "13:49:20  40s  ✗ denied" in denied
    assert why.strip() == "allow policies exist, but none allowed"
    assert "13:49:58   2s  ✓ closed" in closed
    assert "sent 185 B, received 98.8 kB" in closed
    assert "as ecom/sa/ecom" in closed
    assert found.document.plain().split("\n")[found.matters[0]] == denied


def test_scrapes_are_one_line_until_they_are_unfolded():
    lines = [access_line(SCRAPER, CLIENT, 8080, ago_s=60 - n) for n in range(12)]
    lines += [access_line(CLIENT, SERVER, 8000, ago_s=10), access_line(SCRAPER, CLIENT, 8080, ago_s=5)]
    found = shown(*lines)
    first, middle, last = rows(found)
    assert "12 metrics scrapes to 13:49:11" in first
    assert "inventory-service" in middle
    assert "1 metrics scrape (" in last
    assert (found.shown, found.folded, found.hidden) == (1, 13, 0)
    assert len(rows(shown(*lines, unfolded=True))) == 14


def test_a_scrape_that_fails_is_not_folded():
    found = shown(access_line(SCRAPER, CLIENT, 8080, error=REFUSED))
    assert found.matters
    assert found.folded == 0


def test_a_call_from_a_node_without_identity_is_a_health_check():
    node = next(ip for each in SNAPSHOT.nodes.values() for ip in each.ips)
    text = access_line("a/b", CLIENT, 8080, inbound=True).replace('src.workload="b" src.namespace="a" ', "")
    text = text.replace("127.1.0.4:35498", f"{node}:35498").replace('src.identity="spiffe://cluster.local/ns/a/sa/a" ', "")
    assert entries(text)[0].routine == CHECK
    assert entries(text.replace(f"{node}:", "10.99.99.99:"))[0].routine == ""
    assert entries(access_line(SCRAPER, CLIENT, 8080))[0].routine == SCRAPE


line_kinds = st.lists(st.tuples(st.sampled_from([SCRAPER, CLIENT]), st.sampled_from(["", REJECTED])), max_size=30)


@given(line_kinds, st.booleans(), st.sampled_from([60, 80, 200]))
def test_no_entry_is_lost_and_each_failure_has_its_own_line(kinds, unfolded, width):
    lines = [access_line(who, SERVER, 8000, ago_s=100 - n, error=error) for n, (who, error) in enumerate(kinds)]
    found = shown(*lines, unfolded=unfolded, width=width)
    assert found.shown + found.folded == len(lines)
    plain = found.document.plain().split("\n")
    assert [number for number, row in enumerate(plain) if "✗" in row] == list(found.matters)
    assert len(found.matters) == sum(bool(error) for _, error in kinds)


def test_a_filter_leaves_lines_and_says_when_none_is_left():
    lines = [access_line(CLIENT, SERVER, 8000), access_line(CLIENT, SERVER, 8000, error=REJECTED)]
    assert len(rows(shown(*lines, holds=lambda text: "denied" in text))) == 2
    assert rows(shown(*lines, holds=lambda _: False)) == ["no line has this"]
    assert "in the log yet" in rows(shown())[0]


def test_beside_another_end_the_workload_itself_is_not_named():
    both = [parse_access_line(each) for each in (access_line(CLIENT, SERVER, 8000), access_line(SERVER, CLIENT, 8080))]
    found = read_entries(both, SNAPSHOT, lambda end: f"{end.namespace}/{end.workload}" == CLIENT)
    assert [entry.ends for entry in found] == ["→ inventory/inventory-service:8000", ":8080 ← inventory/inventory-service"]
