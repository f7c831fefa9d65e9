"""A camera's stream: JPEG pictures in a NUT container.

NUT and not Matroska, because its time base may be the microsecond: the presentation time of a
picture is its captured time, microseconds since the epoch, exactly. Matroska has milliseconds.
"""

from fractions import Fraction
from typing import Final

import av

from contracts.clock import MICROSECONDS

_TIME_BASE: Final = Fraction(1, MICROSECONDS)


class _Sink:
    """What the muxer writes to; emptied after each picture."""

    def __init__(self) -> None:
        self._data = bytearray()

    def write(self, data: bytes) -> int:
        self._data += data
        return len(data)

    def take(self) -> bytes:
        data = bytes(self._data)
        self._data.clear()
        return data


class NutStream:
    """Stream of one client: its first bytes are the container's header."""

    def __init__(self, width: int, height: int, fps: float) -> None:
        self._sink = _Sink()
        # Flushed after each picture, or a client would see it when the next one comes.
        self._container = av.open(self._sink, "w", format="nut", options={"flush_packets": "1"})
        self._stream = self._container.add_stream("mjpeg", rate=Fraction(fps))
        self._stream.width, self._stream.height = width, height
        self._stream.pix_fmt = "yuvj420p"
        self._stream.time_base = _TIME_BASE

    def encode(self, jpeg: bytes, captured: int) -> bytes:
        """Bytes of one picture, captured at a time [us], and of the header before the first."""
        packet = av.Packet(jpeg)
        packet.stream = self._stream
        packet.time_base = _TIME_BASE
        packet.pts = packet.dts = captured
        packet.is_keyframe = True
        self._container.mux(packet)
        return self._sink.take()
