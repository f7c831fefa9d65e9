"""What sensors that talk by themselves have in common: serial ports, and lines in a stream."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Final

import serial
from pydantic import Field

from edge.sensors.plugin import TICK

LONGEST: Final = 4096
"""Bytes of a line; a longer one is bad as a whole."""

Port = Annotated[str, Field(pattern="^/", description="a device, as /dev/serial/by-id/...")]
Baud = Annotated[int, Field(ge=50, le=4_000_000)]


@contextmanager
def open_port(port: str, baud: int) -> Iterator[serial.Serial]:
    """Open a serial port for this process alone; reading from it waits for `TICK` at most."""
    try:
        opened = serial.Serial(port, baud, timeout=TICK, write_timeout=TICK, exclusive=True)
    except ValueError as fault:  # the port can do other speeds only
        raise OSError(str(fault)) from fault
    with opened:
        yield opened


def waiting_bytes(port: serial.Serial) -> bytes:
    """Read what has come, at least one byte unless nothing comes for `TICK`."""
    first: bytes = port.read(1)
    rest: bytes = port.read(min(port.in_waiting, 1 << 16)) if first else b""
    return first + rest


class Lines:
    """Cuts a stream of bytes into lines; remembers less than `LONGEST` + a piece."""

    def __init__(self) -> None:
        self._rest = b""

    def cut(self, piece: bytes) -> list[bytes]:
        """Give the lines that this piece ends; one that is far too long is given as it is."""
        *lines, self._rest = (self._rest + piece).split(b"\n")
        if len(self._rest) > LONGEST:
            lines.append(self._rest)  # bad, whatever follows
            self._rest = b""
        return lines
