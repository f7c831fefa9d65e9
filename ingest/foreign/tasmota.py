"""Tasmota: ``tele/{topic}/SENSOR``, ``STATE`` and ``LWT``."""

import re
from datetime import UTC, datetime
from typing import Any, Final

from contracts.clock import to_micros
from ingest.foreign.reading import (
    PRESENCE,
    ForeignError,
    Message,
    Presence,
    Reading,
    Value,
    decode_object,
    digest,
    moment,
    numbers,
    stamp,
    zoned,
)
from ingest.foreign.settings import Source
from ingest.foreign.units import spoken

STATED: Final = {
    "TempUnit": ("Temperature", "DewPoint", "HeatIndex"),
    "PressureUnit": ("Pressure", "SeaPressure"),
    "SpeedUnit": ("Speed",),
}
"""Fields that state the unit of others."""

UNITS: Final = {
    "Humidity": "%", "Illuminance": "lx", "Power": "W", "ApparentPower": "V.A",
    "ReactivePower": "V.A", "Voltage": "V", "Current": "A", "Frequency": "Hz", "Total": "kW.h",
    "Today": "kW.h", "Yesterday": "kW.h", "CarbonDioxide": "[ppm]", "PM2.5": "ug/m3",
    "PM10": "ug/m3", "Signal": "dB[mW]", "Vcc": "V", "UptimeSec": "s",
}  # fmt: skip

DISTANCES: Final = {"SR04": "cm", "TFminiPlus": "cm", "LD2410": "cm", "AS3935": "km"}
"""Sensors that have always told `Distance` in this unit; others went from mm to cm (VL53L0X)."""

FIRST_YEAR: Final = 2016
"""A clock that shows an earlier one was never set: it counts from 1970."""

NOT_MEASURED: Final = frozenset({"Time", "Epoch", *STATED})
_CHANNEL: Final = re.compile(r"\d+$")
_FIRST: Final = to_micros(datetime(FIRST_YEAR, 1, 1, tzinfo=UTC))


def read(message: Message, source: Source) -> list[Reading]:
    """Read telemetry; what Tasmota answers to commands is not measured."""
    device = message.wild[0] if message.wild else ""
    kind = message.topic.rpartition("/")[2]
    if kind == "LWT":
        online = PRESENCE.get(message.payload.decode(errors="replace").lower())
        return [] if online is None else [Reading(source=device, presence=Presence(online))]
    if kind not in {"SENSOR", "STATE"}:
        return []
    found = decode_object(message.payload)
    t, twice = _time(found, message.received, source)
    stated = {field: spoken(str(found[unit])) for unit in STATED if unit in found
              for field in STATED[unit]}  # fmt: skip
    measured = {name: one for name, one in found.items() if name not in NOT_MEASURED}
    values = [
        Value(t, name, value, _unit(name, field, stated))
        for name, field, value in numbers(measured)
    ]
    # Time has seconds only: what is the same within one of them was said once.
    # The hour that a clock shows twice has the same seconds twice, though.
    which = [str(t)] if twice else []
    key = digest("tasmota", message.topic, message.payload, *which) if t is not None else None
    return [Reading(source=device, values=values, key=key)]


def _unit(name: str, field: str, stated: dict[str, str]) -> str:
    if field == "Distance":
        return next((unit for one, unit in DISTANCES.items() if name.startswith(one)), "")
    return stated.get(field) or UNITS.get(field) or UNITS.get(_CHANNEL.sub("", field), "")


def _time(found: dict[str, Any], received: int, source: Source) -> tuple[int | None, bool]:
    """Time of the telemetry, None if its clock was never set; and whether a clock shows it twice.

    `Time` is the epoch, too, after the command `Time 3`.
    """
    twice = False
    match found:
        case {"Epoch": int(epoch)} | {"Time": int(epoch)} if not isinstance(epoch, bool):
            t = stamp(epoch)
        case {"Time": str(text)}:
            said = moment(text)
            if said.tzinfo is not None:
                t = zoned(text)
            elif said.year < FIRST_YEAR:  # there may be no such time in the zone
                return None, False
            else:
                t, twice = _nearest(said, received, source)
        case _:
            return None, False
    return (t, twice) if t >= _FIRST else (None, False)


def _nearest(said: datetime, received: int, source: Source) -> tuple[int, bool]:
    """Time of a local one, of two the one nearer to reception; and whether there are two."""
    try:
        first, second = (
            to_micros(said.replace(tzinfo=source.time_zone, fold=fold).astimezone(UTC))
            for fold in (0, 1)
        )
    except OverflowError as fault:
        raise ForeignError("bad-time", f"{said} lies outside the calendar") from fault
    return min(first, second, key=lambda t: abs(t - received)), first != second
