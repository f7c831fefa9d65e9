"""The first two packets of MQTT 5: enough to ask a broker whether it lets an account in."""

import socket
from typing import Final
from urllib.parse import unquote, urlsplit

DEFAULT_PORT: Final = 1883
PATIENCE: Final = 5.0  # [s]
HEADER: Final = b"\x00\x04MQTT\x05\xc2\x00\x0a\x00"  # version 5, clean start, name and password
CONNACK: Final = 0x20


class NoBrokerError(OSError):
    """What answers there is no MQTT 5 broker."""


def reason_code(url: str) -> int:
    """Connect to ``mqtt://user:password@host:port`` and return the broker's answer: 0 is welcome.

    Raises
    ------
    OSError
        If nobody answers.
    """
    place = urlsplit(url)
    words = ("", unquote(place.username or ""), unquote(place.password or ""))
    body = HEADER + b"".join(_text(word) for word in words)
    address = (place.hostname or "", place.port or DEFAULT_PORT)
    with socket.create_connection(address, PATIENCE) as connection:
        connection.sendall(b"\x10" + length(len(body)) + body)
        answer = connection.recv(4)  # kind, length, session present, reason
    if len(answer) != 4 or answer[0] != CONNACK:  # noqa: PLR2004
        raise NoBrokerError(f"{address[0]}:{address[1]} does not speak MQTT 5")
    return answer[3]


def _text(word: str) -> bytes:
    data = word.encode()
    return len(data).to_bytes(2) + data


def length(size: int) -> bytes:
    """Write a length in groups of seven bits, the lowest first."""
    low, high = size & 0x7F, size >> 7
    return bytes([low | 0x80]) + length(high) if high else bytes([low])
