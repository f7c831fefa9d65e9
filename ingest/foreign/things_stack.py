"""The Things Stack v3: uplinks by MQTT, ``v3/{application}/devices/{device}/up``."""

from typing import Any, Final

from ingest.foreign.reading import (
    ForeignError,
    Message,
    Reading,
    Text,
    Value,
    decode_object,
    digest,
    numbers,
    zoned,
)
from ingest.foreign.settings import Source

RADIO: Final = (("rssi", "dB[mW]"), ("snr", "dB"))
"""What the gateway that heard best says, and its units."""


RAW: Final = "bytes"
"""The payload itself, which the formatter that an application begins with hands through."""


def read(message: Message, _: Source) -> list[Reading]:
    """Read an uplink; joins, downlink events and the like say nothing that is measured.

    A frame is named by its session, its counter and when the network server noted it, so one that
    was delivered again is the same. Protobuf leaves zeros out: a counter that is not there is zero.
    """
    found = decode_object(message.payload)
    uplink = found.get("uplink_message")
    if not isinstance(uplink, dict):
        return []
    device = found.get("end_device_ids")
    if not isinstance(device, dict) or not isinstance(device.get("device_id"), str):
        raise ForeignError("not-an-uplink", "end_device_ids.device_id is missing")
    t = _time(found, uplink)
    decoded = uplink.get("decoded_payload")
    decoded = decoded if isinstance(decoded, dict) else {}
    measured = {
        name: found
        for name, found in decoded.items()
        if not (name == RAW and isinstance(found, list))
    }
    values = [Value(t, name, value) for name, _, value in numbers(measured)]
    values += _radio(uplink, t)
    return [
        Reading(
            source=device["device_id"],
            values=values,
            texts=_texts(decoded, t),
            key=_key(device, uplink, found, message),
            simulated=found.get("simulated") is True,
        )
    ]


def _time(found: dict[str, Any], uplink: dict[str, Any]) -> int | None:
    """Time at the gateway if it has one, else at the first server that noted it."""
    settings = uplink.get("settings")
    stated = [settings.get("time")] if isinstance(settings, dict) else []
    stated += [one.get("time") for one in _heard(uplink)]
    stated += [uplink.get("received_at"), found.get("received_at")]
    for text in stated:
        if isinstance(text, str):
            return zoned(text)
    return None


def _heard(uplink: dict[str, Any]) -> list[dict[str, Any]]:
    found = uplink.get("rx_metadata")
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _radio(uplink: dict[str, Any], t: int | None) -> list[Value]:
    heard = [one for one in _heard(uplink) if isinstance(one.get("rssi"), int | float)]
    if not heard:
        return []
    best = max(heard, key=lambda one: one["rssi"])
    values = [Value(t, "gateways", float(len(heard)), "1")]
    for name, unit in RADIO:
        if isinstance(best.get(name), int | float):
            values.append(Value(t, name, float(best[name]), unit))
    counter = uplink.get("f_cnt", 0)
    if isinstance(counter, int):
        values.append(Value(t, "f_cnt", float(counter), "1"))
    return values


def _texts(decoded: dict[str, Any], t: int | None) -> list[Text]:
    return [
        Text(t, name, text)
        for name, text in decoded.items()
        if isinstance(text, str) and not list(numbers(text))
    ]


def _key(
    device: dict[str, Any], uplink: dict[str, Any], found: dict[str, Any], message: Message
) -> bytes:
    session = uplink.get("session_key_id")
    if isinstance(session, str):
        who = str(device.get("dev_eui", device["device_id"]))
        port = f"{uplink.get('f_cnt', 0)}:{uplink.get('f_port', 0)}"
        # An ABP device that restarts counts from zero in the same session. A frame that it sends
        # again, or that another gateway hears, is handed over by the network server once.
        noted = str(uplink.get("received_at", ""))
        content = str(uplink.get("frm_payload", ""))
        return digest("things-stack", who, session, port, content, noted)
    return digest("things-stack", str(found.get("received_at", "")), message.payload)
