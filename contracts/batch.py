"""The batch: one MessagePack map, columnar, that carries every kind of sample.

A column is one little-endian byte string: raw when its length is ``rows * itemsize``, zstd
otherwise (compression is used only when it is smaller, so the length tells). Decoding is
``np.frombuffer``, never a loop over samples.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec
import numpy as np
import zstandard
from numpy.typing import NDArray

MAX_ROWS: Final = 100_000
"""Rows that one batch may carry."""

MAX_BYTES: Final = 1 << 20
"""Bytes that one encoded batch may take; the broker refuses more than four times this."""

CONTENT_TYPE: Final = "application/vnd.tepna.batch+msgpack"

Columns = Mapping[str, NDArray[Any]]


class Schema(NamedTuple):
    """Columns of one stream in one version."""

    id: str
    stream: str
    dtypes: dict[str, np.dtype[Any]]

    def empty(self) -> dict[str, NDArray[Any]]:
        """No rows, each column of its type."""
        return {name: np.empty(0, dtype) for name, dtype in self.dtypes.items()}


def _schema(stream: str, version: int, columns: str) -> Schema:
    pairs = (column.split(":") for column in columns.split())
    return Schema(f"{stream}/{version}", stream, {n: np.dtype(f"<{d}") for n, d in pairs})


SCHEMAS: Final = {
    schema.id: schema
    for schema in (
        # t: captured [us] since the epoch, UTC. metric, kind, object: index into the names.
        _schema("obs", 1, "t:i8 metric:u2 value:f8 quality:u1"),
        # Sorted by (track, t). x, y: ground [m]; vx, vy [m/s]; heading [rad]; sd: of x, y [m].
        _schema(
            "tracks",
            1,
            "t:i8 track:u4 cls:u1 x:f4 y:f4 vx:f4 vy:f4 heading:f4 sd:f4 length:f4 width:f4",
        ),
        # direction: +1 in, -1 out, 0 none. value: speed [m/s] of a crossing, else the kind's.
        _schema(
            "events",
            1,
            "t:i8 kind:u2 object:u2 direction:i1 cls:u1 track:u4 value:f8 confidence:f4",
        ),
        # Indiana Traffic Signal Hi Resolution Data Logger Enumerations.
        _schema("signal", 1, "t:i8 code:u2 parameter:u2"),
    )
}
STREAMS: Final = frozenset(schema.stream for schema in SCHEMAS.values())


class BatchError(ValueError):
    """The payload is not a batch; `reason` is the dead letter's, the text says what is wrong."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class Gone(NamedTuple):
    """Batches [first, end) that an agent had to drop, and why."""

    first: int
    end: int
    reason: str


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """One batch: who, when, which, and the columns.

    ``(device, boot, seq)`` names it for ever: what is sent again under this name is the same.
    """

    schema: str
    device: str  # "{pilot}/{device}"
    boot: UUID
    seq: int
    sent_at: int  # [us] since the epoch, UTC, by the device's clock
    columns: dict[str, NDArray[Any]]
    names: list[str] = []
    clock_offset: float | None = None  # device clock minus UTC [s]
    clock_error: float | None = None  # standard error of that [s]; None: nobody knows
    simulated: bool = False
    gone: list[Gone] = []

    @property
    def rows(self) -> int:
        """Number of samples."""
        return len(self.columns["t"])


class _Wire(msgspec.Struct, kw_only=True):
    schema: str
    device: str
    boot: bytes
    seq: int
    sent_at: int
    rows: int
    columns: dict[str, bytes]
    names: list[str] = []
    clock_offset: float | None = None
    clock_error: float | None = None
    simulated: bool = False
    gone: list[Gone] = []


_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(_Wire)
_SEQ_END: Final = 1 << 63


