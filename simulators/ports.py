"""The ports of a simulated street, and what is sent on them."""

import json
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from contracts.site import Camera, Site
from simulators import modem, sensors
from simulators.broadcast import Broadcast
from simulators.render import to_jpeg
from simulators.signals import SignalEvent
from simulators.stream import NutStream
from simulators.street import Moment, captured, renderer
from simulators.world import STEP

_A_SECOND: Final = round(1 / STEP)  # steps


class Picture(NamedTuple):
    """One frame on its way to the clients."""

    jpeg: bytes
    captured: int  # [us]


class Ports:
    """A port for each camera, and two for each device: readings, and its modem's.

    Parameters
    ----------
    site : Site
        What stands where.
    seed : int
        Decides sensors, modems and pictures.
    """

    def __init__(self, site: Site, seed: int) -> None:
        self._site = site
        self._cameras = {
            c.device: (renderer(site, c.device, seed=seed), Broadcast[Picture](_film(c)))
            for c in site.cameras
        }
        self._lines = {d: Broadcast[dict[str, Any]](lambda: _line) for d in site.devices}
        self._modems = {d: Broadcast[dict[str, Any]](lambda: _line) for d in site.devices}
        self._radio = {d: modem.readings(seed + 1000 * n) for n, d in enumerate(site.devices)}
        self._weather = sensors.air_temperature(seed)

    @property
    def all(self) -> list[Broadcast[Any]]:
        """Every port, in the order in which their numbers are given."""
        films = [film for _, film in self._cameras.values()]
        return [*films, *self._lines.values(), *self._modems.values()]

    async def open(self, port: int) -> dict[str, dict[str, str]]:
        """Open the ports; gives the URLs by device and by what is sent there."""
        urls = iter([await p.open(port and port + n) for n, p in enumerate(self.all)])
        devices: dict[str, dict[str, str]] = {device: {} for device in self._site.devices}
        for kind, names in (
            ("camera", self._cameras),
            ("sensors", self._lines),
            ("modem", self._modems),
        ):
            for device in names:
                devices[device][kind] = next(urls)
        return devices

    def take_pictures(self, moment: Moment, start: int) -> dict[str, Picture]:
        """Take the pictures of all cameras that somebody watches."""
        at = captured(start, moment.scene.time)
        return {
            device: Picture(to_jpeg(painter.picture(moment.scene)), at)
            for device, (painter, film) in self._cameras.items()
            if film.clients
        }

    def publish(self, moment: Moment, pictures: dict[str, Picture], start: int) -> None:
        """Send a step: pictures, signal events and, once a second, all readings."""
        for device, picture in pictures.items():
            self._cameras[device][1].publish(picture)
        if self._site.signal_device is not None:
            for event in moment.signal:
                self._lines[self._site.signal_device].publish(_logged(event, start))
        if round(moment.scene.time / STEP) % _A_SECOND == 0:
            self._publish_readings(moment, captured(start, moment.scene.time))

    def _publish_readings(self, moment: Moment, at: int) -> None:
        for device, radio in self._radio.items():
            for name, value in next(radio)._asdict().items():
                self._modems[device].publish(_scalar(at, f"modem.{name}", value))
        for device, (painter, _) in self._cameras.items():
            level = sensors.noise_level(moment.scene, painter.view.position)
            self._lines[device].publish(_scalar(at, "noise.level", level))
        if self._site.signal_device is not None:
            degrees = next(self._weather)
            self._lines[self._site.signal_device].publish(_scalar(at, "air.temperature", degrees))


def _film(camera: Camera) -> Callable[[], Callable[[Picture], bytes]]:
    def encoder() -> Callable[[Picture], bytes]:
        stream = NutStream(camera.width, camera.height, camera.fps)
        return lambda picture: stream.encode(*picture)

    return encoder


def _line(reading: dict[str, Any]) -> bytes:
    return json.dumps(reading).encode() + b"\n"


def _scalar(at: int, metric: str, value: float) -> dict[str, Any]:
    return {"t": at, "metric": metric, "value": value}


def _logged(event: SignalEvent, start: int) -> dict[str, Any]:
    return {"t": captured(start, event.at), "code": int(event.code), "parameter": event.parameter}
