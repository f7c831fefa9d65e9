"""The live hub: the latest of each device, and bounded queues to whoever watches."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Final

from api.errors import TooManyStreamsError
from api.frames import Frame

DEVICES: Final = 10_000  # full: the device that was silent longest is forgotten
KEYS: Final = 300  # frames kept per device for a snapshot, two heads for each phase
CROSSINGS: Final = 2_000  # of one device; a minute of the busiest junction has some hundreds
RECENT: Final = 120_000_000  # [us] of crossings that a snapshot tells


class Latest:
    """What a newcomer is told of one device first."""

    def __init__(self) -> None:
        self.frames: OrderedDict[tuple[str, str], Frame] = OrderedDict()
        self.crossings: deque[Frame] = deque(maxlen=CROSSINGS)

    def take(self, frame: Frame) -> None:
        """Remember a frame; one that is older than what is known changes nothing."""
        if frame.kind == "crossing":
            self.crossings.append(frame)
            return
        name = (frame.kind, frame.key)
        known = self.frames.get(name)
        if known is None or known.at <= frame.at:
            self.frames[name] = frame
            self.frames.move_to_end(name)
            if len(self.frames) > KEYS:
                self.frames.popitem(last=False)


class Watcher:
    """One client: a bounded queue; what does not fit is lost to this client alone."""

    def __init__(self, devices: frozenset[str], size: int) -> None:
        self.devices = devices
        self.lost = 0
        self._queue: asyncio.Queue[Frame] = asyncio.Queue(size)
        self._behind = False

    def offer(self, frame: Frame) -> bool:
        """Queue a frame; False if it is lost because the client is too slow."""
        if self._behind or self._queue.full():
            self._behind = True  # until it has read what waits: then it is told the present anew
            self.lost += 1
            return False
        self._queue.put_nowait(frame)
        return True

    async def next(self) -> Frame | None:
        """Next frame; None: frames were lost, start again from a snapshot."""
        if self._behind and self._queue.empty():
            return None
        return await self._queue.get()

    def restart(self) -> None:
        """Forget what waits: what follows is told anew."""
        self._behind = False
        while not self._queue.empty():
            self._queue.get_nowait()


class Hub:
    """Takes frames from the feed and hands each to every client that watches its device."""

    def __init__(self, *, clients: int, queue: int) -> None:
        self._clients = clients
        self._queue = queue
        self._watchers: set[Watcher] = set()
        self._latest: OrderedDict[str, Latest] = OrderedDict()
        self.lost = 0  # frames that slow clients missed
        self.taken = 0

    @property
    def watching(self) -> int:
        """How many clients are connected."""
        return len(self._watchers)

    def publish(self, frame: Frame) -> None:
        """Hand a frame out; never waits for anybody."""
        self.taken += 1
        latest = self._latest.setdefault(frame.device, Latest())
        self._latest.move_to_end(frame.device)
        if len(self._latest) > DEVICES:
            self._latest.popitem(last=False)
        latest.take(frame)
        for watcher in self._watchers:
            if frame.device in watcher.devices and not watcher.offer(frame):
                self.lost += 1

    def snapshot(self, devices: frozenset[str]) -> Iterator[Frame]:
        """Present of these devices: last positions, heads, states and the crossings of late."""
        for device in sorted(devices & self._latest.keys()):
            latest = self._latest[device]
            yield from latest.frames.values()
            if latest.crossings:
                since = max(frame.at for frame in latest.crossings) - RECENT
                yield from (frame for frame in latest.crossings if frame.at >= since)

    def check_places(self) -> None:
        """Raise unless one more client may watch.

        Raises
        ------
        TooManyStreamsError
            If all places are taken.
        """
        if len(self._watchers) >= self._clients:
            raise TooManyStreamsError(f"{self._clients} are open")

    @contextmanager
    def watch(self, devices: frozenset[str]) -> Iterator[Watcher]:
        """Register a client for as long as it is connected.

        Raises
        ------
        TooManyStreamsError
            If all places are taken.
        """
        self.check_places()
        watcher = Watcher(devices, self._queue)
        self._watchers.add(watcher)
        try:
            yield watcher
        finally:
            self._watchers.discard(watcher)

    async def stream(self, watcher: Watcher) -> AsyncIterator[Frame | None]:
        """Frames for one client for ever; None: a snapshot follows, forget what you have."""
        frame: Frame | None = None
        while True:
            if frame is None:
                watcher.restart()  # what waits for it is in the snapshot
                present = list(self.snapshot(watcher.devices))
                yield None
                for each in present:
                    yield each
            else:
                yield frame
            frame = await watcher.next()
