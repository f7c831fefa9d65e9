"""Several ingest processes on one shared subscription, each started again when it dies."""

import logging
import multiprocessing
import multiprocessing.connection
import threading
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from typing import Final

from contracts.clock import Clock
from ingest.run import Ingest
from ingest.settings import MAX_WORKERS, IngestSettings

log = logging.getLogger(__name__)

RESTART: Final = (0.5, 30.0)
"""First and longest wait before a worker is started again, doubled while it keeps dying. [s]"""

STEADY: Final = 60.0
"""Who has worked for so long has not been dying. [s]"""

STOP_DEADLINE: Final = 30.0
"""Time for the open transactions. What is cut off is not acknowledged and comes again. [s]"""


class Workers:
    """Keeps one process for each slot alive."""

    def __init__(self, count: int, work: Callable[[int], None]) -> None:
        self._work = work
        self._context = multiprocessing.get_context("spawn")
        self._slots = [_Slot(slot) for slot in range(count)]
        self._stopping = threading.Event()

    def run(self) -> None:
        """Work until `stop` is called."""
        try:
            while not self._stopping.is_set():
                now = time.monotonic()
                for slot in self._slots:
                    if slot.is_due(now):
                        slot.process = self._context.Process(target=self._work, args=(slot.number,))
                        slot.process.start()
                        slot.started = now
                alive = [slot.process.sentinel for slot in self._slots if slot.process]
                multiprocessing.connection.wait(alive, timeout=RESTART[0])
        finally:
            self._end()

    def stop(self) -> None:
        """End all of them; may be called from any thread."""
        self._stopping.set()

    def _end(self) -> None:
        processes = [slot.process for slot in self._slots if slot.process]
        for process in processes:
            process.terminate()
        deadline = time.monotonic() + STOP_DEADLINE
        for process in processes:
            process.join(max(0.0, deadline - time.monotonic()))
            if process.is_alive():
                process.kill()
                process.join()


class _Slot:
    """One worker's place: its process may change, its number and so its session stay."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.process: BaseProcess | None = None
        self.started = 0.0
        self._due = 0.0
        self._wait = RESTART[0]

    def is_due(self, now: float) -> bool:
        """Notice that the process has died; tell whether it is time for a new one."""
        if self.process is not None and not self.process.is_alive():
            code = self.process.exitcode
            log.warning("worker %d ended with %s: it is started again", self.number, code)
            self.process.close()
            self.process = None
            first, longest = RESTART
            self._wait = first if now - self.started > STEADY else min(longest, 2 * self._wait)
            self._due = now + self._wait
        return self.process is None and now >= self._due


class Leavers(threading.Thread):
    """Empties and ends the sessions of workers that there are no more.

    The broker goes on giving them their share of the messages until somebody does.
    """

    def __init__(self, settings: IngestSettings, clock: Clock, workers: int) -> None:
        super().__init__(name="leavers", daemon=True)
        self._settings = settings
        self._clock = clock
        self._slots = range(workers, MAX_WORKERS)
        self._changing = threading.Lock()
        self._present: Ingest | None = None
        self._stopping = False

    def run(self) -> None:
        """Take one after another; ends when all have been looked at."""
        for slot in self._slots:
            with self._changing:
                if self._stopping:
                    return
                self._present = Ingest(self._settings, self._clock, slot=slot, leaving=True)
            self._present.run()

    def stop(self) -> None:
        """Finish the open transaction and leave the rest; may be called from any thread."""
        with self._changing:
            self._stopping = True
            if self._present is not None:
                self._present.stop()
        self.join()
