"""A TCP proxy with the faults that a network has; it loses bytes, but never in the middle.

A connection of which bytes were swallowed passes nothing more and is reset in the end: a stream
with a hole in it would be a fault that no network makes.
"""

import asyncio
import random
import socket
import struct
import threading
from contextlib import suppress
from typing import Final, NamedTuple

PIECE: Final = 1 << 16
UP, DOWN = "up", "down"  # from the client to the server, and back


class Faults(NamedTuple):
    """What happens to bytes on their way."""

    refuses: bool = False  # connections are reset, new ones too
    swallows: frozenset[str] = frozenset()  # directions in which everything vanishes, FIN as well
    late: float = 0.0  # up to so long is each piece on its way [s]
    rate: float = 0.0  # bytes a second, 0: as many as come


class Trap(NamedTuple):
    """A client that says `first`, and later `then`, ends its connection's life with that."""

    first: bytes
    then: bytes
    passes: bool  # the piece still reaches the server; its answer does not come back
    sprung: threading.Event


class _Link:
    """One connection through the proxy."""

    def __init__(self, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self.writers = {DOWN: client, UP: server}
        self.dead: set[str] = set()  # directions in which bytes were lost
        self.over = asyncio.Event()
        self.trapped: Trap | None = None  # the first bytes were heard

    def reset(self) -> None:
        """Break off, both ways, without a FIN."""
        self.over.set()
        for writer in self.writers.values():
            reset(writer)


class Proxy:
    """Listens on a port of its own; the faults are set from any thread, at any time."""

    def __init__(self, target: tuple[str, int], *, host: str = "127.0.0.1", seed: int = 0) -> None:
        self._target = target
        self._dice = random.Random(seed)  # noqa: S311
        self._faults = Faults()
        self._trap: Trap | None = None
        self._links: set[_Link] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._serving: set[asyncio.Task[None]] = set()
        # Not by asyncio's server: it leaves open who comes in while it closes.
        self._door = socket.create_server((host, 0))
        self._door.setblocking(False)
        self.address: tuple[str, int] = self._door.getsockname()
        self._loop.call_soon_threadsafe(self._loop.add_reader, self._door, self._let_in)

    def set(self, faults: Faults) -> None:
        """Let these faults happen from now on."""
        self._run(self._set(faults))

    def cut(self) -> None:
        """Reset every connection; new ones are let in."""
        self._run(self._cut())

    def heal(self) -> None:
        """End every fault; connections that have lost bytes are reset."""
        self.set(Faults())

    def trap(self, first: bytes, then: bytes, *, passes: bool) -> threading.Event:
        """Wait for these bytes from one client; what is given back is set when they came."""
        trap = Trap(first, then, passes, threading.Event())
        self._trap = trap
        return trap.sprung

    def close(self) -> None:
        """Let go of the port and of everybody."""
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)

    async def _set(self, faults: Faults) -> None:
        self._faults = faults
        if faults == Faults():
            self._trap = None
        for link in list(self._links):
            if faults.refuses or (link.dead and not faults.swallows):
                link.reset()

    async def _cut(self) -> None:
        for link in list(self._links):
            link.reset()

    async def _close(self) -> None:
        self._loop.remove_reader(self._door)
        self._door.close()
        self._faults = Faults(refuses=True)
        # Again and again: somebody may just be coming in.
        while self._serving:
            await self._cut()
            await asyncio.wait(self._serving, timeout=0.05)

    def _let_in(self) -> None:
        with suppress(BlockingIOError, ConnectionAbortedError):  # who has left already
            connection, _ = self._door.accept()
            connection.setblocking(False)
            task = self._loop.create_task(self._serve(connection))
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)

    async def _serve(self, connection: socket.socket) -> None:
        reader, writer = await asyncio.open_connection(sock=connection)
        if self._faults.refuses:
            reset(writer)
            await closed(writer)
            return
        try:
            from_server, to_server = await asyncio.open_connection(*self._target)
        except OSError:
            reset(writer)  # as if the server itself had refused
            await closed(writer)
            return
        link = _Link(writer, to_server)
        self._links.add(link)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pump(reader, link, UP))
                both.create_task(self._pump(from_server, link, DOWN))
        except* OSError:
            link.reset()
        finally:
            await closed(writer, to_server)  # until then it can be reset: nobody may be reading
            self._links.discard(link)

    async def _pump(self, reader: asyncio.StreamReader, link: _Link, way: str) -> None:
        writer = link.writers[way]
        while piece := await reader.read(PIECE):
            faults = self._faults
            if faults.late:
                await asyncio.sleep(self._dice.uniform(0, faults.late))
            if faults.rate:
                await asyncio.sleep(len(piece) / faults.rate)
            if way in self._faults.swallows:
                link.dead.add(way)
            passes = self._spring(link, piece) if way == UP else True
            if way not in link.dead and passes:
                writer.write(piece)
                await writer.drain()
        if way in self._faults.swallows:
            link.dead.add(way)
        if way in link.dead:
            await link.over.wait()  # nobody hears of the FIN either
        writer.write_eof()

    def _spring(self, link: _Link, piece: bytes) -> bool:
        """Say whether the piece passes; if it is what the trap waits for, spring it."""
        trap = self._trap
        if trap is None:
            return True
        if trap.first in piece:
            link.trapped = trap
        if link.trapped is not trap or trap.then not in piece:
            return True
        self._trap = None
        link.dead |= {DOWN} if trap.passes else {UP, DOWN}
        trap.sprung.set()
        return trap.passes


async def closed(*writers: asyncio.StreamWriter) -> None:
    """Close them, and wait until they are."""
    for writer in writers:
        writer.close()
    for writer in writers:
        with suppress(OSError):
            await writer.wait_closed()


def reset(writer: asyncio.StreamWriter) -> None:
    """Close at once, with a RST."""
    connection: socket.socket = writer.get_extra_info("socket")
    if connection.fileno() >= 0:
        linger = struct.pack("ii", 1, 0)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()
