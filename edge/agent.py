"""The agent: camera, sensors and modem of one device, batched into the outbox, sent from there."""

import logging
import threading
import time
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid4

from contracts import metrics
from contracts.batch import Batch
from contracts.chrony import clock_quality
from contracts.clock import MICROSECONDS, Clock, milliseconds
from contracts.events import (
    CAMERA_BACK,
    CAMERA_FROZEN,
    CAMERA_LOST,
    CONFIG_APPLIED,
    CONFIG_REFUSED,
)
from contracts.messages import Doctor, Flush, InstallVersion, Ping, RestartCamera, Snapshot
from contracts.version import __version__
from edge.batches import Batcher, Event, Scalar
from edge.camera import CameraWatch
from edge.commands import Commands, RefusedError
from edge.config import AgentConfig
from edge.configuration.camera import Camera
from edge.configuration.change import Followed, change
from edge.configuration.remote import Health, Remote
from edge.detecting import DetectorWatch, MotionWatch
from edge.incidents import GoingOn
from edge.models.file import checksum
from edge.observed import Observed
from edge.outbox import Outbox
from edge.outbox_seal import Seal
from edge.parts import Parts
from edge.probing.cost import Costs
from edge.probing.run import Probing
from edge.seen import events_of, occupancy_of
from edge.sensors.plugin import Sensor
from edge.sensors.run import SensorRun
from edge.service.notify import Supervisor
from edge.threads import start_thread
from edge.update.asked import AskedUpdates
from edge.uplink import Uplink
from edge.wire import Detecting, Message, Opened, Picture, Resized, Seen, columns

if TYPE_CHECKING:
    from edge.onvif.listen import Listener
    from edge.picture_room import PictureRoom

log = logging.getLogger(__name__)

TICK: Final = 1.0
"""How often the agent says how it is. [s]"""
CLOCK_PERIOD: Final = 30
"""How often chrony is asked, and how much was sent is told. [ticks]"""
STUCK: Final = 45.0
"""A thread that has not come round for so long will not. [s]"""
AT_ONCE: Final = 10
"""Batches that are always on the way."""
GOODBYE: Final = 2.0
"""How long a stopping agent tries to send what it has just kept. [s]"""

