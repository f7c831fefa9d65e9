"""The agent: camera, sensors and modem of one device, batched into the outbox, sent from there."""

import logging
import threading
import time
from collections.abc import Sequence
from functools import partial
from typing import Final
from uuid import UUID, uuid4

from contracts import metrics
from contracts.batch import Batch
from contracts.classes import RoadUser
from contracts.clock import MICROSECONDS, Clock
from contracts.events import CAMERA_BACK, CAMERA_FROZEN, CAMERA_LOST, CROSSING, DWELL, TURN
from edge.batches import Batcher, Event, Scalar
from edge.camera import CameraWatch
from edge.chrony import clock_quality
from edge.config import AgentConfig
from edge.incidents import GoingOn
from edge.observed import Observed
from edge.outbox import Outbox
from edge.pictures import PictureServer, Shelf
from edge.sensors.run import SensorRun
from edge.threads import start_thread
from edge.uplink import Uplink
from edge.wire import Message, Opened, Picture, Seen, columns

log = logging.getLogger(__name__)

TICK: Final = 1.0
"""How often the agent says how it is. [s]"""
CLOCK_PERIOD: Final = 30
"""How often chrony is asked. [ticks]"""
GOODBYE: Final = 2.0
"""How long a stopping agent tries to send what it has just kept. [s]"""


