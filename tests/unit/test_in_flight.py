"""Room for the bytes of several answers."""

import asyncio

from meshtui.sources.kubernetes.in_flight import InFlight


async def test_who_finds_no_room_waits_until_there_is_some():
    room, order = InFlight(10), []

    async def read(name, *sizes, until=None):
        async with room.reader() as hold:
            for size in sizes:
                await hold(size)
                order.append((name, size))
                assert room.held <= 10
            if until:
                await until.wait()

    first_may_end = asyncio.Event()
    first = asyncio.create_task(read("a", 6, until=first_may_end))
    second = asyncio.create_task(read("b", 3, 9))
    third = asyncio.create_task(read("c", 1))
    await asyncio.wait_for(third, 5)
    assert order == [("a", 6), ("b", 3), ("c", 1)]
    first_may_end.set()
    await asyncio.gather(first, second, third)
    assert order[-1] == ("b", 9)
    assert room.held == 0


async def test_the_first_gets_more_than_there_is_and_nobody_waits_for_ever():
    room, most = InFlight(10), []

    async def read(number):
        async with room.reader() as hold:
            for size in range(0, 30, 3):
                await hold(size)
                await asyncio.sleep(0)
                most.append(room.held)

    async with asyncio.timeout(10):
        await asyncio.gather(*map(read, range(20)))
    assert room.held == 0
    assert max(most) <= 10 + 27


async def test_a_reader_that_is_cancelled_gives_back_what_it_had():
    room = InFlight(10)

    async def stay():
        async with room.reader() as hold:
            await hold(10)
            await asyncio.Event().wait()

    one = asyncio.create_task(stay())
    await asyncio.sleep(0)
    two = asyncio.create_task(stay())
    await asyncio.sleep(0)
    two.cancel()
    one.cancel()
    await asyncio.gather(one, two, return_exceptions=True)
    async with asyncio.timeout(5), room.reader() as hold:
        await hold(10)
