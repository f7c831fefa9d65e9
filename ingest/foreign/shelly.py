"""Shelly, second generation and later: ``{id}/events/rpc``, ``status/{component}``, ``online``."""

from typing import Any, Final

from ingest.foreign.reading import (
    PRESENCE,
    ForeignError,
    Message,
    Presence,
    Reading,
    Text,
    Value,
    decode_object,
    digest,
    numbers,
    stamp,
)
from ingest.foreign.settings import Source

STATUS: Final = ("NotifyStatus", "NotifyFullStatus")

NOT_MEASURED: Final = frozenset(
    {
        *("id", "ts", "minute_ts", "by_minute", "xby_minute", "unixtime", "mac"),
        *("cfg_rev", "kvs_rev", "webhook_rev"),
    }
)
"""Names, times and revisions; `by_minute` is a history that the totals hold already."""

UNITS: Final = {
    "apower": "W", "act_power": "W", "total_act_power": "W", "aprt_power": "V.A", "voltage": "V",
    "current": "A", "total_current": "A", "freq": "Hz", "tC": "Cel", "tF": "[degF]", "rh": "%",
    "percent": "%", "V": "V", "rssi": "dB[mW]", "lux": "lx", "uptime": "s", "ram_free": "By",
    "ram_size": "By", "fs_free": "By", "fs_size": "By", "total_act": "W.h", "brightness": "%",
    "current_pos": "%",
}  # fmt: skip

ENERGY: Final = "aenergy.total"
"""And `ret_aenergy.total`: totals in watt hours; an input's `counts.total` counts pulses."""


def read(message: Message, _: Source) -> list[Reading]:
    """Read notifications; answers to requests say nothing by themselves."""
    device = message.wild[0] if message.wild else ""
    levels = message.topic.split("/")
    if levels[-1] == "online":
        online = PRESENCE.get(message.payload.decode(errors="replace").lower())
        return [] if online is None else [Reading(source=device, presence=Presence(online))]
    if "status" in levels[-2:]:
        return [_component(device, levels[-1], message)]
    frame = decode_object(message.payload)
    params = frame.get("params")
    if not isinstance(params, dict):
        return []
    source = frame.get("src")
    if not isinstance(source, str):
        raise ForeignError("not-a-notification", "src is missing")
    t = _time(params)
    key = digest("shelly", message.payload) if t is not None else None
    if frame.get("method") in STATUS:
        return [Reading(source=source, values=_values(params, t), key=key)]
    if frame.get("method") == "NotifyEvent":
        return [Reading(source=source, texts=_events(params, t), key=key)]
    return []


def _component(device: str, component: str, message: Message) -> Reading:
    """Read the status of one component: it names no time."""
    status = decode_object(message.payload)
    return Reading(source=device, values=_values({component: status}, None))


def _time(params: dict[str, Any]) -> int | None:
    ts = params.get("ts")
    # A device that does not know the time yet counts from its start.
    return stamp(ts) if isinstance(ts, int | float) and ts > 1_000_000_000 else None  # noqa: PLR2004


def _values(components: dict[str, Any], t: int | None) -> list[Value]:
    status = {name: one for name, one in components.items() if isinstance(one, dict)}
    return [
        Value(t, name, value, "W.h" if name.endswith(ENERGY) else UNITS.get(field, ""))
        for name, field, value in numbers(status, NOT_MEASURED)
    ]


def _events(params: dict[str, Any], t: int | None) -> list[Text]:
    events = params.get("events")
    return [
        Text(_time(event) or t, str(event.get("component", "")), event["event"])
        for event in (events if isinstance(events, list) else [])
        if isinstance(event, dict) and isinstance(event.get("event"), str)
    ]
