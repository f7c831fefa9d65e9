"""MAVLink frames, version 1 and 2: the few messages of the common dialect that are needed here.

The reader of the project that defines MAVLink is under the LGPL and brings all dialects along; this
one checks what matters (length, checksum with CRC_EXTRA) and knows five messages.

References
----------
https://mavlink.io/en/guide/serialization.html, https://mavlink.io/en/messages/common.html
"""

import re
import struct
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

LONGEST: Final = 280
"""Bytes of the longest frame: version 2, signed."""
_V1: Final = 0xFE
_V2: Final = 0xFD
_MAGIC: Final = re.compile(b"[\xfd\xfe]")
_SIGNED: Final = 0x01
"""The only flag of version 2 that changes a frame; one with another must be thrown away."""


def _table() -> tuple[int, ...]:
    """CRC-16/MCRF4XX of each byte, which MAVLink calls X.25."""
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x8408 if crc & 1 else 0)
        table.append(crc)
    return tuple(table)


_TABLE: Final = _table()
_ENDS: Final = frozenset(_TABLE)


def checksum(data: bytes, crc: int = 0xFFFF) -> int:
    """CRC-16/MCRF4XX.

    >>> hex(checksum(b"123456789"))
    '0x6f91'
    """
    for byte in data:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc


class Kind(NamedTuple):
    """A message: its fields in the order of the wire, and what seals their definition."""

    name: str
    layout: struct.Struct  # of the fields without extensions
    fields: tuple[str, ...]
    crc_extra: int


def _kind(name: str, layout: str, fields: str, crc_extra: int) -> Kind:
    return Kind(name, struct.Struct(f"<{layout}"), tuple(fields.split()), crc_extra)


KINDS: Final = {
    0: _kind(
        "HEARTBEAT", "IBBBBB", "custom_mode type autopilot base_mode system_status version", 50
    ),
    1: _kind(
        "SYS_STATUS",
        "IIIHHhHHHHHHb",
        "present enabled health load voltage_battery current_battery drop_rate_comm errors_comm"
        " errors_count1 errors_count2 errors_count3 errors_count4 battery_remaining",
        124,
    ),
    2: _kind("SYSTEM_TIME", "QI", "time_unix_usec time_boot_ms", 137),
    24: _kind(
        "GPS_RAW_INT",
        "QiiiHHHHBB",
        "time_usec lat lon alt eph epv vel cog fix_type satellites_visible",
        24,
    ),
    33: _kind(
        "GLOBAL_POSITION_INT",
        "IiiiihhhH",
        "time_boot_ms lat lon alt relative_alt vx vy vz hdg",
        104,
    ),
}


class Frame(NamedTuple):
    """A message that came whole, of a kind that is known."""

    system: int
    name: str
    fields: dict[str, Any]


class Frames:
    """Cuts a stream of bytes into frames; remembers less than one frame beside a piece.

    ``bad`` counts what began like a frame and was none. A message of another kind is left out: its
    checksum cannot be computed without its CRC_EXTRA, but must be right for one of the 256.
    """

    def __init__(self) -> None:
        self.bad = 0
        self._rest = b""

    def cut(self, piece: bytes) -> Iterator[Frame]:
        """Yield the frames that this piece completes."""
        data, at = self._rest + piece, 0
        while True:
            at = _next(data, at)
            size = _size(data, at)
            if size is None or at + size > len(data):
                break
            whole, frame = _decode(data[at : at + size])
            at += size if whole else 1
            self.bad += not whole
            if frame is not None:
                yield frame
        self._rest = data[at:]


def _next(data: bytes, at: int) -> int:
    found = _MAGIC.search(data, at)
    return len(data) if found is None else found.start()


def _size(data: bytes, at: int) -> int | None:
    """Bytes of the frame that begins there; None while that is not known."""
    if len(data) - at < 3:  # noqa: PLR2004  # magic, length, flags
        return None
    if data[at] == _V1:
        return 8 + data[at + 1]
    return 12 + data[at + 1] + (13 if data[at + 2] & _SIGNED else 0)


def _decode(frame: bytes) -> tuple[bool, Frame | None]:
    """Say whether it is whole, and what it says if that is of interest."""
    if frame[0] == _V1:
        header, system, number = 6, frame[3], frame[5]
    else:
        header, system, number = 10, frame[5], int.from_bytes(frame[7:10], "little")
        if frame[2] & ~_SIGNED:
            return False, None
    end = header + frame[1]
    crc = checksum(frame[1:end])
    told = int.from_bytes(frame[end : end + 2], "little")
    kind = KINDS.get(number)
    if kind is None:
        return (told ^ crc >> 8) in _ENDS, None
    if checksum(bytes([kind.crc_extra]), crc) != told:
        return False, None
    payload = frame[header:end].ljust(kind.layout.size, b"\0")  # zeros at its end are left out
    values = kind.layout.unpack(payload[: kind.layout.size])  # extensions follow
    return True, Frame(system, kind.name, dict(zip(kind.fields, values, strict=True)))
