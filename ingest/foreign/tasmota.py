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
    "PM10": "ug/m3", "Signal": "dB[mW]", "Vcc": "V", "UptimeSec": "s", "Distance": "cm",
}  # fmt: skip

NOT_MEASURED: Final = frozenset({"Time", "Epoch", *STATED})
_CHANNEL: Final = re.compile(r"\d+$")


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
    t = _time(found, message.received, source)
    stated = {field: spoken(str(found[unit])) for unit in STATED if unit in found
              for field in STATED[unit]}  # fmt: skip
    measured = {name: one for name, one in found.items() if name not in NOT_MEASURED}
    values = [
        Value(t, name, value, _unit(field, stated)) for name, field, value in numbers(measured)
    ]
    # Time has seconds only: what is the same within one of them was said once.
    key = digest("tasmota", message.topic, message.payload) if t is not None else None
    return [Reading(source=device, values=values, key=key)]


def _unit(field: str, stated: dict[str, str]) -> str:
    return stated.get(field) or UNITS.get(field) or UNITS.get(_CHANNEL.sub("", field), "")


def _time(found: dict[str, Any], received: int, source: Source) -> int | None:
    """Time of the telemetry: of an hour that a clock shows twice, the one nearer to reception."""
    epoch = found.get("Epoch")
    if isinstance(epoch, int) and not isinstance(epoch, bool):
        return stamp(epoch)
    text = found.get("Time")
    if not isinstance(text, str):
        return None
    said = moment(text.rstrip("Z") if text.endswith("Z") else text)
    if text.endswith("Z"):
        return to_micros(said.replace(tzinfo=UTC))
    if said.tzinfo is not None:
        return to_micros(said)
    if said.year < 2000:  # noqa: PLR2004  # its clock was never set: 1970-01-01T00:00:12
        return None
    return _nearest(said, received, source)


def _nearest(said: datetime, received: int, source: Source) -> int:
    try:
        first, second = (
            to_micros(said.replace(tzinfo=source.time_zone, fold=fold).astimezone(UTC))
            for fold in (0, 1)
        )
    except OverflowError as fault:
        raise ForeignError("bad-time", f"{said} lies outside the calendar") from fault
    return min(first, second, key=lambda t: abs(t - received))
