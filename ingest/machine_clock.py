"""How well the clock of this machine is known, asked of chrony now and then."""

import threading
from typing import Final

from contracts.chrony import ClockQuality, clock_quality

PERIOD: Final = 30.0
"""Time between two questions. [s]"""


class MachineClock(threading.Thread):
    """Asks in a thread of its own: an answer may take its time, who reads messages may not."""

    def __init__(self) -> None:
        super().__init__(name="machine-clock", daemon=True)
        self.quality = ClockQuality()
        self._stopping = threading.Event()

    def run(self) -> None:
        """Ask until `stop` is called."""
        while not self._stopping.is_set():
            self.quality = clock_quality()
            self._stopping.wait(PERIOD)

    def stop(self) -> None:
        """Ask no more."""
        self._stopping.set()
