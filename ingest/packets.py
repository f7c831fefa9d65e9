"""MQTT 5 as ingest speaks it: packets to bytes, and bytes to packets.

Only what a receiver with QoS 1 needs. A publication costs one tuple and the copy of its payload.
"""

from collections.abc import Iterator, Mapping, Sequence
from enum import IntEnum
from typing import Any, Final, NamedTuple

from ingest.errors import IngestError

FAILURE: Final = 0x80
"""Reason codes from here on say no."""

MAX_PACKET: Final = 8 << 20
"""Bytes of a packet that we let the broker send."""


class ProtocolError(IngestError):
    """What the broker sent is not MQTT 5."""


class Kind(IntEnum):
    """Control packets, by their number."""

    CONNECT = 1
    CONNACK = 2
    PUBLISH = 3
    PUBACK = 4
    SUBSCRIBE = 8
    SUBACK = 9
    UNSUBSCRIBE = 10
    UNSUBACK = 11
    PINGREQ = 12
    PINGRESP = 13
    DISCONNECT = 14


class Property(IntEnum):
    """Properties that we set or look at."""

    SESSION_EXPIRY = 0x11
    SERVER_KEEP_ALIVE = 0x13
    RECEIVE_MAXIMUM = 0x21
    USER = 0x26
    MAXIMUM_PACKET_SIZE = 0x27


class Publication(NamedTuple):
    """A message that the broker delivers."""

    packet: int  # packet id to acknowledge, 0: none
    topic: str
    payload: bytes
    stated: dict[str, str]  # user properties
    again: bool  # whether it was delivered before


class Answer(NamedTuple):
    """Any other packet: what is of interest in it."""

    kind: int
    packet: int  # packet id, 0: none
    reasons: bytes  # one code for each thing that was asked for
    properties: dict[int, Any]
    session_present: bool


# How many bytes a property's value has; -1: variable number, -2: text or bytes, -3: pair of texts.
_SIZES: Final = {
    **dict.fromkeys((0x01, 0x17, 0x19, 0x24, 0x25, 0x28, 0x29, 0x2A), 1),
    **dict.fromkeys((0x13, 0x21, 0x22, 0x23), 2),
    **dict.fromkeys((0x02, 0x11, 0x18, 0x27), 4),
    0x0B: -1,
    **dict.fromkeys((0x03, 0x08, 0x09, 0x12, 0x15, 0x16, 0x1A, 0x1C, 0x1F), -2),
    0x26: -3,
}


def connect(
    client: str, user: str | None, password: str | None, keepalive: int, window: int, expiry: int
) -> bytes:
    """Ask for the session of this name, which is kept for so many seconds once we are away."""
    flags = (0x80 if user is not None else 0) | (0x40 if password is not None else 0)
    properties = (
        bytes([Property.SESSION_EXPIRY])
        + expiry.to_bytes(4, "big")
        + bytes([Property.RECEIVE_MAXIMUM])
        + window.to_bytes(2, "big")
        + bytes([Property.MAXIMUM_PACKET_SIZE])
        + MAX_PACKET.to_bytes(4, "big")
    )
    given = [client, *(text for text in (user, password) if text is not None)]
    body = (
        _text("MQTT")
        + bytes([5, flags])
        + keepalive.to_bytes(2, "big")
        + _number(len(properties))
        + properties
        + b"".join(map(_text, given))
    )
    return _packet(Kind.CONNECT << 4, body)


def subscribe(packet: int, filters: Sequence[str]) -> bytes:
    """Subscribe with QoS 1."""
    asked = b"".join(_text(text) + b"\x01" for text in filters)
    return _packet(Kind.SUBSCRIBE << 4 | 2, packet.to_bytes(2, "big") + b"\0" + asked)


def unsubscribe(packet: int, filters: Sequence[str]) -> bytes:
    """End subscriptions, whether there are any or not."""
    asked = b"".join(map(_text, filters))
    return _packet(Kind.UNSUBSCRIBE << 4 | 2, packet.to_bytes(2, "big") + b"\0" + asked)


def publish(packet: int, topic: str, payload: bytes) -> bytes:
    """Publish with QoS 1."""
    body = _text(topic) + packet.to_bytes(2, "big") + b"\0" + payload
    return _packet(Kind.PUBLISH << 4 | 2, body)


def again(publication: bytes) -> bytes:
    """Mark a publication as sent before."""
    return bytes([publication[0] | 8]) + publication[1:]


def puback(packet: int) -> bytes:
    """Acknowledge a publication."""
    return b"\x40\x02" + packet.to_bytes(2, "big")


def disconnect(*, forget: bool) -> bytes:
    """Leave; the session stays, or is forgotten."""
    if not forget:
        return b"\xe0\x00"
    expiry = bytes([Property.SESSION_EXPIRY]) + bytes(4)
    return _packet(Kind.DISCONNECT << 4, b"\0" + _number(len(expiry)) + expiry)


PINGREQ: Final = b"\xc0\x00"


