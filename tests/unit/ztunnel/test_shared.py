"""Dumps that are read one after the other: equal entries are kept once, and a table that differs a little as the difference."""

import json
import random

import pytest

from meshtui.ztunnel.dump import Table
from meshtui.ztunnel.reading import Differing, Shared, read_dump
from tests.fakes.recordings import FOLDER


def workload(number, **more):
    return {
        "uid": f"Kubernetes//Pod/shop/web-{number}",
        "name": f"web-{number}",
        "namespace": "shop",
        "workloadIps": [f"10.0.0.{number}"],
        "services": ["shop/web.shop.svc.cluster.local", "shop/all.shop.svc.cluster.local"],
        **more,
    }


def dump(workloads, indent=2):
    return json.dumps({"workloads": workloads, "services": [], "policies": []}, indent=indent).encode()


WORKLOADS = [workload(number) for number in range(40)]


def test_equal_dumps_hold_the_same_tables_however_they_are_written():
    shared = Shared()
    shuffled = [{**each, "services": each["services"][::-1]} for each in WORKLOADS[::-1]]
    one, two, three = (read_dump(raw, shared) for raw in (dump(WORKLOADS), dump(WORKLOADS), dump(shuffled, indent=None)))
    assert one.workloads is two.workloads
    assert one.workloads is three.workloads
    assert len(one.workloads) == 40


@pytest.mark.parametrize("seed", range(20))
def test_a_table_that_differs_a_little_is_the_table_that_it_would_be_alone(seed):
    shared, chosen = Shared(), random.Random(seed)
    read_dump(dump(WORKLOADS), shared)
    other = [each for each in WORKLOADS if chosen.random() > 0.04]
    other = [{**each, "status": "Unhealthy"} if chosen.random() < 0.04 else each for each in other]
    other += [workload(number) for number in range(100, 100 + chosen.randrange(3))]
    found, again, alone = (read_dump(dump(other), known).workloads for known in (shared, shared, None))
    assert dict(found) == alone
    assert found == alone
    assert alone == found
    assert again is found
    assert len(found) == len(alone) == len(list(found))
    assert set(found.keys()) == set(alone.keys())
    assert all(found[key] == entry and key in found for key, entry in alone.items())
    assert list(found) == list(alone)
    assert found.get("nobody") is None


def test_a_difference_costs_little_and_a_large_one_is_kept_whole():
    shared = Shared()
    first = read_dump(dump(WORKLOADS), shared).workloads
    near = read_dump(dump(WORKLOADS[:-1]), shared).workloads
    far = read_dump(dump(WORKLOADS[:10]), shared).workloads
    assert isinstance(near, Differing)
    assert isinstance(far, dict)
    assert WORKLOADS[-1]["uid"] not in near
    with pytest.raises(KeyError):
        near[WORKLOADS[-1]["uid"]]
    assert all(first[key] is far[key] for key in far)
    assert len(shared.by_content[Table.WORKLOADS]) == 40


def test_many_different_tables_are_each_their_own():
    shared = Shared()
    dumps = [dump([workload(number)]) for number in range(30)]
    tables = [read_dump(raw, shared).workloads for raw in dumps]
    assert [read_dump(raw, shared).workloads for raw in dumps] == tables
    assert all(read_dump(raw, shared).workloads is table for raw, table in zip(dumps, tables, strict=True))
    assert read_dump(dump([]), shared).workloads == {}


def test_entries_with_the_same_key_are_all_kept():
    twice = [workload(1), workload(1, status="Unhealthy"), workload(1), workload(1, node="b")]
    found = read_dump(dump(twice)).workloads
    uid = twice[0]["uid"]
    assert list(found) == [uid, f"{uid}#2", f"{uid}#3"]


def test_a_hostile_dump_of_one_key_is_read_in_no_time():
    raw = dump([workload(1, name=str(number)) for number in range(20_000)], indent=None)
    assert len(read_dump(raw).workloads) == 20_000


def test_recordings_are_read_alike_alone_and_together():
    folder = FOLDER / "config_dump"
    if not folder.is_dir():
        pytest.skip(f"no recordings at {FOLDER}")
    shared = Shared()
    for path in sorted(folder.glob("*.json")):
        raw = path.read_bytes()
        one, other = read_dump(raw, shared), read_dump(bytearray(raw))
        assert one == other, path.name
        assert one.workloads == other.workloads
        assert one.problems == ()
