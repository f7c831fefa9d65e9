"""Zigbee2MQTT: ``zigbee2mqtt/{friendly name}`` and ``zigbee2mqtt/{friendly name}/availability``."""

import re
from typing import Any, Final

from contracts.clock import to_micros
from ingest.foreign.reading import (
    PRESENCE,
    SWITCH,
    Message,
    Presence,
    Reading,
    Text,
    Value,
    decode_json,
    digest,
    moment,
    numbers,
    stamp,
)
from ingest.foreign.settings import Source

COMMANDS: Final = frozenset({"set", "get"})
"""Topics by which others ask a device: nothing that it says."""

NOT_MEASURED: Final = frozenset({"last_seen", "elapsed", "update", "device", "action"})

UNITS: Final = {
    "temperature": "Cel", "local_temperature": "Cel", "device_temperature": "Cel",
    "humidity": "%", "soil_moisture": "%", "battery": "%", "position": "%",
    "pressure": "hPa", "illuminance": "lx", "illuminance_lux": "lx", "co2": "[ppm]",
    "pm25": "ug/m3", "pm10": "ug/m3", "current": "A", "power": "W", "energy": "kW.h",
    "linkquality": "{lqi}",
}  # fmt: skip
"""Of what Zigbee2MQTT exposes, where all devices agree.

Voltage is volts at a plug and millivolts at a battery; voc is ug/m3, ppb or ppm.
"""

BEFORE_2: Final = UNITS | {"illuminance": "{raw}"}
"""Where `illuminance_lux` is beside it, as before Zigbee2MQTT 2.0, illuminance is Zigbee's own."""


STATES: Final = re.compile(r"(?:.+_)?state(?:_.+)?")
"""Attributes whose words are states: of locks, covers, thermostats, and of each of several."""


def read(message: Message, source: Source) -> list[Reading]:
    """Read what a device or the bridge on its behalf publishes."""
    device = message.wild[-1] if message.wild else ""
    name, _, last = device.rpartition("/")
    levels = device.split("/")
    if levels[0] == "bridge" or last in COMMANDS or not COMMANDS.isdisjoint(levels[1:]):
        return []
    if last == "availability" or message.topic.endswith("/availability"):
        return _presence(name or device, message)
    found = decode_json(message.payload) if message.payload else None
    if not isinstance(found, dict):
        return []  # one attribute a topic, or a retained message that was removed
    t = _last_seen(found.get("last_seen"), source)
    measured = {name: one for name, one in found.items() if name not in NOT_MEASURED}
    units = BEFORE_2 if "illuminance_lux" in found else UNITS
    values = [
        Value(t, name, value, units.get(field, "") if name.startswith(field) else "")
        for name, field, value in numbers(measured)
    ]
    texts = [
        Text(t, name, word)
        for name, word in found.items()
        if isinstance(word, str) and word and _is_event(name, word)
    ]
    # What the bridge says again of a device is the same as long as nothing new was seen of it.
    key = digest("zigbee2mqtt", message.topic, message.payload) if t is not None else None
    return [Reading(source=device, values=sorted(values), texts=texts, key=key)]


def _is_event(name: str, word: str) -> bool:
    """Tell whether a word is an action, or a state that is neither on nor off."""
    if name == "action":
        return True
    return bool(STATES.fullmatch(name)) and word.lower() not in SWITCH


def _presence(device: str, message: Message) -> list[Reading]:
    word = message.payload.decode(errors="replace").strip()
    if word.startswith("{"):
        stated = decode_json(message.payload)
        word = str(stated.get("state")) if isinstance(stated, dict) else ""
    online = PRESENCE.get(word.lower())
    return [] if online is None else [Reading(source=device, presence=Presence(online))]


def _last_seen(stated: Any, source: Source) -> int | None:
    """Time of the device's last message, in whichever of its spellings."""
    match stated:
        case int() | float() if not isinstance(stated, bool):
            return stamp(stated / 1000)
        case str():
            said = moment(stated)
            return to_micros(said if said.tzinfo else said.replace(tzinfo=source.time_zone))
        case _:
            return None
