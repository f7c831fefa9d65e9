import asyncio

import pytest

from api.errors import TooManyStreamsError
from api.frames import Frame
from api.live import Hub

HERE = frozenset({"town/cam"})


def frame(number, *, kind="tracks", device="town/cam", key=""):
    return Frame(kind, device, number, key or kind, {"n": number})


async def take(stream, count):
    return [await anext(stream) for _ in range(count)]


async def test_a_client_sees_its_devices_only():
    hub = Hub(clients=2, queue=8)
    with hub.watch(HERE) as watcher:
        stream = hub.stream(watcher)
        assert await take(stream, 1) == [None]
        hub.publish(frame(1, device="town/other"))
        hub.publish(frame(2))
        assert [f.at for f in await take(stream, 1)] == [2]


async def test_a_newcomer_gets_the_latest_of_each_kind_and_head():
    hub = Hub(clients=1, queue=8)
    for each in (
        frame(1),
        frame(2),
        frame(3, kind="signal", key="2 vehicle"),
        frame(4, kind="signal", key="4 vehicle"),
        frame(2, kind="signal", key="2 vehicle"),  # late: changes nothing
        frame(5, kind="crossing"),
        frame(6, kind="crossing"),
    ):
        hub.publish(each)
    present = [(f.kind, f.at) for f in hub.snapshot(HERE)]
    assert sorted(present) == [
        ("crossing", 5),
        ("crossing", 6),
        ("signal", 3),
        ("signal", 4),
        ("tracks", 2),
    ]


async def test_who_falls_behind_starts_again_from_the_present():
    hub = Hub(clients=1, queue=8)
    with hub.watch(HERE) as watcher:
        stream = hub.stream(watcher)
        await take(stream, 1)
        for number in range(20):
            hub.publish(frame(number))
        assert hub.lost == watcher.lost == 12
        assert [f.at for f in await take(stream, 8)] == list(range(8))
        assert await take(stream, 1) == [None]
        assert [f.at for f in await take(stream, 1)] == [19]
        hub.publish(frame(20))
        assert [f.at for f in await take(stream, 1)] == [20]
        assert hub.lost == 12


async def test_the_slow_hold_nobody_up():
    hub = Hub(clients=2, queue=2)
    with hub.watch(HERE), hub.watch(HERE) as quick:
        stream = hub.stream(quick)
        await take(stream, 1)
        for number in range(100):
            hub.publish(frame(number))
            async with asyncio.timeout(5):
                assert [f.at for f in await take(stream, 1)] == [number]
        assert quick.lost == 0
        assert hub.lost == 98


async def test_places_are_bounded_and_given_back():
    hub = Hub(clients=1, queue=8)
    with hub.watch(HERE):
        assert hub.watching == 1
        with pytest.raises(TooManyStreamsError), hub.watch(HERE):
            pass
    assert hub.watching == 0
    with hub.watch(HERE):
        pass
