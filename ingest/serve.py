"""One ingest process from its start to its end: signals, listener, the sessions of others."""

import logging
import multiprocessing
import signal
import socket
import sys
import threading
from collections.abc import Callable
from typing import Final, NamedTuple

from contracts.clock import Clock, utc_now
from ingest.health import Listener
from ingest.run import Ingest
from ingest.settings import IngestSettings
from ingest.workers import Leavers

SWITCH: Final = 0.001
"""How long a thread may keep the interpreter from the one that feeds the database. [s]"""


class Task(NamedTuple):
    """What a process is to do."""

    settings: IngestSettings
    workers: int
    host: str
    port: int | None  # of the first worker; each further one has the next

    def serve(self, slot: int, clock: Clock = utc_now) -> None:
        """Work in this process until SIGTERM or SIGINT, or until who started it is gone."""
        log_to_stderr()
        sys.setswitchinterval(SWITCH)
        ingest = Ingest(self.settings, clock, slot=slot)
        leavers = Leavers(self.settings, clock, self.workers) if slot == 0 else None
        stop_on_signals(ingest.stop)
        _stop_when_orphaned(ingest.stop)
        listener = self._listen(ingest, slot)
        try:
            if leavers is not None:
                leavers.start()
            ingest.run()
        finally:
            if leavers is not None:
                leavers.stop()
            if listener is not None:
                listener.close()

    def _listen(self, ingest: Ingest, slot: int) -> Listener | None:
        if self.port is None:
            return None
        return Listener(self.host, self.port + slot, ingest.tell, ingest.meters.registry)


def log_to_stderr() -> None:
    """Log as all programs of ours do."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")


def stop_on_signals(stop: Callable[[], None]) -> None:
    """Stop on SIGTERM and SIGINT.

    A handler runs when the main thread comes to it, which may wait for something else for ever.
    What the signal writes into a socket wakes a thread in any case.
    """
    ear, bell = socket.socketpair()
    bell.setblocking(False)
    signal.set_wakeup_fd(bell.fileno())

    def listen() -> None:
        ear.recv(1)
        bell.setblocking(True)  # keeps it from being collected, and thereby closed
        stop()

    threading.Thread(target=listen, name="signals", daemon=True).start()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)


def _stop_when_orphaned(stop: Callable[[], None]) -> None:
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()
        stop()

    threading.Thread(target=watch, name="orphaned", daemon=True).start()
