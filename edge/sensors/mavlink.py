"""Drones that speak MAVLink, over UDP or a serial port: where they are, and how they do."""

import socket
from collections.abc import Generator
from contextlib import closing
from math import hypot
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from contracts.clock import MICROSECONDS
from edge.sensors.mavlink_frames import Frame, Frames
from edge.sensors.plugin import TICK, Pieces, Reading, Sensor, Watch, known, units_of
from edge.sensors.streams import Baud, open_port, waiting_bytes

_NO_VOLTAGE: Final = 0xFFFF
_NO_HEADING: Final = 0xFFFF
_NOBODY: Final = 255
_BELIEVED: Final = 1_000_000_000 * MICROSECONDS
"""A drone that says it is before 2001 has not been told the time. [us]"""

_NAMES: Final = (
    "latitude longitude altitude height speed heading battery voltage current fix satellites"
)


class MavlinkSensor(Sensor):
    """One system (a drone) of a MAVLink network; it is only listened to."""

    source: str = Field(min_length=1, description="udp://0.0.0.0:14550 or a serial port")
    baud: Baud = 57_600
    system: Annotated[int, Field(ge=1, le=255)] = 1

    @field_validator("source")
    @classmethod
    def _can_be_opened(cls, source: str) -> str:
        parts = urlsplit(source)
        udp = parts.scheme == "udp" and parts.hostname and parts.port
        if not udp and not source.startswith("/"):
            msg = "neither udp://host:port to listen on nor a serial port, as /dev/ttyACM0"
            raise ValueError(msg)
        return source

    @property
    def place(self) -> str:
        """The source and whom it hears there."""
        return f"{self.source} system {self.system}"

    def units(self) -> dict[str, str]:
        """Name what the messages that are read may say."""
        return units_of(*(f"drone.{name}" for name in _NAMES.split()))

    def read(self, watch: Watch) -> Pieces:
        """Read frames; those of other systems and of other kinds are left out."""
        drone, frames, bad = Drone(), Frames(), 0
        with closing(self._bytes(watch)) as pieces:
            for piece in pieces:
                now = watch.clock()
                own = [frame for frame in frames.cut(piece) if frame.system == self.system]
                for _ in range(frames.bad - bad):
                    watch.refuse("bytes that are no MAVLink frame with a right checksum")
                bad = frames.bad
                yield [r for f in own for r in drone.take(f, now)] if own else None

    def _bytes(self, watch: Watch) -> Generator[bytes, None, None]:
        """Yield what comes, nothing every `TICK`."""
        if self.source.startswith("/"):
            with open_port(self.source, self.baud) as port:
                while not watch.stopping.is_set():
                    yield waiting_bytes(port)
            return
        parts = urlsplit(self.source)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
            listener.bind((parts.hostname, parts.port))
            listener.settimeout(TICK)
            while not watch.stopping.is_set():
                try:
                    yield listener.recv(1 << 16)
                except TimeoutError:
                    yield b""


class Drone:
    """Makes readings of the messages of one system; remembers when it was switched on."""

    def __init__(self) -> None:
        self._booted: int | None = None  # [us] since the epoch, by its own clock

    def take(self, frame: Frame, now: int) -> list[Reading]:
        """Read a message that came at `now` [us]."""
        said = frame.fields
        match frame.name:
            case "SYSTEM_TIME" if said["time_unix_usec"] > _BELIEVED:
                self._booted = said["time_unix_usec"] - 1000 * said["time_boot_ms"]
            case "SYS_STATUS":
                return _power(said, now)
            case "GPS_RAW_INT":
                return _reception(said, now)
            case "GLOBAL_POSITION_INT":
                own = self._booted
                return _position(said, now if own is None else own + 1000 * said["time_boot_ms"])
        return []


def _power(said: dict[str, int], t: int) -> list[Reading]:
    readings = []
    if said["voltage_battery"] != _NO_VOLTAGE:
        readings.append(known(t, "drone.voltage", said["voltage_battery"] / 1e3))
    if said["current_battery"] >= 0:
        readings.append(known(t, "drone.current", said["current_battery"] / 1e2))
    if said["battery_remaining"] >= 0:
        readings.append(known(t, "drone.battery", said["battery_remaining"]))
    return readings


def _reception(said: dict[str, int], t: int) -> list[Reading]:
    readings = [known(t, "drone.fix", said["fix_type"])]
    if said["satellites_visible"] != _NOBODY:
        readings.append(known(t, "drone.satellites", said["satellites_visible"]))
    return readings


def _position(said: dict[str, int], t: int) -> list[Reading]:
    if said["lat"] == said["lon"] == 0:  # it does not know yet
        return []
    readings = [
        known(t, "drone.latitude", said["lat"] / 1e7),
        known(t, "drone.longitude", said["lon"] / 1e7),
        known(t, "drone.altitude", said["alt"] / 1e3),
        known(t, "drone.height", said["relative_alt"] / 1e3),
        known(t, "drone.speed", hypot(said["vx"], said["vy"]) / 1e2),
    ]
    if said["hdg"] != _NO_HEADING:
        readings.append(known(t, "drone.heading", said["hdg"] / 1e2))
    return readings
