"""`tepna ingest run` with a clock that the input sets: a line ``clock SECONDS`` each time."""

import sys
import threading

import ingest.cli
from contracts.clock import MICROSECONDS, utc_now


class Clock:
    """The machine's clock, and how far this process believes it to be off."""

    def __init__(self) -> None:
        self._offset = 0  # [us]
        threading.Thread(target=self._listen, daemon=True).start()

    def __call__(self) -> int:
        """Tell the time."""
        return utc_now() + self._offset

    def _listen(self) -> None:
        for line in sys.stdin:
            self._offset = int(line.split()[1]) * MICROSECONDS


if __name__ == "__main__":
    ingest.cli.utc_now = Clock()
    ingest.cli.app(["run"])
