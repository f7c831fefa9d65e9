"""Which batches may go over the uplink now: live ones first, the backlog within its share."""

import threading
from collections.abc import Iterable, Iterator
from typing import Final

from contracts.clock import MICROSECONDS
from edge.budget import KBIT, Bucket
from edge.outbox import Waiting

LIVE: Final = 10 * MICROSECONDS
"""A batch that is older waits for its share of the drain, whenever it was sent before. [us]"""

ENVELOPE: Final = 250
"""Bytes of topic, properties, packets and acknowledgement around a payload, about."""


class Traffic:
    """Lets batches go: live ones first, the backlog as fast as it may drain.

    Parameters
    ----------
    total, drain
        Of everything, and of the backlog [kbit/s]; None: unlimited.
    """

    def __init__(self, total: float | None, drain: float | None, now: float) -> None:
        self._total = None if total is None else Bucket(total * KBIT, now)
        self._drain = None if drain is None else Bucket(drain * KBIT, now)
        self._lock = threading.Lock()
        self.waits = 0.0  # how long until the next batch may go; 0: nothing waits [s]

    def order(self, batches: Iterable[Waiting], clock: int) -> list[Waiting]:
        """Put what is live, by the device's clock [us], before what is not."""
        return sorted(batches, key=lambda batch: not self._is_live(batch, clock))

    def allowed(self, batches: Iterable[Waiting], clock: int, now: float) -> Iterator[Waiting]:
        """Yield those that may go now, in this order; `waits` then tells of the others."""
        self.waits = 0.0
        for batch in self.order(batches, clock):
            wait = self._take(batch, clock, now)
            if not wait:
                yield batch
            elif self.waits == 0 or wait < self.waits:
                self.waits = wait

    def spare(self, size: int, now: float) -> bool:
        """Take bytes for what matters less, if they are over: no batch waits for it then."""
        if self._total is None:
            return True
        with self._lock:
            over = self.waits == 0 and self._total.holds(now) > size
            return over and self._total.take(size, now) == 0

    def _take(self, batch: Waiting, clock: int, now: float) -> float:
        buckets = [self._total] if self._is_live(batch, clock) else [self._total, self._drain]
        limits = [bucket for bucket in buckets if bucket is not None]
        with self._lock:
            if wait := max((bucket.wait(now) for bucket in limits), default=0.0):
                return wait
            for bucket in limits:
                bucket.take(batch.bytes + ENVELOPE, now)
        return 0.0

    @staticmethod
    def _is_live(batch: Waiting, clock: int) -> bool:
        return clock - batch.created <= LIVE