class Reader:
    """Takes bytes as they come and gives whole packets."""

    def __init__(self, size: int = 1 << 18) -> None:
        self._buffer = bytearray(size)
        self._filled = 0

    def room(self) -> memoryview:
        """Where the next bytes go; tell `add` how many they are."""
        if self._filled == len(self._buffer):
            self._buffer += bytes(len(self._buffer))
        return memoryview(self._buffer)[self._filled :]

    def add(self, count: int) -> Iterator[Publication | Answer]:
        """Give the packets that are whole now.

        Raises
        ------
        ProtocolError
            If that is not MQTT 5.
        """
        self._filled += count
        at = 0
        try:
            while (found := self._frame(at)) is not None:
                body, end = found
                yield self._read(self._buffer[at], body, end)
                at = end
        except (IndexError, KeyError, UnicodeDecodeError) as fault:
            raise ProtocolError(repr(fault)) from fault
        self._filled -= at
        self._buffer[: self._filled] = self._buffer[at : at + self._filled]

    def _frame(self, at: int) -> tuple[int, int] | None:
        """Where the body of the packet at this place begins and ends; None: not all is here."""
        size = shift = 0
        for place in range(at + 1, min(at + 5, self._filled)):
            byte = self._buffer[place]
            size |= (byte & 127) << shift
            shift += 7
            if byte < 128:  # noqa: PLR2004  # the highest bit says that more follows
                if size > MAX_PACKET:
                    msg = f"a packet of {size} bytes"
                    raise ProtocolError(msg)
                end = place + 1 + size
                return (place + 1, end) if end <= self._filled else None
        if shift == 28:  # noqa: PLR2004  # four bytes that all say so
            msg = "a packet without an end"
            raise ProtocolError(msg)
        return None

    def _read(self, head: int, at: int, end: int) -> Publication | Answer:
        buffer, kind, packet = self._buffer, head >> 4, 0
        if kind == Kind.PUBLISH:
            size = buffer[at] << 8 | buffer[at + 1]
            topic, at = buffer[at + 2 : at + 2 + size].decode(), at + 2 + size
            if head & 6:
                packet, at = buffer[at] << 8 | buffer[at + 1], at + 2
            stated: dict[str, str] = {}
            if buffer[at]:
                properties, at = self._properties(at, end)
                stated = properties.get(Property.USER, stated)
            else:
                at += 1
            if at > end:
                msg = "a publication that is longer than its packet"
                raise ProtocolError(msg)
            return Publication(
                packet, topic, bytes(memoryview(buffer)[at:end]), stated, bool(head & 8)
            )
        if kind == Kind.CONNACK:
            properties, _ = self._properties(at + 2, end)
            return Answer(kind, 0, bytes(buffer[at + 1 : at + 2]), properties, bool(buffer[at] & 1))
        if kind in {Kind.PUBACK, Kind.SUBACK, Kind.UNSUBACK}:
            packet, at = buffer[at] << 8 | buffer[at + 1], at + 2
            if kind == Kind.PUBACK:
                return Answer(kind, packet, bytes(buffer[at : min(at + 1, end)]), {}, False)
            _, at = self._properties(at, end)
            return Answer(kind, packet, bytes(buffer[at:end]), {}, False)
        if kind in {Kind.PINGRESP, Kind.DISCONNECT}:
            return Answer(kind, 0, bytes(buffer[at : min(at + 1, end)]), {}, False)
        msg = f"a packet of kind {kind}"
        raise ProtocolError(msg)

    def _properties(self, at: int, end: int) -> tuple[dict[int, Any], int]:
        """Properties at this place, and where they end."""
        size, at = self._variable(at)
        until = at + size
        if until > end:
            msg = "properties that are longer than their packet"
            raise ProtocolError(msg)
        found: dict[int, Any] = {}
        while at < until:
            name, at = self._buffer[at], at + 1
            match _SIZES[name]:
                case -1:
                    found[name], at = self._variable(at)
                case -2:
                    found[name], at = self._bytes(at)
                case -3:
                    key, at = self._bytes(at)
                    value, at = self._bytes(at)
                    found.setdefault(name, {})[key.decode()] = value.decode()
                case width:
                    found[name] = int.from_bytes(self._buffer[at : at + width], "big")
                    at += width
        if at != until:
            msg = "properties that do not end where they say"
            raise ProtocolError(msg)
        return found, until

    def _variable(self, at: int) -> tuple[int, int]:
        number = shift = 0
        while True:
            byte, at = self._buffer[at], at + 1
            number |= (byte & 127) << shift
            shift += 7
            if byte < 128 or shift == 28:  # noqa: PLR2004  # as above
                return number, at

    def _bytes(self, at: int) -> tuple[bytes, int]:
        end = at + 2 + (self._buffer[at] << 8 | self._buffer[at + 1])
        return bytes(self._buffer[at + 2 : end]), end


def reasons(codes: bytes, names: Mapping[int, str]) -> str:
    """Say what the broker's codes mean."""
    return ", ".join(names.get(code, f"0x{code:02x}") for code in codes) or "no reason"


def _packet(head: int, body: bytes) -> bytes:
    return bytes([head]) + _number(len(body)) + body


def _number(value: int) -> bytes:
    out = bytearray()
    while True:
        value, low = divmod(value, 128)
        out.append(low | (128 if value else 0))
        if not value:
            return bytes(out)


def _text(text: str) -> bytes:
    encoded = text.encode()
    return len(encoded).to_bytes(2, "big") + encoded
