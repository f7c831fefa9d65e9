"""Who may come in, and how what they bring is committed: bounded, one transaction a request."""

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import count
from queue import SimpleQueue
from typing import Final

from contracts.clock import MICROSECONDS, Clock
from contracts.messages import IngestHealth
from ingest.door.problems import DeviceBusyError, FullError, NoDatabaseError
from ingest.door.settings import DoorSettings
from ingest.errors import StoppedError
from ingest.health import OLD_S
from ingest.inbox import Delivery
from ingest.store import Stored
from ingest.writer import Writer

ATTEMPTS: Final = 2
"""A connection that the database has closed meanwhile is noticed by the first."""


class Desk:
    """Lends places to requests and commits what they bring, each by itself.

    Nobody's transaction holds another's data, so what one device sends is not another's fault.
    """

    def __init__(self, settings: DoorSettings, clock: Clock) -> None:
        self._most = settings.door_requests
        self._most_per_device = settings.door_requests_per_device
        self._clock = clock
        self._open: Counter[str] = Counter()  # requests by device
        self._numbers = count()
        self._held: dict[int, Delivery] = {}  # read, and not committed, as they came
        self._database_lost_since: int | None = None
        self._threads = ThreadPoolExecutor(settings.door_writers, "door")
        self._idle: SimpleQueue[Writer] = SimpleQueue()
        for _ in range(settings.door_writers):
            # Told from the start to stop, a writer does not wait for the database: the device does.
            impatient = threading.Event()
            impatient.set()
            self._idle.put(Writer(settings, clock, impatient))

    @property
    def waiting(self) -> int:
        """Requests in work."""
        return self._open.total()

    @contextmanager
    def place(self, identity: str) -> Iterator[None]:
        """Lend a device a place for one request.

        Raises
        ------
        DeviceBusyError
            If it has as many as one device may have.
        FullError
            If all are taken.
        """
        if self._open[identity] >= self._most_per_device:
            raise DeviceBusyError(f"{self._most_per_device} at once are taken from one device.")
        if self.waiting >= self._most:
            raise FullError(f"{self._most} requests are in work.")
        self._open[identity] += 1
        try:
            yield
        finally:
            self._open[identity] -= 1
            if not self._open[identity]:
                del self._open[identity]

    async def settle(self, delivery: Delivery) -> Stored:
        """Commit a message, or keep it as a dead letter; back only after the commit.

        Raises
        ------
        NoDatabaseError
            If the database is away: nothing is known to be stored.
        """
        # Committed even if the client leaves meanwhile: what it sends again is the same.
        work = asyncio.get_running_loop().run_in_executor(self._threads, self._write, delivery)
        number = next(self._numbers)
        self._held[number] = delivery
        work.add_done_callback(lambda _: self._held.pop(number))
        return await asyncio.shield(work)

    def tell(self) -> IngestHealth:
        """Say how the door does; may be called from any thread."""
        now, held = self._clock(), list(self._held.copy().values())
        age = max(0, now - held[0].received) / MICROSECONDS if held else 0.0
        lost = self._database_lost_since
        return IngestHealth(
            state="down" if lost is not None else "ok" if age <= OLD_S else "degraded",
            at=now,
            broker_lost_since=None,  # it has none
            database_lost_since=lost,
            messages=len(held),
            bytes=sum(len(delivery.payload) for delivery in held),
            oldest_s=age,
            reading=self.waiting < self._most,
            answers=0,
            dropped_answers=0,
        )

    def close(self) -> None:
        """Finish what is in work, and leave the database."""
        self._threads.shutdown()
        while not self._idle.empty():
            self._idle.get().close()

    def _write(self, delivery: Delivery) -> Stored:
        writer = self._idle.get()  # there are as many as threads
        try:
            for _ in range(ATTEMPTS):
                with suppress(StoppedError):
                    stored = writer.write([delivery])
                    self._database_lost_since = None
                    return stored
            if self._database_lost_since is None:
                self._database_lost_since = self._clock()
            raise NoDatabaseError("Nothing is known to be stored.")
        finally:
            self._idle.put(writer)
