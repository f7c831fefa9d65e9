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

SLOW: Final = 0.5
"""Time from the broker to the database above which the platform is being flooded. [s]"""

FEWEST: Final = 4
"""Batches that may await `durable` however slow the platform is."""

FIRST: Final = 16
"""As many before anything is known of the platform."""

PATIENCE_MOST: Final = 300.0
"""Time after which a batch that is not durable is sent again, at the longest. [s]"""


@dataclass
class _Flight:
    batch: Waiting
    mid: int  # packet id
    sent: float  # monotonic [s]
    acknowledged: float | None = None  # when, by the broker, which is not durability [s]


class Window:
    """Batches that were sent and are not durable yet.

    Free places go in turn to the newest batch and to the first of the backlog: what happens now
    arrives at once, and the backlog drains beside it. While nothing gets durable the patience
    doubles, so a platform that is down is not buried under repetitions. When batches wait long
    between broker and database, places are halved, and given back one by one: the backlogs of a
    whole city must not stand in the way of what happens now.
    """

    def __init__(self, size: int, resend_after: float) -> None:
        self.receive_maximum = UNACKNOWLEDGED
        self._size = size
        self._resend_after = resend_after  # [s]
        self._patience = resend_after
        self._places = min(size, FIRST)
        self._halved = float("-inf")  # when [s]
        self._flights: dict[int, _Flight] = {}  # by the outbox's id

    @property
    def reach(self) -> int:
        """Number of the newest batches, and of the backlog's, that `choose` needs to see."""
        return self._size + len(self._flights)

    @property
    def unacknowledged(self) -> int:
        """Publications that the broker has not acknowledged."""
        return sum(flight.acknowledged is None for flight in self._flights.values())

    def choose(self, newest: list[Waiting], backlog: list[Waiting], now: float) -> list[Waiting]:
        """Batches to send now, in this order."""
        quota = min(self.receive_maximum, UNACKNOWLEDGED) - self.unacknowledged
        due = [
            flight.batch
            for flight in self._flights.values()
            if flight.acknowledged is not None and now - flight.sent >= self._patience
        ]
        if due:
            self._patience = min(2 * self._patience, PATIENCE_MOST)
        free = self._places - len(self._flights)
        turns = chain.from_iterable(zip_longest(newest, backlog))
        fresh = dict.fromkeys(b for b in turns if b is not None and b.id not in self._flights)
        return [*due, *list(fresh)[: max(free, 0)]][: max(quota, 0)]

    def sent(self, batch: Waiting, mid: int, now: float) -> None:
        """Note a publication."""
        self._flights[batch.id] = _Flight(batch, mid, now)

    def acknowledged(self, mid: int, now: float) -> float | None:
        """Note the broker's PUBACK; give the round trip if it was that of a batch. [s]."""
        for flight in self._flights.values():
            if flight.mid == mid and flight.acknowledged is None:
                flight.acknowledged = now
                return now - flight.sent
        return None

    def durable(self, boot: UUID, ranges: Ranges, now: float) -> None:
        """Note what ingest has committed."""
        self._patience = self._resend_after
        for id_, flight in list(self._flights.items()):
            batch = flight.batch
            if batch.boot == boot and any(first <= batch.seq < end for first, end in ranges):
                del self._flights[id_]
                if flight.acknowledged is not None:
                    self._adapt(now - flight.acknowledged, now)

    def _adapt(self, took: float, now: float) -> None:
        """Have fewer places if the way from the broker to the database took long, else more."""
        if took <= SLOW:
            self._places = min(self._size, self._places + 1)
        elif now - self._halved > took:  # what was sent before that says nothing new
            self._halved = now
            self._places = min(self._size, max(FEWEST, self._places // 2))

    def forget(self, batches: Iterable[Waiting]) -> None:
        """Forget batches that are not in the outbox any more."""
        for batch in batches:
            self._flights.pop(batch.id, None)

    def disconnected(self) -> None:
        """Send at the next chance what the broker has not acknowledged."""
        self._flights = {i: f for i, f in self._flights.items() if f.acknowledged is not None}
