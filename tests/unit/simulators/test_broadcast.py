import asyncio
from collections.abc import AsyncIterator, Callable
from urllib.parse import urlsplit

import pytest

from simulators.broadcast import Broadcast

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def numbered() -> Callable[[bytes], bytes]:
    """Encoder that says how many it has sent, as a container's header does."""
    sent = 0

    def encode(item: bytes) -> bytes:
        nonlocal sent
        sent += 1
        return b"%d:%s\n" % (sent, item)

    return encode


@pytest.fixture
async def port() -> AsyncIterator[tuple[Broadcast[bytes], str]]:
    broadcast = Broadcast[bytes](numbered, backlog=4)
    url = await broadcast.open(0)
    yield broadcast, url
    await broadcast.close()


async def connect(port: tuple[Broadcast[bytes], str]) -> Streams:
    broadcast, url = port
    before = broadcast.clients
    streams = await asyncio.open_connection("127.0.0.1", urlsplit(url).port)
    await until(lambda: broadcast.clients > before)
    return streams


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - the port has no event for its tests
            await asyncio.sleep(0)


async def test_a_late_client_gets_the_live_point(port: tuple[Broadcast[bytes], str]) -> None:
    early, one = await connect(port)
    port[0].publish(b"a")
    assert await early.readline() == b"1:a\n"
    late, other = await connect(port)
    port[0].publish(b"b")
    assert await early.readline() == b"2:b\n"
    assert await late.readline() == b"1:b\n"
    one.close()
    other.close()


async def test_a_full_queue_drops_the_oldest_and_counts(
    port: tuple[Broadcast[bytes], str],
) -> None:
    reader, writer = await connect(port)
    for item in b"abcdefg":  # nothing is sent before the loop turns
        port[0].publish(bytes([item]))
    assert port[0].dropped == 3
    assert [await reader.readline() for _ in range(4)] == [b"1:d\n", b"2:e\n", b"3:f\n", b"4:g\n"]
    writer.close()


async def test_a_client_that_does_not_read_holds_up_nobody(
    port: tuple[Broadcast[bytes], str],
) -> None:
    _, deaf = await connect(port)
    reader, writer = await connect(port)
    large = b"x" * 50_000
    for k in range(1, 400):
        port[0].publish(large)
        assert (await reader.readline()).startswith(b"%d:" % k)
    assert port[0].dropped > 0
    deaf.close()
    writer.close()


async def test_who_leaves_is_forgotten(port: tuple[Broadcast[bytes], str]) -> None:
    _, writer = await connect(port)
    writer.close()
    await until(lambda: port[0].clients == 0)
    port[0].publish(b"a")
    assert port[0].dropped == 0


async def test_the_end_comes_after_what_waits() -> None:
    broadcast = Broadcast[bytes](numbered)
    url = await broadcast.open(0)
    reader, writer = await connect((broadcast, url))
    broadcast.publish(b"last")
    await broadcast.close()
    assert await reader.read() == b"1:last\n"
    writer.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", urlsplit(url).port)


async def test_a_fault_of_the_encoder_is_not_hidden() -> None:
    faults: list[BaseException] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: faults.append(context["exception"]))

    def broken() -> Callable[[bytes], bytes]:
        return lambda item: item.no_such_method()  # type: ignore[attr-defined,no-any-return]

    broadcast = Broadcast[bytes](broken)
    _, writer = await connect((broadcast, await broadcast.open(0)))
    broadcast.publish(b"a")
    await until(lambda: bool(faults))
    assert isinstance(faults[0], AttributeError)
    writer.close()
    await broadcast.close()
