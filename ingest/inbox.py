"""What has arrived and is not yet committed, bounded by number and bytes."""

import threading
from collections import deque
from typing import Final, NamedTuple

MAX_BYTES: Final = 64 << 20
"""Bytes that may wait; one message more than that is taken when nothing else waits."""


class Delivery(NamedTuple):
    """A message as the broker handed it over."""

    connection: int  # which of our connections: a packet id means nothing on another
    packet: int  # packet id to acknowledge, 0: none
    topic: str
    payload: bytes
    properties: dict[str, str]
    received: int  # [us] since the epoch


class Inbox:
    """Queue between the network's thread and the one that writes; full: stop reading.

    The broker sends no more than the receive maximum unacknowledged, so the number is bounded
    already; the bytes are bounded here.
    """

    def __init__(self, max_messages: int, max_bytes: int = MAX_BYTES) -> None:
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        self._waiting: deque[Delivery] = deque()
        self._bytes = 0
        self._closed = False
        self._changed = threading.Condition()

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, delivery: Delivery) -> None:
        """Add one, waiting for room; once closed nothing is added, and nothing acknowledged."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._has_room(len(delivery.payload)))
            if not self._closed:
                self._waiting.append(delivery)
                self._bytes += len(delivery.payload)
                self._changed.notify_all()

    def take(self, most: int) -> list[Delivery]:
        """Take all that wait, at most so many; wait for the first; empty when closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._waiting)
            if self._closed:
                return []
            taken = [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]
            self._bytes -= sum(len(delivery.payload) for delivery in taken)
            self._changed.notify_all()
            return taken

    def close(self) -> None:
        """Wake everybody; what still waits stays unacknowledged and comes again."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _has_room(self, size: int) -> bool:
        if not self._waiting:
            return True
        return len(self._waiting) < self._max_messages and self._bytes + size <= self._max_bytes