class Agent:
    """Everything that runs on the box for one device.

    Parameters
    ----------
    config
        What it is told.
    clock
        Microseconds since the epoch, UTC.
    boot
        Names this start; what an earlier one left in the outbox keeps its own.
    """

    def __init__(self, config: AgentConfig, *, clock: Clock, boot: UUID | None = None) -> None:
        self._config = config
        self._clock = clock
        self._stopping = threading.Event()
        self._fault: Exception | None = None
        self._outbox = Outbox(
            config.outbox.path,
            device=config.device,
            boot=boot or uuid4(),
            max_bytes=config.outbox.max_bytes,
            clock=clock,
        )
        self._uplink = Uplink(config, self._outbox, clock=clock)
        self._batcher = Batcher(
            config.device, simulated=config.simulated, sink=self._keep, clock=clock
        )
        self._observed = Observed()
        self._going_on = GoingOn()
        self._shelf = Shelf(clock)
        self._camera: CameraWatch | None = None
        if config.camera is not None:
            self._camera = CameraWatch(
                config.camera, on_message=self._see, on_change=self._camera_changed
            )
        sensors = [*config.sensors, *([config.modem] if config.modem else [])]
        self._sensors = [SensorRun(sensor, self._batcher.add, clock) for sensor in sensors]
        self._pictures = self._make_pictures()
        self._seeing = False
        self._lost_at: int | None = None  # [us]

    def _make_pictures(self) -> PictureServer | None:
        wanted = self._config.pictures
        if wanted is None or self._camera is None:
            return None
        token = wanted.token.get_secret_value()
        return PictureServer(wanted.address, token, self._shelf, self._camera.want_picture)

    @property
    def boot(self) -> UUID:
        """Boot id of this start."""
        return self._outbox.boot

    def stop(self) -> None:
        """Flush, say goodbye and end `run`; may be called from a signal handler."""
        self._stopping.set()

    def run(self, *, until_done: bool = False, drain: float = 60.0) -> bool:
        """Work until `stop`, or until every source is over.

        Parameters
        ----------
        until_done
            End when camera and sensors have nothing more, all of it being durable.
        drain
            How long that may take after the last sample. [s]

        Returns
        -------
        bool
            Whether nothing was left in the outbox.

        Raises
        ------
        Exception
            What a part of the agent died of.
        """
        log.info("agent %s started, boot %s", self._config.device, self.boot)
        threads = self._start(until_done=until_done)
        try:
            self._tick(until_done=until_done)
            self._stop_sources(threads)
            self._batcher.flush()
            self._uplink.wake()
            self._drain(GOODBYE if self._stopping.is_set() else drain)
        finally:
            self._stopping.set()
            self._batcher.close()
            if self._pictures is not None:
                self._pictures.shutdown()
                self._pictures.server_close()
            self._uplink.close(GOODBYE)
            left = self._outbox.stock().batches
            self._outbox.close()
        if self._fault is not None:
            raise self._fault
        log.info("agent %s ended, %d batches wait for the next start", self._config.device, left)
        return left == 0

    def _start(self, *, until_done: bool) -> list[threading.Thread]:
        """Start every part; give the threads that make samples."""
        self._uplink.start(self._fail)
        self._announce()
        start_thread("batches", self._flush_often, self._fail)
        if self._pictures is not None:
            start_thread("pictures", self._pictures.serve_forever, self._fail)
        parts: list[CameraWatch | SensorRun] = [*self._sensors]
        if self._camera is not None:
            parts.append(self._camera)
        return [
            start_thread(type(part).__name__, partial(part.run, until_done=until_done), self._fail)
            for part in parts
        ]

    def _fail(self, fault: Exception) -> None:
        self._fault = fault
        self._stopping.set()

    def _tick(self, *, until_done: bool) -> None:
        """Say every second how the agent is, until it is time to end."""
        ticks = 0
        while not self._stopping.wait(TICK):
            if until_done and self._is_over():
                return
            if ticks % CLOCK_PERIOD == 0:
                self._batcher.clock_quality = clock_quality()
            ticks += 1
            self._batcher.add(self._health())
            if self._uplink.connected:
                self._outbox.report_other_boots(self._batcher.empty())

    def _is_over(self) -> bool:
        seen = self._camera is None or self._camera.over.is_set()
        return seen and all(sensor.over for sensor in self._sensors)

    def _health(self) -> list[Scalar]:
        now, stock = self._clock(), self._outbox.stock()
        age = 0 if stock.oldest is None else now - stock.oldest
        trip = self._uplink.take_round_trip()
        scalars = [
            Scalar(now, metrics.OUTBOX_BYTES, stock.bytes),
            Scalar(now, metrics.BACKLOG_AGE, max(age, 0) / MICROSECONDS),
            Scalar(now, metrics.DROPPED_BATCHES, stock.dropped),
        ]
        if self._sensors:
            scalars.append(Scalar(now, metrics.BAD_LINES, sum(s.bad for s in self._sensors)))
        if trip is not None:
            scalars.append(Scalar(now, metrics.UPLINK_ROUND_TRIP, 1e3 * trip))
        return scalars

    def _stop_sources(self, threads: Sequence[threading.Thread]) -> None:
        for part in (self._camera, *self._sensors):
            if part is not None:
                part.stop()
        for thread in threads:
            thread.join(5.0)
        self._batcher.add(self._observed.finish())
        self._batcher.add(self._going_on.abandon(self._clock()))

    def _drain(self, seconds: float) -> None:
        """Wait until everything is durable, for a while."""
        deadline = time.monotonic() + seconds
        while self._outbox.stock().batches and time.monotonic() < deadline and not self._fault:
            time.sleep(0.05)

    def _flush_often(self) -> None:
        while not self._stopping.wait(self._config.batches.max_age_s):
            if self._batcher.flush():
                self._uplink.wake()

    def _keep(self, batches: Sequence[Batch]) -> None:
        self._outbox.append(batches)

    def _see(self, message: Message) -> None:
        match message:
            case Opened():  # a new child: its time and its counters begin anew
                self._batcher.add(self._observed.finish())
                self._observed = Observed()
                self._batcher.add(self._going_on.abandon(self._clock()))
            case Seen():
                self._account(message)
                self._batcher.add(Event(CROSSING, *crossed) for crossed in message.crossings)
                self._batcher.add(
                    Event(TURN, t.captured, t.gates, 0, t.cls, t.track, t.duration, t.confidence)
                    for t in message.turns
                )
                self._batcher.add(
                    Event(DWELL, v.left, v.zone, 0, v.cls, v.track, v.duration, v.confidence)
                    for v in message.visits
                )
                self._batcher.add(
                    Scalar(o.captured, metrics.zone_occupancy(o.zone, RoadUser(o.cls)), o.number)
                    for o in message.occupancy
                )
                self._batcher.add(self._take_incidents(message))
                if message.tracks:
                    self._batcher.add_tracks(columns(message.tracks))
            case Picture():
                self._shelf.put(message)

    def _take_incidents(self, seen: Seen) -> list[Event]:
        for one in seen.incidents:
            if one.kind.startswith("camera."):
                log.warning("%s %s", one.kind, one.phase)
        return self._going_on.take(seen.incidents)

    def _account(self, seen: Seen) -> None:
        alive = self._observed.frozen() is None
        self._batcher.add(
            self._observed.add(
                seen.captured,
                seen.processing,
                seen.dropped,
                same=seen.same,
                blind=self._going_on.blind,
            )
        )
        frozen = self._observed.frozen()
        if alive and frozen is not None:
            log.warning("camera frozen: its picture has not changed for %.0f s", frozen)
            self._batcher.add([Event(CAMERA_FROZEN, seen.captured, "camera", value=frozen)])

    def _camera_changed(self, seeing: bool) -> None:
        now = self._clock()
        if seeing and self._lost_at is not None:
            away = (now - self._lost_at) / MICROSECONDS
            self._batcher.add([Event(CAMERA_BACK, now, "camera", value=away)])
        elif not seeing:
            self._lost_at = now
            self._batcher.add([Event(CAMERA_LOST, now, "camera")])
        self._seeing = seeing
        self._announce()

    def _announce(self) -> None:
        url = "" if self._pictures is None else self._pictures.url
        self._uplink.announce(camera=self._seeing, picture_url=url)
