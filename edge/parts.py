"""Camera, sensors and modem of a running agent, each of which can be exchanged by itself."""

import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from edge.camera import CameraWatch
from edge.config import AgentConfig
from edge.configuration.camera import Camera
from edge.sensors.plugin import Sensor
from edge.sensors.run import SensorRun
from edge.threads import Failed, start_thread

if TYPE_CHECKING:  # it reads XML, and few cameras have events
    from edge.onvif.listen import Listener

PATIENCE: Final = 5.0
"""How long a part may take to end. [s]"""

Part: TypeAlias = "CameraWatch | SensorRun | Listener"
"""What runs in a thread of its own."""


class _Watched(NamedTuple):
    watch: CameraWatch
    thread: threading.Thread


class _Read(NamedTuple):
    sensor: Sensor
    run: SensorRun
    thread: threading.Thread


class _Heard(NamedTuple):
    listener: "Listener"
    thread: threading.Thread


class Parts:
    """What makes an agent's samples.

    Parameters
    ----------
    make_camera, make_sensor, make_listener
        Make a part that is not started yet.
    failed
        Told what a part died of.
    """

    def __init__(
        self,
        make_camera: Callable[[Camera], CameraWatch],
        make_sensor: Callable[[Sensor], SensorRun],
        make_listener: Callable[[Camera], "Listener"],
        failed: Failed,
    ) -> None:
        self._make_camera = make_camera
        self._make_sensor = make_sensor
        self._make_listener = make_listener
        self._failed = failed
        self._until_done = False
        self._wanted: Camera | None = None
        self._camera: _Watched | None = None
        self._events: _Heard | None = None
        self._sensors: list[_Read] = []
        self._bad = 0  # of sensors that are gone

    def start(self, config: AgentConfig, *, until_done: bool) -> None:
        """Start every part."""
        self._until_done = until_done
        self.apply(config)

    def apply(self, config: AgentConfig) -> None:
        """End what is not wanted any more, start what is new; all else goes on undisturbed."""
        wanted = [*config.sensors, *([config.modem] if config.modem else [])]
        kept: list[_Read] = []
        for each in self._sensors:
            if each.sensor in wanted:
                wanted.remove(each.sensor)
                kept.append(each)
            else:
                _end(each.run, each.thread)
                self._bad += each.run.bad
        for sensor in wanted:  # after the others have ended: it may be the same port
            run = self._make_sensor(sensor)
            kept.append(_Read(sensor, run, self._start(run)))
        self._sensors = kept
        if config.camera != self._wanted:
            self.restart_camera(config.camera)

    def restart_camera(self, camera: Camera | None) -> None:
        """Let the camera's process finish its frame, then begin another one."""
        for part in (self._camera, self._events):
            if part is not None:
                _end(*part)
        self._wanted, self._camera, self._events = camera, None, None
        if camera is not None:
            watch = self._make_camera(camera)
            self._camera = _Watched(watch, self._start(watch))
            if camera.events:
                listener = self._make_listener(camera)
                self._events = _Heard(listener, self._start(listener))

    def stop(self) -> None:
        """End every part; all of them at the same time."""
        running: list[tuple[Part, threading.Thread]] = [
            (each.run, each.thread) for each in self._sensors
        ]
        running += [part for part in (self._camera, self._events) if part is not None]
        for part, _ in running:
            part.stop()
        for _, thread in running:
            thread.join(PATIENCE)

    def want_picture(self) -> None:
        """Ask the camera for pictures during the next seconds."""
        if self._camera is not None:
            self._camera.watch.want_picture()

    def want_live(self, rate: float) -> None:
        """Ask the camera for so many pictures a second [Hz] during the next seconds."""
        if self._camera is not None:
            self._camera.watch.want_live(rate)

    def want_snapshot(self, name: str, kind: str) -> None:
        """Ask the camera for one picture of what it shows now, under an id."""
        if self._camera is not None:
            self._camera.watch.want_snapshot(name, kind)

    @property
    def over(self) -> bool:
        """Whether camera and sensors have nothing more."""
        return (self._camera is None or self.camera_over) and all(run.over for run in self.sensors)

    @property
    def camera_over(self) -> bool:
        """Whether the camera is a recording that has ended."""
        return self._camera is not None and self._camera.watch.over.is_set()

    @property
    def sensors(self) -> Sequence[SensorRun]:
        """Those that run now, the modem among them."""
        return [each.run for each in self._sensors]

    @property
    def bad(self) -> int:
        """What could not be read of all sensors so far."""
        return self._bad + sum(run.bad for run in self.sensors)

    @property
    def unmapped(self) -> int | None:
        """What the camera itself said and could not be used; None where nobody listens."""
        return None if self._events is None else self._events.listener.unmapped

    def _start(self, part: Part) -> threading.Thread:
        target = partial(part.run, until_done=self._until_done)
        return start_thread(type(part).__name__, target, self._failed)


def _end(part: Part, thread: threading.Thread) -> None:
    part.stop()
    thread.join(PATIENCE)
