"""GNSS receivers that speak NMEA 0183 over a serial port: where the box is, and how well it knows.

RMC gives position, speed, course and the date, GGA the quality; others are only checked.
"""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final, Literal

from pynmeagps import NMEAMessage, NMEAReader
from pynmeagps.exceptions import (
    NMEAMessageError,
    NMEAParseError,
    NMEAStreamError,
    NMEATypeError,
)
from pynmeagps.nmeahelpers import calc_checksum, get_parts

from contracts.clock import to_micros
from edge.sensors.plugin import Pieces, Reading, Sensor, Watch, known, units_of
from edge.sensors.streams import Baud, Lines, Port, open_port, waiting_bytes

KNOT: Final = 1852 / 3600  # [m/s]
_HALF_A_DAY: Final = timedelta(hours=12)
_FAULTS: Final = (NMEAMessageError, NMEAParseError, NMEAStreamError, NMEATypeError)


class NmeaSensor(Sensor):
    """A GNSS receiver on a serial port."""

    port: Port
    baud: Baud = 9600
    clock: Literal["gnss", "arrival"] = "gnss"

    @property
    def place(self) -> str:
        """The port."""
        return self.port

    def units(self) -> dict[str, str]:
        """Name what RMC and GGA may say."""
        names = "latitude longitude altitude speed course satellites hdop fix"
        return units_of(*(f"gnss.{name}" for name in names.split()))

    def read(self, watch: Watch) -> Pieces:
        """Read sentences; what comes before the first whole one is left out."""
        receiver = Receiver(own_time=self.clock == "gnss")
        cut = Lines().cut
        joined = False
        with open_port(self.port, self.baud) as port:
            while not watch.stopping.is_set():
                lines = cut(waiting_bytes(port))
                now = watch.clock()
                heard = False
                readings: list[Reading] = []
                for line in lines:
                    if line.strip() and (joined or line.startswith(b"$")):
                        try:
                            readings += receiver.take(line, now)
                            heard = True
                        except ValueError as fault:
                            watch.refuse(fault)
                    joined = True
                yield readings if heard else None


class Receiver:
    """Makes readings of sentences; remembers the date that RMC told."""

    def __init__(self, *, own_time: bool) -> None:
        self._own_time = own_time
        self._told: datetime | None = None

    def take(self, line: bytes, now: int) -> list[Reading]:
        """Read one sentence that came at `now` [us].

        Raises
        ------
        ValueError
            If it is none, or was damaged.
        """
        sentence = parse_sentence(line)
        if sentence is None:
            return []
        said = vars(sentence)  # a short sentence lacks what would stand at its end
        return self._rmc(said, now) if sentence.msgID == "RMC" else self._gga(said, now)

    def _rmc(self, said: dict[str, Any], now: int) -> list[Reading]:
        day, of_day = said.get("date"), said.get("time")
        if said.get("status") != "A" or not isinstance(of_day, time) or not isinstance(day, date):
            return []
        self._told = datetime.combine(day, of_day, UTC)
        t = to_micros(self._told) if self._own_time else now
        readings = _readings(said, t, latitude="lat", longitude="lon", course="cog")
        speed = said.get("spd", "")
        return readings if speed == "" else [*readings, known(t, "gnss.speed", speed * KNOT)]

    def _gga(self, said: dict[str, Any], now: int) -> list[Reading]:
        fix = said.get("quality")
        t = self._captured(said.get("time")) if fix and self._own_time else now
        if t is None:
            return []
        readings = _readings(said, t, fix="quality", satellites="numSV")
        return readings + _readings(said, t, hdop="HDOP", altitude="alt") if fix else readings

    def _captured(self, of_day: Any) -> int | None:
        """Date what has a time of day only: it is less than half a day away from the last RMC."""
        if self._told is None or not isinstance(of_day, time):
            return None
        moment = datetime.combine(self._told.date(), of_day, UTC)
        if moment - self._told > _HALF_A_DAY:
            moment -= timedelta(days=1)
        elif self._told - moment > _HALF_A_DAY:
            moment += timedelta(days=1)
        return to_micros(moment)


def _readings(said: dict[str, Any], t: int, **fields: str) -> list[Reading]:
    return [
        known(t, f"gnss.{name}", said[field])
        for name, field in fields.items()
        if said.get(field, "") != ""
    ]


def parse_sentence(line: bytes) -> NMEAMessage | None:
    r"""Read an RMC or GGA sentence; None is any other that is whole.

    >>> parse_sentence(b"$GPRMC,,V,,,,,,,,,,N*53\r\n").status
    'V'
    >>> parse_sentence(b"$GPGSV,1,1,00*79\r\n")

    Raises
    ------
    ValueError
        If it is no sentence, or was damaged.
    """
    try:
        text = line.strip().decode("ascii")
        content, _, name, _, checksum = get_parts(text)
        if not text.startswith("$") or checksum.upper() != calc_checksum(content):
            msg = f"{text[:90]!r}: no sentence with a right checksum; is the port's speed right?"
            raise ValueError(msg)
        return NMEAReader.parse(text) if name in {"RMC", "GGA"} else None
    except _FAULTS as fault:
        msg = f"{line[:90]!r}: {fault}"
        raise ValueError(msg) from fault
