"""Ingest: take what has arrived, commit it, acknowledge it, say so."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from contracts.clock import Clock
from contracts.messages import IngestHealth
from ingest.errors import StoppedError
from ingest.health import Heartbeat, examine
from ingest.inbox import Inbox
from ingest.machine_clock import MachineClock
from ingest.meters import Meters
from ingest.prepare import Group
from ingest.receiver import Receiver, durables
from ingest.replays import Replays
from ingest.settings import IngestSettings
from ingest.writer import Writer


class Ingest:
    """One process: a thread receives, one prepares a group, `run` commits the one before."""

    def __init__(
        self, settings: IngestSettings, clock: Clock, *, slot: int = 0, leaving: bool = False
    ) -> None:
        self._most = settings.ingest_group
        self._stopping = threading.Event()
        self._inbox = Inbox(settings.ingest_window)
        machine = MachineClock()
        self.receiver = Receiver(
            settings,
            self._inbox,
            clock,
            slot=slot,
            leaving=leaving,
            quality=lambda: machine.quality,
        )
        self._writer = Writer(settings, clock, self._stopping, self.receiver.client)
        self._groups: Iterator[Group] = iter(())
        self._clock = clock
        self.meters = Meters(self._inbox, self.tell)
        heartbeat = Heartbeat(settings, self.receiver.client, self.tell)
        beside = (Replays(settings, clock), heartbeat, machine)
        self._beside: tuple[Replays | Heartbeat | MachineClock, ...] = () if leaving else beside

    def run(self) -> None:
        """Work until `stop` is called."""
        self.receiver.start()
        for one in self._beside:
            one.start()
        with ThreadPoolExecutor(1, thread_name_prefix="prepare") as ahead:
            try:
                coming = ahead.submit(self._prepare)
                while group := self._await(coming):
                    self._inbox.relax()
                    coming = ahead.submit(self._prepare)
                    self._commit(group)
            except StoppedError:
                pass  # nothing was acknowledged: it comes again
            finally:
                self._inbox.close()
                self.receiver.stop()
                for one in self._beside:
                    one.stop()
                self._writer.close()

    def _await(self, coming: Future[Group | None]) -> Group | None:
        """Wait for the next group; with nothing else to do, whatever there is will do."""
        self._inbox.hurry()
        return coming.result()

    def _prepare(self) -> Group | None:
        """Judge and encode the next group; None: it is time to leave."""
        while (group := next(self._groups, None)) is None:
            deliveries = self._inbox.take(self._most)
            if not deliveries:
                return None
            self._groups = self._writer.prepare(deliveries)
        return group

    def _commit(self, group: Group) -> None:
        begun = time.monotonic()
        stored = self._writer.commit(group)
        # Only now: what is committed may be forgotten by the broker and by the device.
        deliveries = group.deliveries
        self.receiver.acknowledge(deliveries)
        self._inbox.release(deliveries)
        for identity, durable in durables(stored.durable):
            self.receiver.publish(identity, durable)
        self.receiver.wake()
        self.meters.count(len(deliveries), stored.tally, time.monotonic() - begun)

    def tell(self) -> IngestHealth:
        """Say how this process does; may be called from any thread."""
        return examine(self._inbox, self.receiver, self._writer, self._clock)

    def stop(self) -> None:
        """Finish the open transaction and leave; may be called from any thread."""
        self._stopping.set()
        self._inbox.close()
