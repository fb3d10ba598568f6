"""Each denial once: what is grouped, what is matched, and what is bounded."""

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from meshtui.logs.tally import MATCH_S, MOST_GROUPS, MOST_PAIRS, Tally
from meshtui.model.denial import WINDOW_S, DenialKind, Peer, Rejection
from meshtui.model.snapshot import Snapshot
from tests.fakes.frozen import bookstore

AT = datetime(2026, 11, 24, 13, 0, tzinfo=UTC)
NOBODY = Snapshot()
SOURCE, DESTINATION = Peer("10.0.0.1", "shop", "web-1"), Peer("10.0.0.2", "back", "db-0")
WEB = "spiffe://cluster.local/ns/shop/sa/web"


def rejected(seconds=0.0, *, source=SOURCE, identity=WEB, reason="rejected", port=8000):
    at = AT + timedelta(seconds=seconds)
    return Rejection(at, DenialKind.REJECTED, source, DESTINATION, port, reason, True, "ztunnel", identity)


def refused(seconds=0.0, *, source=SOURCE, port=8000):
    at = AT + timedelta(seconds=seconds)
    return Rejection(at, DenialKind.REFUSED, source, DESTINATION, port, "http status: 401 Unauthorized", False, "ztunnel", WEB)


def tally(*seen, snapshot=NOBODY):
    made = Tally()
    for each in seen:
        made.add(each, snapshot)
    return made


def summary(made):
    return [(d.kind, d.count) for d in made.denials]


def test_both_ends_lines_are_one_denial_whichever_comes_first():
    assert summary(tally(rejected(), refused(0.1))) == [(DenialKind.REJECTED, 1)]
    assert summary(tally(refused(0.1), rejected())) == [(DenialKind.REJECTED, 1)]


def test_a_source_whose_other_end_is_not_seen_still_counts():
    assert summary(tally(refused())) == [(DenialKind.REFUSED, 1)]


def test_lines_that_are_too_far_apart_are_two_denials():
    assert {count for _, count in summary(tally(rejected(), refused(MATCH_S + 10)))} == {1}
    assert len(tally(rejected(), refused(MATCH_S + 10)).denials) == 2


def test_another_port_or_source_is_another_denial():
    assert len(tally(rejected(), refused(port=8001)).denials) == 2
    assert len(tally(rejected(), refused(source=Peer("10.0.0.9", "shop", "web-2"))).denials) == 2


def test_plaintext_has_no_other_end_to_wait_for():
    made = tally(rejected(identity=""), refused())
    assert sum(count for _, count in summary(made)) == 2


def test_a_history_read_one_log_after_the_other_is_matched_too():
    seconds = range(0, WINDOW_S, 7)
    made = tally(*(rejected(s) for s in seconds), *(refused(s + 0.2) for s in seconds))
    assert summary(made) == [(DenialKind.REJECTED, len(seconds))]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_order_of_lines_counts_each_connection_once(data):
    """N connections, each with both ends' lines, in any order: N denials, and every one has the better line."""
    times = data.draw(st.lists(st.integers(0, WINDOW_S - 1), min_size=1, max_size=25))
    lines = [*(rejected(t) for t in times), *(refused(t + 0.5) for t in times)]
    made = tally(*data.draw(st.permutations(lines)))
    counted = sum(count for _, count in summary(made))
    # Neighbours may be taken for each other's end, never more than there were connections.
    assert counted >= len(times)
    if all(abs(a - b) > 2 * MATCH_S for i, a in enumerate(times) for b in times[:i]):
        assert summary(made) == [(DenialKind.REJECTED, len(times))]


def test_the_newest_group_is_first_and_its_times_are_right():
    made = tally(rejected(5), rejected(1, reason="another"), rejected(3), rejected(9, reason="another"))
    first, second = made.denials
    assert (first.reason, first.count, first.last - AT) == ("another", 2, timedelta(seconds=9))
    assert (second.first - AT, second.last - AT) == (timedelta(seconds=3), timedelta(seconds=5))


def test_recent_ones_are_counted_by_time():
    made = tally(*(rejected(s) for s in (0, 100, 590, 595)))
    assert made.denials[0].since(AT + timedelta(seconds=580)) == 2
    assert made.denials[0].since(AT - timedelta(seconds=10)) == 4


def test_memory_is_bounded_by_groups_and_pairs():
    made = Tally()
    for number in range(MOST_GROUPS + MOST_PAIRS + 50):
        source = Peer(f"10.{number // 65536}.{number // 256 % 256}.{number % 256}", "shop", f"web-{number}")
        made.add(rejected(source=source), NOBODY)
    assert len(made.denials) == MOST_GROUPS
    assert made.forgotten == MOST_PAIRS + 50
    assert len(made._pairs) == MOST_PAIRS


def test_ends_are_workloads_where_the_pods_are_known_and_never_guessed_where_not():
    snapshot = bookstore()
    client = next(pod for pod in snapshot.pods.values() if pod.name.startswith("ecom-service"))
    seen = tally(rejected(source=Peer(client.ips[0], client.namespace, client.name)), snapshot=snapshot).denials[0]
    assert str(seen.source) == "ecom/deployment/ecom-service"
    assert str(seen.destination) == "back/db-0"
    # An address that has gone over to another pod isn't taken for the one that the log names.
    seen = tally(rejected(source=Peer(client.ips[0], "shop", "old")), snapshot=snapshot).denials[0]
    assert str(seen.source) == "shop/old"
    seen = tally(rejected(source=Peer("203.0.113.9")), snapshot=snapshot).denials[0]
    assert str(seen.source) == "203.0.113.9"
    seen = tally(rejected(source=Peer("")), snapshot=snapshot).denials[0]
    assert (seen.source, seen.flow) == (None, None)
