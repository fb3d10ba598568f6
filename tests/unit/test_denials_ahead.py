"""Lines of a node whose clock is ahead of this machine's."""

import asyncio
from datetime import timedelta

import pytest

from meshtui.sources.kubernetes.denials import DenialLog
from tests.fakes.ztunnels import NOW, stamp
from tests.unit.mesh.test_enrolment import cluster, pod, ztunnel

SNAPSHOT = cluster(pod("web"), pod("catalog"), ztunnel())
ENDS = (
    'src.addr=10.0.0.3:40000 src.workload="web" src.namespace="shop" src.identity="spiffe://cluster.local/ns/shop/sa/web" '
    'dst.addr=10.0.0.7:15008 dst.hbone_addr=10.0.0.7:80 dst.workload="catalog" dst.namespace="shop" direction="inbound" '
    'bytes_sent=0 bytes_recv=0 duration="0ms"'
)


def line(at):
    return f"{stamp(at)}\tinfo\taccess\tconnection complete\t{ENDS}"


async def told(back, new=()):
    """A log that is read back, and followed until its new lines are there."""
    followed = asyncio.Event()

    async def read(_pod, _position, follow):
        yield [each.encode() for each in (new if follow else back)]
        if follow:
            followed.set()
            await asyncio.Event().wait()

    log = DenialLog(read, lambda: SNAPSHOT, clock=lambda: NOW)
    task = asyncio.create_task(log.run())
    async with asyncio.timeout(10):
        await followed.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return log


@pytest.mark.parametrize("ahead", [timedelta(seconds=6), timedelta(hours=5)])
async def test_what_was_logged_before_may_be_of_any_time_and_proves_nothing(ahead):
    log = await told([line(NOW + ahead)])
    assert log.captured == {}
    log = await told([line(NOW - timedelta(minutes=2)), line(NOW + ahead)])
    assert log.captured == {"shop/catalog": NOW - timedelta(minutes=2)}


@pytest.mark.parametrize("ahead", [timedelta(seconds=6), timedelta(hours=5)])
async def test_what_is_logged_while_the_log_is_followed_is_of_now(ahead):
    log = await told([], [line(NOW + ahead)])
    assert log.captured == {"shop/catalog": NOW}


async def test_a_few_seconds_are_no_difference():
    at = NOW + timedelta(seconds=5)
    assert (await told([line(at)])).captured == {"shop/catalog": at}
