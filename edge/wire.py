"""What leaves the process that sees the frames: tracks, crossings, and pixelated pictures."""

import struct
from collections.abc import Iterator
from typing import Any, Final, Literal, NamedTuple
from uuid import UUID

import msgspec
import numpy as np
from numpy.typing import NDArray

from contracts.batch import SCHEMAS

TRACKS: Final = np.dtype([(n, d.str) for n, d in SCHEMAS["tracks/1"].dtypes.items()])
"""One point of a trajectory, with the columns of `tracks/1`."""

LARGEST: Final = 1 << 24
"""Bytes of a message; more means that the pipe carries something else."""


class Opened(msgspec.Struct, tag=True, frozen=True):
    """The source gives pictures of this size."""

    width: int  # [px]
    height: int  # [px]
    rate: float  # [1/s], 0 unknown


class Resized(msgspec.Struct, tag=True, frozen=True):
    """The source gives pictures of another size from here on: what was followed is lost."""

    width: int  # [px]
    height: int  # [px]


class Timed(msgspec.Struct, tag=True, frozen=True):
    """By what the frames of a camera are timed that was asked for its own clock."""

    clock: str  # "rtcp", or "arrival" where that could not be had
    delay: int  # least time between capture by the camera's clock and arrival [us]
    reason: str  # why it is not what was asked for


class Crossed(NamedTuple):
    """A road user passed a counting line."""

    captured: int  # [us]
    line: str
    direction: int  # +1 in, -1 out
    cls: int
    track: int
    speed: float  # [m/s], nan unknown
    confidence: float
    speed_sd: float = float("nan")  # standard error of the speed [m/s]


class Turned(NamedTuple):
    """A road user went from gate to gate."""

    captured: int  # [us]
    gates: str  # "{entry}>{exit}", one of them empty where it was not seen
    cls: int
    track: int
    duration: float  # [s], nan unknown
    confidence: float


class Visited(NamedTuple):
    """A road user was in a zone."""

    left: int  # [us]
    zone: str
    cls: int
    track: int
    duration: float  # [s]
    confidence: float


class Occupied(NamedTuple):
    """So many road users of a class are in a zone."""

    captured: int  # [us]
    zone: str
    cls: int
    number: int


class Detecting(msgspec.Struct, tag=True, frozen=True):
    """How the detector is; said when that changes."""

    captured: int  # [us]
    head: str  # empty: it cannot be used
    sha256: str
    every: int  # frames: it is asked once in so many
    fault: str  # empty: it works
    rate: float  # how often it is asked [1/s], nan not known yet


class Happened(NamedTuple):
    """An incident begins or ends."""

    id: UUID  # of both; a picture of it is filed under this
    kind: str  # of contracts.events.INCIDENTS
    phase: Literal["begins", "ends"]
    captured: int  # [us]
    place: str
    cls: int
    track: int  # 0: nobody
    value: float  # for how long its conditions held [s]
    confidence: float
    detail: str  # contracts.incidents.Detail as JSON


class Seen(msgspec.Struct, tag=True, frozen=True):
    """What one frame showed."""

    captured: int  # [us]
    processing: float  # [s]
    dropped: int  # frames left out since the source was opened
    same: bool = False  # it equals the frame before in every bit
    tracks: bytes = b""  # rows of `TRACKS`
    crossings: list[Crossed] = []
    turns: list[Turned] = []
    visits: list[Visited] = []
    occupancy: list[Occupied] = []
    blind: bool = False  # all of it seems to move, so motion says nothing
    detector: float | None = None  # time that it took [s], None: it was not asked
    incidents: list[Happened] = []


class Picture(msgspec.Struct, tag=True, frozen=True):
    """A pixelated picture."""

    captured: int  # [us]
    jpeg: bytes  # with its proof (edge.proof)
    purpose: str = "still"  # or live, or snapshot
    snapshot: str = ""  # its id


class Ended(msgspec.Struct, tag=True, frozen=True):
    """No more frames will come."""

    reason: str  # empty: the recording, or the stream, is over


Message = Opened | Timed | Resized | Detecting | Seen | Picture | Ended

_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final[msgspec.msgpack.Decoder[Message]] = msgspec.msgpack.Decoder(Message)
_LENGTH: Final = struct.Struct("<I")


def pack(message: Message) -> bytes:
    """Bytes of a message with their length before them."""
    body = _encoder.encode(message)
    return _LENGTH.pack(len(body)) + body


class Reader:
    """Messages of a stream of bytes that comes in pieces."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, piece: bytes) -> Iterator[Message]:
        """Yield each message that this piece completes.

        Raises
        ------
        ValueError
            If the bytes are no messages.
        """
        self._buffer += piece
        while len(self._buffer) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer)
            if length > LARGEST:
                msg = f"a message of {length} bytes"
                raise ValueError(msg)
            if len(self._buffer) < _LENGTH.size + length:
                return
            message = _decoder.decode(self._buffer[_LENGTH.size : _LENGTH.size + length])
            del self._buffer[: _LENGTH.size + length]
            yield message


def columns(rows: bytes) -> dict[str, NDArray[Any]]:
    """Columns of `tracks/1` from the rows of a `Seen`."""
    table = np.frombuffer(rows, TRACKS)
    return {name: table[name] for name in SCHEMAS["tracks/1"].dtypes}