def encode(batch: Batch) -> bytes:
    """Bytes of a batch.

    Raises
    ------
    BatchError
        If the columns are not those of the schema, differ in length or are too many rows.
    """
    schema = _known(batch.schema)
    if batch.columns.keys() != schema.dtypes.keys():
        msg = f"{schema.id} has the columns {list(schema.dtypes)}, not {list(batch.columns)}"
        raise BatchError("bad-column", msg)
    rows = batch.rows
    if rows > MAX_ROWS:
        raise BatchError("too-large", f"{rows} rows, at most {MAX_ROWS} are carried")
    compressor = zstandard.ZstdCompressor(level=1, write_content_size=True)
    columns = {}
    for name, dtype in schema.dtypes.items():
        if len(batch.columns[name]) != rows:
            raise BatchError("bad-column", f"{name} has {len(batch.columns[name])} of {rows} rows")
        raw = np.ascontiguousarray(batch.columns[name], dtype).tobytes()
        packed = compressor.compress(raw)
        columns[name] = packed if len(packed) < len(raw) else raw
    return _encoder.encode(
        _Wire(
            schema=batch.schema,
            device=batch.device,
            boot=batch.boot.bytes,
            seq=batch.seq,
            sent_at=batch.sent_at,
            rows=rows,
            columns=columns,
            names=batch.names,
            clock_offset=batch.clock_offset,
            clock_error=batch.clock_error,
            simulated=batch.simulated,
            gone=batch.gone,
        )
    )


def decode(payload: bytes) -> Batch:
    """Batch of these bytes; the arrays are read-only views of them.

    Raises
    ------
    BatchError
        With the reason `too-large`, `not-a-batch`, `unknown-schema`, `bad-column` or `truncated`.
    """
    wire = _read(payload)
    schema = _known(wire.schema)
    if wire.columns.keys() != schema.dtypes.keys():
        msg = f"{schema.id} has the columns {list(schema.dtypes)}, not {list(wire.columns)}"
        raise BatchError("bad-column", msg)
    if not 0 <= wire.rows <= MAX_ROWS:
        raise BatchError("too-large", f"{wire.rows} rows, at most {MAX_ROWS} are carried")
    if not 0 <= wire.seq < _SEQ_END or len(wire.boot) != 16:  # noqa: PLR2004  # bytes of a UUID
        raise BatchError("not-a-batch", f"seq {wire.seq} or boot {wire.boot!r} is no such thing")
    columns = {
        name: np.frombuffer(_unpack(name, wire.columns[name], wire.rows * dtype.itemsize), dtype)
        for name, dtype in schema.dtypes.items()
    }
    for name in ("metric", "kind", "object"):
        if name in columns and wire.rows and int(columns[name].max()) >= len(wire.names):
            raise BatchError("bad-column", f"{name} points past the {len(wire.names)} names")
    return Batch(
        schema=wire.schema,
        device=wire.device,
        boot=UUID(bytes=wire.boot),
        seq=wire.seq,
        sent_at=wire.sent_at,
        columns=columns,
        names=wire.names,
        clock_offset=wire.clock_offset,
        clock_error=wire.clock_error,
        simulated=wire.simulated,
        gone=wire.gone,
    )


def restamp(payload: bytes, sent_at: int) -> bytes:
    """Give the same batch the time at which it is sent now [us]; nothing else changes."""
    wire = _read(payload)
    wire.sent_at = sent_at
    return _encoder.encode(wire)


def _read(payload: bytes) -> _Wire:
    if len(payload) > MAX_BYTES:
        raise BatchError("too-large", f"{len(payload)} bytes, at most {MAX_BYTES} are carried")
    try:
        return _decoder.decode(payload)
    except msgspec.ValidationError as fault:
        raise BatchError("not-a-batch", str(fault)) from fault
    except msgspec.DecodeError as fault:
        raise BatchError("truncated", str(fault)) from fault
    except UnicodeDecodeError as fault:
        raise BatchError("not-a-batch", str(fault)) from fault


def _known(schema_id: str) -> Schema:
    try:
        return SCHEMAS[schema_id]
    except KeyError:
        msg = f"{schema_id!r}; known are {', '.join(SCHEMAS)}"
        raise BatchError("unknown-schema", msg) from None


def _unpack(name: str, packed: bytes, size: int) -> bytes:
    if len(packed) == size:
        return packed
    try:
        raw = zstandard.ZstdDecompressor().decompress(packed, max_output_size=size)
        # A frame states its own size: trust it only as far as the rows say.
        stated = zstandard.frame_content_size(packed)
    except zstandard.ZstdError as fault:
        raise BatchError("truncated", f"{name}: {fault}") from fault
    if len(raw) != size or stated != size:
        raise BatchError("truncated", f"{name} has {len(raw)} of {size} bytes")
    return raw
