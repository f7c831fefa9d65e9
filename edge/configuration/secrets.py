"""Where secrets of the box may go: a configuration from afar sends them to no other place.

A place is scheme, host and port, as browsers mean it: what is not the same is another one, so that
TLS is not given up either.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from pydantic import SecretStr

from contracts.errors import SettingsError
from contracts.secrecy import SECRETS

PORTS: Final = {"http": 80, "https": 443, "onvif": 80, "onvifs": 443, "rtsp": 554, "rtsps": 322}
"""Of addresses that state none; FFmpeg's for `rtsps`."""

Place = tuple[str, str, int]


def place(address: object) -> Place | None:
    """Scheme, host and port of an address; None if that is nothing to send a secret to.

    >>> place("rtsp://10.0.0.7/stream1")
    ('rtsp', '10.0.0.7', 554)
    >>> place("street.avi")
    """
    if not isinstance(address, str) or not address.isprintable() or set(address) & set(" \\"):
        return None  # readers of addresses do not agree on what it means
    try:
        parts = urlsplit(address)
        port = parts.port or PORTS[parts.scheme]
    except (ValueError, KeyError):
        return None
    return (parts.scheme, parts.hostname, port) if parts.hostname else None


def check_place(address: str) -> str:
    """Refuse what is no scheme://host or scheme://host:port.

    Raises
    ------
    ValueError
        It says what is expected.
    """
    parts = urlsplit(address)
    if place(address) is None or f"{parts.scheme}://{parts.netloc}" != address or "@" in address:
        msg = f"not scheme://host or scheme://host:port with one of {', '.join(PORTS)}"
        raise ValueError(msg)
    return address


def check_secrets_stay(config: Any, own: Mapping[str, Any], overlay: Mapping[str, Any]) -> None:
    """Refuse what would send a secret of the box where its own file does not go.

    Parameters
    ----------
    config
        What would be in force.
    own
        The box's own tables, without what is desired.
    overlay
        What is desired.

    Raises
    ------
    SettingsError
        It names key, value and fix.
    """
    parts = [own.get("camera"), own.get("modem"), *_sensors(own)]
    named = [part.get(key) for part in parts if isinstance(part, dict) for key in ("source", "url")]
    known = {place(address) for address in (*named, *config.secrets_to)} - {None}
    if faults := list(_faults(config, own, overlay, known)):
        raise SettingsError("\n".join(faults))


def _faults(
    config: Any, own: Mapping[str, Any], overlay: Mapping[str, Any], known: set[Place | None]
) -> Iterator[str]:
    camera = config.camera
    if "camera" in overlay and camera and camera.user and place(camera.source) not in known:
        yield _fault("camera.source", camera.shown)
    asked = [(f"sensors.{n}", sensor) for n, sensor in enumerate(config.sensors)]
    for key, sensor in [*asked, ("modem", config.modem)]:
        table, _, number = key.partition(".")
        if table not in overlay or sensor is None or not _has_secret(sensor):
            continue
        desired = overlay[table][int(number)] if number else overlay[table]
        if desired in (_sensors(own) if number else [own.get(table)]):
            continue
        address = getattr(sensor, "url", None)
        if address is None:
            yield (
                f"{key}.kind is {sensor.kind!r}: where it sends a secret of this box is not known; "
                "write it into the box's own file"
            )
        elif place(address) not in known:
            yield _fault(f"{key}.url", address.partition("?")[0])


def _sensors(tables: Mapping[str, Any]) -> list[Any]:
    sensors = tables.get("sensors")
    return sensors if isinstance(sensors, list) else []


def _has_secret(sensor: Any) -> bool:
    return any(
        isinstance(value, SecretStr) or (name in SECRETS and value is not None)
        for name, value in sensor
    )


def _fault(key: str, shown: str) -> str:
    scheme, mark, rest = shown.partition("://")
    return (
        f"{key} is {shown!r}: from afar no secret of this box is sent where its own file does not "
        f"go; add {scheme}{mark}{rest.partition('/')[0]} to secrets_to in that file"
    )
