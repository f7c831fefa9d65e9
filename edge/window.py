"""Which batch is sent next: live ones beside the backlog, and again what did not get durable."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import Final
from uuid import UUID

from contracts.messages import Ranges
from edge.outbox import Waiting

UNACKNOWLEDGED: Final = 20
"""Publications that may await the broker's PUBACK; a broker may want fewer."""

PATIENCE_MOST: Final = 300.0
"""Time after which a batch that is not durable is sent again, at the longest. [s]"""


@dataclass
class _Flight:
    batch: Waiting
    mid: int  # packet id
    sent: float  # monotonic [s]
    acknowledged: bool = False  # by the broker, which is not durability


class Window:
    """Batches that were sent and are not durable yet.

    Free places go in turn to the newest and to the oldest batch: what happens now arrives at
    once, and the backlog drains beside it. While nothing gets durable the patience doubles, so a
    platform that is down is not buried under repetitions.
    """

    def __init__(self, size: int, resend_after: float) -> None:
        self.receive_maximum = UNACKNOWLEDGED
        self._size = size
        self._resend_after = resend_after  # [s]
        self._patience = resend_after
        self._flights: dict[int, _Flight] = {}  # by the outbox's id

    @property
    def reach(self) -> int:
        """Number of the newest, and of the oldest, batches that `choose` needs to see."""
        return self._size + len(self._flights)

    def choose(self, newest: list[Waiting], oldest: list[Waiting], now: float) -> list[Waiting]:
        """Batches to send now, in this order."""
        unacknowledged = sum(not flight.acknowledged for flight in self._flights.values())
        quota = min(self.receive_maximum, UNACKNOWLEDGED) - unacknowledged
        due = [
            flight.batch
            for flight in self._flights.values()
            if flight.acknowledged and now - flight.sent >= self._patience
        ]
        if due:
            self._patience = min(2 * self._patience, PATIENCE_MOST)
        free = self._size - len(self._flights)
        turns = chain.from_iterable(zip_longest(newest, oldest))
        fresh = dict.fromkeys(b for b in turns if b is not None and b.id not in self._flights)
        return [*due, *list(fresh)[: max(free, 0)]][: max(quota, 0)]

    def sent(self, batch: Waiting, mid: int, now: float) -> None:
        """Note a publication."""
        self._flights[batch.id] = _Flight(batch, mid, now)

    def acknowledged(self, mid: int, now: float) -> float | None:
        """Note the broker's PUBACK; give the round trip if it was that of a batch. [s]."""
        for flight in self._flights.values():
            if flight.mid == mid and not flight.acknowledged:
                flight.acknowledged = True
                return now - flight.sent
        return None

    def durable(self, boot: UUID, ranges: Ranges) -> None:
        """Note what ingest has committed."""
        self._patience = self._resend_after
        for id_, flight in list(self._flights.items()):
            batch = flight.batch
            if batch.boot == boot and any(first <= batch.seq < end for first, end in ranges):
                del self._flights[id_]

    def forget(self, batches: Iterable[Waiting]) -> None:
        """Forget batches that are not in the outbox any more."""
        for batch in batches:
            self._flights.pop(batch.id, None)

    def disconnected(self) -> None:
        """Send at the next chance what the broker has not acknowledged."""
        self._flights = {i: f for i, f in self._flights.items() if f.acknowledged}