SNAPSHOT_PATIENCE: Final = 10.0
"""How long a picture may take that is asked for. [s]"""
LONGEST: Final = 200
"""Characters that an event tells of a reason; the log has all of them."""


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
    followed
        File of the configuration, whose changes are applied while the agent runs.
    remote
        What the platform desires of the configuration; it may desire nothing without it.
    """

    def __init__(
        self,
        config: AgentConfig,
        *,
        clock: Clock,
        boot: UUID | None = None,
        followed: Followed | None = None,
        remote: Remote | None = None,
    ) -> None:
        self._config = config
        self._followed = followed
        self._remote = remote
        self._losses = 0  # of cameras
        self._clock = clock
        self._stopping = threading.Event()
        self._fault: Exception | None = None
        if config.camera is not None and config.camera.detector is not None:
            checksum(config.camera.detector, config.camera.detector_sha256)
        self._outbox = Outbox(
            config.outbox.path,
            device=config.device,
            boot=boot or uuid4(),
            max_bytes=config.outbox.max_bytes,
            clock=clock,
            seal=Seal(config.outbox.keys),
        )
        self._updates = AskedUpdates(
            config.update,
            config.outbox.path.with_name(config.outbox.path.name + ".update"),
            say=self._say,
            stop=self.stop,
            failed=self._fail,
        )
        self._commands = Commands(
            {
                Ping: self._answer_ping,
                Flush: self._flush_now,
                RestartCamera: self._restart_camera,
                InstallVersion: self._updates.install,
            },
            slow={Doctor: self._examine, Snapshot: self._take_snapshot},
            clock=clock,
        )
        self._uplink = Uplink(
            config,
            self._outbox,
            clock=clock,
            desired=remote.hear if remote else None,
            command=self._commands.hear,
        )
        self._batcher = Batcher(
            config.device, simulated=config.simulated, sink=self._keep, clock=clock
        )
        self._probing = self._make_probing()
        self._observed = Observed()
        self._detecting, self._moving = DetectorWatch(), MotionWatch()
        self._parts = Parts(self._make_camera, self._make_sensor, self._make_listener, self._fail)
        self._going_on = GoingOn()
        self._pictures = self._make_pictures()
        self._supervisor = Supervisor()
        self._flushed = time.monotonic()
        self._seeing = False
        self._lost_at: int | None = None  # [us]

    def _make_camera(self, camera: Camera) -> CameraWatch:
        return CameraWatch(
            camera,
            on_message=self._see,
            on_change=self._camera_changed,
            device=None if self._config.pictures is None else self._config.device,
        )

    def _make_sensor(self, sensor: Sensor) -> SensorRun:
        return SensorRun(sensor, self._batcher.add, self._clock)

    def _make_listener(self, camera: Camera) -> "Listener":
        from edge.onvif.listen import Listener  # noqa: PLC0415  # XML, for ONVIF cameras only

        return Listener(camera, self._batcher.add, self._clock)

    def _make_pictures(self) -> "PictureRoom | None":
        if self._config.pictures is None or self._config.camera is None:
            return None
        from edge.picture_room import PictureRoom  # noqa: PLC0415  # a server, for who wants it

        return PictureRoom(self._config, self._parts, add=self._batcher.add, clock=self._clock)

    def _make_probing(self) -> Probing | None:
        """Probe the link, unless nobody wants it: a simulated device's would be another one."""
        config = self._config
        if config.simulated or not config.probes.bytes_per_day:
            return None
        probing = Probing(
            config.probes,
            Costs(config.device, sealed=config.uplink.broker(config.device).tls),
            self._uplink,
            config.outbox.path.with_name(config.outbox.path.name + ".probes"),
            add=self._batcher.add,
            quality=lambda: self._batcher.clock_quality,
            clock=self._clock,
        )
        self._uplink.prober = probing.prober
        return probing

    @property
    def boot(self) -> UUID:
        """Boot id of this start."""
        return self._outbox.boot

    @property
    def connected(self) -> bool:
        """Whether the broker has let us in."""
        return self._uplink.connected

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
        self._updates.started()
        self._start(until_done=until_done)
        try:
            self._tick(until_done=until_done)
            self._stop_sources()
            self._batcher.flush()
            self._uplink.wake()
            self._drain(GOODBYE if self._stopping.is_set() else drain)
        finally:
            self._stopping.set()
            self._supervisor.tell(STOPPING="1")
            self._batcher.close()
            self._commands.close()
            if self._pictures is not None:
                self._pictures.close()
            self._uplink.close(GOODBYE)
            left = self._outbox.stock().batches
            self._outbox.close()
        if self._fault is not None:
            raise self._fault
        log.info("agent %s ended, %d batches wait for the next start", self._config.device, left)
        return left == 0

    def _start(self, *, until_done: bool) -> None:
        """Start every part."""
        self._uplink.start(self._fail)
        self._announce()
        start_thread("batches", self._flush_often, self._fail)
        if self._config.uplink.identity is not None:
            from edge.identity.keeper import Keeper  # noqa: PLC0415  # for who has an identity

            keeper = Keeper(self._config.uplink.identity, self._uplink.certified, self._clock)
            start_thread("identity", partial(keeper.run, self._stopping), self._fail)
        if self._pictures is not None:
            start_thread("pictures", self._pictures.server.serve_forever, self._fail)
        if self._probing is not None:
            self._probing.start(self._fail)
        self._parts.start(self._config, until_done=until_done)

    def _fail(self, fault: Exception) -> None:
        self._fault = fault
        self._stopping.set()

    def _tick(self, *, until_done: bool) -> None:
        """Say every second how the agent is, until it is time to end."""
        ticks = 0
        self._supervisor.tell(READY="1")
        while not self._stopping.wait(TICK):
            if self._is_alive():
                self._supervisor.alive(self._status())
            if until_done and self._parts.over:
                return
            if ticks % CLOCK_PERIOD == 0:
                self._batcher.clock_quality = clock_quality()
                self._batcher.add(self._traffic())
            ticks += 1
            self._follow()
            self._obey()
            self._updates.look(well=self._does_well())
            for result, correlation in self._commands.work():
                self._uplink.answer(result, correlation)
            self._batcher.add(self._health())
            if self._uplink.connected:
                self._outbox.report_other_boots(self._batcher.empty())

    def _follow(self) -> None:
        """Apply a configuration that changed."""
        if self._followed is None:
            return
        new = self._followed.look(lambda reason: self._say(CONFIG_REFUSED, reason))
        if new is not None:
            self._apply(new)

    def _obey(self) -> None:
        """Do what the platform desires of the configuration, and say what became of it."""
        if self._remote is None:
            return
        new = self._remote.look(Health(self._sees(), self._losses, self._uplink.connected))
        if new is not None:
            self._apply(new)
        if (reported := self._remote.report()) is not None:
            self._uplink.report(reported)

    def _answer_ping(self, _: Ping) -> dict[str, Any]:
        stock = self._outbox.stock()
        return {
            "boot": str(self.boot),
            "version": __version__,
            "camera": self._seeing,
            "waiting_batches": stock.batches,
            "dropped_batches": stock.dropped,
        }

    def _flush_now(self, _: Flush) -> dict[str, Any]:
        flushed = self._batcher.flush()
        self._uplink.wake()
        return {"flushed_batches": flushed, "waiting_batches": self._outbox.stock().batches}

    def _restart_camera(self, _: RestartCamera) -> dict[str, Any]:
        if self._config.camera is None:
            msg = "this device has no camera"
            raise RefusedError(msg)
        self._parts.restart_camera(self._config.camera)
        return {}

    def _examine(self, _: Doctor) -> dict[str, Any]:
        from edge.doctor.examine import examine_running  # noqa: PLC0415  # only who asks pays

        found = list(examine_running(self._config, seeing=self._sees()))
        return {"findings": [finding._asdict() for finding in found]}

    def _take_snapshot(self, _: Snapshot) -> dict[str, Any]:
        if self._pictures is None or not self._seeing:
            raise RefusedError("this device gives no picture now")
        taken = self._pictures.take_now(SNAPSHOT_PATIENCE)
        return {"snapshot": taken.id, "captured": taken.captured, "bytes": taken.size}

    def _sees(self) -> bool:
        return self._seeing or self._config.camera is None or self._parts.camera_over

    def _does_well(self) -> bool:
        return self._sees() and self._uplink.connected

    def _apply(self, new: AgentConfig) -> None:
        found = change(self._config, new)
        self._config = found.config
        if found.applied:
            if "camera" in found.applied and self._seeing:
                self._seeing = False  # until the new one is
                self._announce()
            self._parts.apply(found.config)
            log.info("the configuration changed: %s applied", ", ".join(found.applied))
            self._say(CONFIG_APPLIED, ", ".join(found.applied))
        if found.at_restart:
            names = ", ".join(found.at_restart)
            log.warning("the configuration changed: %s waits for the agent's restart", names)
            self._say(CONFIG_REFUSED, f"{names}: needs a restart")

    def _say(self, kind: str, what: str) -> None:
        self._batcher.add([Event(kind, self._clock(), what[:LONGEST])])

    def _is_alive(self) -> bool:
        """Whether no thread of ours is stuck; one that died ends the agent by itself."""
        now = time.monotonic()
        return all(now - since < STUCK for since in (self._flushed, self._uplink.turned))

    def _status(self) -> str:
        """Say in a line how it goes, for who looks at the service."""
        parts = ["connected" if self._uplink.connected else "no connection to the broker"]
        if self._config.camera is not None:
            parts.append("camera sees" if self._seeing else "NO PICTURE from the camera")
        waiting = self._outbox.stock().batches
        return ", ".join([*parts, f"{waiting if waiting > AT_ONCE else 'few'} batches wait"])

    def _health(self) -> list[Scalar]:
        now, stock = self._clock(), self._outbox.stock()
        age = 0 if stock.oldest is None else now - stock.oldest
        trip = self._uplink.take_round_trip()
        scalars = [
            Scalar(now, metrics.OUTBOX_BYTES, stock.bytes),
            Scalar(now, metrics.BACKLOG_AGE, round(max(age, 0) / MICROSECONDS, 3)),
            Scalar(now, metrics.DROPPED_BATCHES, stock.dropped),
        ]
        if self._parts.sensors:
            scalars.append(Scalar(now, metrics.BAD_LINES, self._parts.bad))
        if self._parts.unmapped is not None:
            scalars.append(Scalar(now, metrics.CAMERA_UNMAPPED, self._parts.unmapped))
        if self._pictures is not None:
            scalars += self._pictures.used(now)
        if trip is not None:
            scalars.append(Scalar(now, metrics.UPLINK_ROUND_TRIP, milliseconds(trip)))
        return scalars

    def _traffic(self) -> list[Scalar]:
        now = self._clock()
        sent = self._uplink.take_bytes()
        return [Scalar(now, f"{metrics.UPLINK_BYTES}_{s}", size) for s, size in sent.items()]

    def _stop_sources(self) -> None:
        self._parts.stop()
        if self._probing is not None:
            self._probing.close()
        self._batcher.add(self._observed.finish())
        self._batcher.add(self._detecting.opened())
        self._batcher.add(self._going_on.abandon(self._clock()))

    def _drain(self, seconds: float) -> None:
        """Wait until everything is durable, for a while."""
        deadline = time.monotonic() + seconds
        while self._outbox.stock().batches and time.monotonic() < deadline and not self._fault:
            time.sleep(0.05)

    def _flush_often(self) -> None:
        while not self._stopping.wait(self._config.batches.max_age_s):
            self._flushed = time.monotonic()
            if self._batcher.flush(self._config.batches.patient_age_s):
                self._uplink.wake()

    def _keep(self, batches: Sequence[Batch]) -> None:
        self._outbox.append(batches)

    def _see(self, message: Message) -> None:
        match message:
            case Opened():  # a new child: its time and its counters begin anew
                self._batcher.add(self._observed.finish())
                self._observed = Observed()
                self._batcher.add(self._detecting.opened())
                self._batcher.add(self._going_on.abandon(self._clock()))
            case Resized():  # vision begins anew: it does not know any more what went on
                self._batcher.add(self._going_on.abandon(self._clock()))
            case Detecting():
                self._batcher.add(self._detecting.change(message))
            case Seen():
                self._account(message)
                self._batcher.add(self._detecting.add(message))
                self._batcher.add(self._moving.add(message))
                self._batcher.add(events_of(message))
                self._batcher.add(occupancy_of(message))
                self._batcher.add(self._take_incidents(message))
                if message.tracks:
                    self._batcher.add_tracks(columns(message.tracks))
            case Picture():
                if self._pictures is not None:
                    self._pictures.take(message)

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
            if self._pictures is not None:
                self._pictures.remember(f"frozen-{seen.captured}", CAMERA_FROZEN)

    def _camera_changed(self, seeing: bool) -> None:
        now = self._clock()
        if seeing and self._lost_at is not None:
            away = (now - self._lost_at) / MICROSECONDS
            self._batcher.add([Event(CAMERA_BACK, now, "camera", value=away)])
        elif not seeing:
            self._lost_at = now
            self._losses += 1
            self._batcher.add([Event(CAMERA_LOST, now, "camera")])
        self._seeing = seeing
        self._announce()

    def _announce(self) -> None:
        server = None if self._pictures is None else self._pictures.server
        self._uplink.announce(
            camera=self._seeing,
            picture_url="" if server is None else server.url,
            picture_certificate="" if server is None else server.fingerprint,
        )
