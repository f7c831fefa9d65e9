"""A token bucket: so many bytes a second on average, and some at once."""

import threading
import time
from collections.abc import Callable
from typing import Final

BURST: Final = 4.0
"""Seconds of the rate that may be saved up. [s]"""


class Budget:
    """Bytes that may be sent.

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
        self._rate = None if kbit_s is None else 125.0 * kbit_s  # [B/s]
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._full = BURST * (self._rate or 0.0)
        self._left = self._full
        self._at = monotonic()

    def take(self, size: int) -> float:
        """Take so many bytes; 0, or the seconds until that may be tried again.

        What is larger than the bucket may go when it is full, and is paid back afterwards.
        """
        if self._rate is None:
            return 0.0
        with self._lock:
            now = self._monotonic()
            self._left = min(self._left + (now - self._at) * self._rate, self._full)
            self._at = now
            missing = min(size, self._full) - self._left
            if missing > 0:
                return missing / self._rate
            self._left -= size
            return 0.0
