"""How much may be sent: buckets that fill at a rate, so that others get their share of the link."""

import threading
import time
from collections.abc import Callable
from typing import Final

BURST: Final = 1.0
"""Time whose bytes may be sent at once. [s]"""
PICTURES_BURST: Final = 4.0
"""The same for pictures, which are large and seldom. [s]"""
KBIT: Final = 125.0  # bytes


class Bucket:
    """Holds the bytes that may be sent.

    Whoever takes may take more than is there, once; the next one waits until that is made up for.
    So one large batch passes, and the rate holds on average.

    Parameters
    ----------
    rate
        At which it fills. [byte/s]
    burst
        Time whose bytes it holds at most. [s]
    """

    def __init__(self, rate: float, now: float, burst: float = BURST) -> None:
        self._rate = rate
        self._full = self._level = rate * burst
        self._at = now

    def wait(self, now: float) -> float:
        """How long until something may be taken; 0: now. [s]."""
        level = self.holds(now)
        return 0.0 if level > 0 else -level / self._rate + 1e-6

    def holds(self, now: float) -> float:
        """Bytes that are there; below 0: that were taken in advance."""
        self._level = min(self._full, self._level + self._rate * (now - self._at))
        self._at = now
        return self._level

    def take(self, size: int, now: float) -> float:
        """Take bytes; or take none and say how long that has to wait. [s]."""
        if wait := self.wait(now):
            return wait
        self._level -= size
        return 0.0


class Budget:
    """A bucket that several threads take from.

    Parameters
    ----------
    kbit_s
        On average; None: as many as one likes. [kbit/s]
    monotonic
        Seconds that only go forward.
    """

    def __init__(
        self, kbit_s: float | None, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._bucket = (
            None if kbit_s is None else Bucket(KBIT * kbit_s, monotonic(), PICTURES_BURST)
        )

    def take(self, size: int) -> float:
        """Take so many bytes; 0, or the seconds until that may be tried again."""
        if self._bucket is None:
            return 0.0
        with self._lock:
            return self._bucket.take(size, self._monotonic())
