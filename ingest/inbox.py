"""What has arrived and is not yet acknowledged, bounded by number and bytes."""

import threading
from collections import deque
from collections.abc import Sequence
from typing import Final, NamedTuple

MAX_BYTES: Final = 64 << 20
"""Bytes that are held before ingest stops reading; what one read brings may be over it."""


class Delivery(NamedTuple):
    """A message as the broker handed it over."""

    connection: int  # which of our connections: a packet id means nothing on another
    packet: int  # packet id to acknowledge, 0: none
    topic: str
    payload: bytes
    properties: dict[str, str]
    received: int  # [us] since the epoch
    again: bool = False  # whether the broker says that it has delivered this before


class Inbox:
    """Queue between the network's thread and those that write; full: stop reading.

    A delivery counts until it is released. The broker sends no more than the receive maximum
    unacknowledged, but it sends them again after each loss of the connection.
    """

    def __init__(self, max_messages: int, max_bytes: int = MAX_BYTES) -> None:
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        self._waiting: deque[Delivery] = deque()
        self._order: deque[int] = deque()  # when each one that is held was received
        self._enough = 1  # as many are being waited for
        self._bytes = 0
        self._hurried = False
        self._closed = False
        self._changed = threading.Condition()

    def __len__(self) -> int:
        return len(self._order)

    @property
    def bytes(self) -> int:
        """Bytes that are held."""
        return self._bytes

    @property
    def oldest(self) -> int | None:
        """When the oldest one was received, in microseconds since the epoch."""
        with self._changed:
            return self._order[0] if self._order else None

    def has_room(self) -> bool:
        """Whether more may be read."""
        return len(self._order) < self._max_messages and self._bytes < self._max_bytes

    def put(self, delivery: Delivery) -> None:
        """Add one, room or not; once closed nothing is added, and nothing acknowledged."""
        with self._changed:
            if not self._closed:
                self._waiting.append(delivery)
                self._order.append(delivery.received)
                self._bytes += len(delivery.payload)
                if self._is_enough():  # waking somebody for nothing costs more than the message
                    self._changed.notify_all()

    def take(self, enough: int) -> list[Delivery]:
        """Take so many; fewer, but at least one, when somebody is in a hurry; none when closed."""
        with self._changed:
            self._enough = enough
            self._changed.wait_for(lambda: self._closed or self._is_enough())
            if self._closed:
                return []
            return [self._waiting.popleft() for _ in range(min(enough, len(self._waiting)))]

    def relax(self) -> None:
        """Wait for enough from now on."""
        with self._changed:
            self._hurried = False

    def hurry(self) -> None:
        """Give whatever there is, now and until it is time to relax."""
        with self._changed:
            self._hurried = True
            self._changed.notify_all()

    def release(self, deliveries: Sequence[Delivery]) -> None:
        """Make room: these, which came before all others that are held, are acknowledged."""
        with self._changed:
            for _ in deliveries:
                self._order.popleft()
            self._bytes -= sum(len(delivery.payload) for delivery in deliveries)

    def close(self) -> None:
        """Wake everybody; what still waits stays unacknowledged and comes again."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _is_enough(self) -> bool:
        waiting = len(self._waiting)
        if not self.has_room():  # no more will come
            return waiting > 0
        return waiting >= self._enough or (self._hurried and waiting > 0)
