"""TCP ports whose clients hear what happens from their connection on."""

import asyncio
from collections.abc import Callable
from typing import Final, Generic, TypeVar

Item = TypeVar("Item")
Encode = Callable[[Item], bytes]

BACKLOG: Final = 50
"""Items that wait for a slow client. Full: the oldest is dropped and counted."""


class Broadcast(Generic[Item]):
    """One port. No client can hold up the others or the sender.

    Parameters
    ----------
    encoder : Callable
        Makes the encoder of one client; it may remember what it has sent.
    """

    def __init__(self, encoder: Callable[[], Encode[Item]], *, backlog: int = BACKLOG) -> None:
        self._encoder = encoder
        self._backlog = backlog
        self._queues: set[asyncio.Queue[Item | None]] = set()
        self._clients: set[asyncio.Task[object]] = set()
        self._server: asyncio.Server | None = None
        self.dropped = 0

    async def open(self, port: int) -> str:
        """Listen on the loopback interface; port 0 takes a free one. Gives the URL."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port)
        host, taken = self._server.sockets[0].getsockname()[:2]
        return f"tcp://{host}:{taken}"

    @property
    def clients(self) -> int:
        """How many listen."""
        return len(self._queues)

    def publish(self, item: Item) -> None:
        """Send to whoever listens now."""
        for queue in self._queues:
            self._put(queue, item)

    async def close(self, patience: float = 2.0) -> None:
        """End each client's stream after what waits for it; who takes longer [s] is cut off."""
        if self._server is not None:
            self._server.close()
        for queue in self._queues:
            self._put(queue, None)
        if self._clients:
            _, late = await asyncio.wait(self._clients, timeout=patience)
            for client in late:
                client.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _put(self, queue: asyncio.Queue[Item | None], item: Item | None) -> None:
        if queue.full():
            queue.get_nowait()
            self.dropped += 1
        queue.put_nowait(item)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = asyncio.current_task()
        assert client is not None  # noqa: S101 - a stream's handler always runs as a task
        queue: asyncio.Queue[Item | None] = asyncio.Queue(self._backlog)
        self._queues.add(queue)
        self._clients.add(client)
        # A client has nothing to say: reading ends with its connection.
        parts = [
            asyncio.ensure_future(self._send(queue, writer)),
            asyncio.ensure_future(reader.read(1)),
        ]
        try:
            await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._queues.discard(queue)
            self._clients.discard(client)
            for part in parts:
                part.cancel()
            writer.close()
        for fault in await asyncio.gather(*parts, return_exceptions=True):
            if isinstance(fault, Exception) and not isinstance(fault, OSError):
                # Raised here it would be heard on some versions of Python only when the task is
                # collected. An OSError says that the client is gone.
                asyncio.get_running_loop().call_exception_handler(
                    {"message": "a client's stream failed", "exception": fault}
                )

    async def _send(self, queue: asyncio.Queue[Item | None], writer: asyncio.StreamWriter) -> None:
        encode = self._encoder()
        while (item := await queue.get()) is not None:
            writer.write(encode(item))
            await writer.drain()
