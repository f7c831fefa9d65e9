"""One worker of `tepna ingest run --workers 2`, with a clock that the input sets.

Its slot is the argument; a line ``clock SECONDS`` sets its clock off by so much.
"""

import sys
import threading

from contracts.clock import MICROSECONDS, utc_now
from ingest.serve import Task
from ingest.settings import IngestSettings


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
    task = Task(IngestSettings.load(), workers=2, host="127.0.0.1", port=None)
    task.serve(int(sys.argv[1]), Clock())
