"""Ingest: take what has arrived, commit it, acknowledge it, say so."""

import threading
import time

from contracts.clock import Clock
from ingest.errors import StoppedError
from ingest.inbox import Inbox
from ingest.meters import Meters
from ingest.receiver import Receiver, durables
from ingest.replays import Replays
from ingest.settings import IngestSettings
from ingest.writer import Writer


class Ingest:
    """One ingest process: the network's thread fills the inbox, `run` empties it."""

    def __init__(self, settings: IngestSettings, clock: Clock) -> None:
        self._most = settings.ingest_group
        self._stopping = threading.Event()
        self._inbox = Inbox(settings.ingest_window)
        self.receiver = Receiver(settings, self._inbox, clock)
        self._writer = Writer(settings, clock, self._stopping)
        self._replays = Replays(settings, clock)
        self.meters = Meters(self._inbox)

    def run(self) -> None:
        """Work until `stop` is called."""
        self.receiver.start()
        self._replays.start()
        try:
            self._inbox.hurry()
            while deliveries := self._inbox.take(self._most):
                begun = time.monotonic()
                stored = self._writer.write(deliveries)
                # Only now: what is committed may be forgotten by the broker and by the device.
                self.receiver.acknowledge(deliveries)
                self._inbox.release(deliveries)
                self.receiver.wake()
                for identity, durable in durables(stored.durable):
                    self.receiver.publish(identity, durable)
                self.meters.count(len(deliveries), stored.tally, time.monotonic() - begun)
        except StoppedError:
            pass  # nothing was acknowledged: it comes again
        finally:
            self._inbox.close()
            self.receiver.stop()
            self._replays.stop()
            self._writer.close()

    def stop(self) -> None:
        """Finish the open transaction and leave; may be called from any thread."""
        self._stopping.set()
        self._inbox.close()
