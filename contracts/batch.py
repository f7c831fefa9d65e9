"""The batch: one MessagePack value, columnar, that carries every kind of sample.

Of a schema ``*/1`` it is a map, and a column is one little-endian byte string: raw when its length
is ``rows * itemsize``, zstd otherwise (compression is used only when it pays, so the length tells).
Decoding is ``np.frombuffer``, never a loop over samples.

Of a schema in `CODES` it is an array, without names of fields, and all columns are one byte string,
packed as the schema's own module says.
"""

import threading
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, Final, NamedTuple, TypeVar
from uuid import UUID

import msgspec
import numpy as np
import zstandard
from numpy.typing import NDArray

from contracts import readings, series
from contracts.clock import MICROSECONDS
from contracts.rice import RiceError
from contracts.trajectories import Extents, pack_tracks, unpack_tracks

MAX_ROWS: Final = 100_000
"""Rows that one batch may carry."""

MAX_BYTES: Final = 1 << 20
"""Bytes that one batch may take on the wire; the broker refuses more than four times this."""

WORTH: Final = 0.9
"""A column is compressed if it gets this small; less is not worth unpacking it at the other end."""

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
        # The same, metric by metric, see `contracts.readings`.
        _schema("obs", 2, "t:i8 metric:u2 value:f8 quality:u1"),
        # The same in fewer bytes, see `contracts.series`.
        _schema("obs", 3, "t:i8 metric:u2 value:f8 quality:u1"),
        # Sorted by (track, t). x, y: ground [m]; vx, vy [m/s]; heading [rad]; sd: of x, y [m].
        _schema(
            "tracks",
            1,
            "t:i8 track:u4 cls:u1 x:f4 y:f4 vx:f4 vy:f4 heading:f4 sd:f4 length:f4 width:f4",
        ),
        # The same, and v_sd: of vx, vy [m/s]. In steps, see `contracts.trajectories`.
        _schema(
            "tracks",
            2,
            "t:i8 track:u4 cls:u1 x:f4 y:f4 vx:f4 vy:f4 heading:f4 sd:f4 length:f4 width:f4"
            " v_sd:f4",
        ),
        # direction: +1 in, -1 out, 0 none. value: speed [m/s] of a crossing, else the kind's.
        _schema(
            "events",
            1,
            "t:i8 kind:u2 object:u2 direction:i1 cls:u1 track:u4 value:f8 confidence:f4",
        ),
        # detail: index into the names, of a text: contracts.incidents.Detail as JSON, or nothing.
        _schema(
            "events",
            2,
            "t:i8 kind:u2 object:u2 direction:i1 cls:u1 track:u4 value:f8 confidence:f4 detail:u2",
        ),
        # Indiana Traffic Signal Hi Resolution Data Logger Enumerations.
        _schema("signal", 1, "t:i8 code:u2 parameter:u2"),
    )
}
CODES: Final = {"tracks/2": 1, "obs/2": 2, "obs/3": 3}
"""What names a schema whose batches are arrays."""


class _Coding(NamedTuple):
    """How the columns and the names of such a schema become bytes, and back."""

    pack: Callable[[Columns], tuple[Extents, bytes]]
    unpack: Callable[[Extents, bytes, int], dict[str, NDArray[Any]]]
    pack_names: Callable[[list[str]], list[str] | bytes]
    unpack_names: Callable[[list[str] | bytes], list[str]]


_CODINGS: Final = {
    "tracks/2": _Coding(pack_tracks, unpack_tracks, lambda _: [], readings.unpack_names),
    "obs/2": _Coding(
        readings.pack_readings,
        readings.unpack_readings,
        readings.pack_names,
        readings.unpack_names,
    ),
    "obs/3": _Coding(
        series.pack_series, series.unpack_series, series.pack_names, series.unpack_names
    ),
}

STREAMS: Final = frozenset(schema.stream for schema in SCHEMAS.values())


class BatchError(ValueError):
    """The payload is not a batch; `reason` is the dead letter's, the text says what is wrong."""

    def __init__(self, reason: str, detail: str) -> None:
        detail = detail[:500]  # it may quote a stranger's bytes
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class Gone(NamedTuple):
    """Batches [first, end) that an agent had to drop, and why."""

    first: int
    end: int
    reason: str


class Batch(msgspec.Struct, frozen=True, eq=False, kw_only=True):
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


class _Array(msgspec.Struct, array_like=True, kw_only=True):
    """The same of a schema in `CODES`; fields at the end that say nothing are left out."""

    code: int
    device: str
    boot: bytes
    seq: int
    delay: int  # from the first frame to the time of sending [us]
    rows: int
    extents: Extents
    packed: bytes
    simulated: bool = False
    clock_offset: int | float | None = None  # a whole number: in [us]
    clock_error: int | float | None = None
    gone: list[Gone] = []
    names: list[str] | bytes = []


_INDICES: Final = frozenset(
    {"metric", "kind", "object", "detail"}
)  # columns that point into the names

_Read = TypeVar("_Read", _Wire, _Array)
_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(_Wire)
_array_decoder: Final = msgspec.msgpack.Decoder(_Array)
_SCHEMA_OF: Final = {code: schema for schema, code in CODES.items()}
_ARRAYS: Final = frozenset({*range(0x90, 0xA0), 0xDC, 0xDD})  # first bytes of them
_SEQ_END: Final = (1 << 63) - 1  # [seq, seq + 1) must fit a database's int8
_LONG: Final = 1e9  # a clock is off by less, or by no number of [s] worth keeping
_YEAR_10000: Final = 253_402_300_800_000_000  # [us]; no calendar of ours goes further


class _Zstd(threading.local):
    """One context a thread: making one costs as much as using it, sharing one is unsafe."""

    def __init__(self) -> None:
        self.compress = zstandard.ZstdCompressor(level=1, write_content_size=True).compress
        self.decompress = zstandard.ZstdDecompressor().decompress


_zstd: Final = _Zstd()


def encode(batch: Batch) -> bytes:
    """Bytes of a batch; the next best steps of its values where the schema has steps.

    Raises
    ------
    BatchError
        If `decode` would refuse them: columns that are not the schema's or differ in length, an
        index past the names, too many rows, a header that is no header. Bytes are not looked at:
        what was decoded can always be encoded, and a sender keeps within `MAX_BYTES` by its rows.
    """
    schema = _known(batch.schema)
    _check_columns(schema, batch.columns.keys(), batch.rows)
    if batch.schema in CODES:
        return _encode_array(batch, schema)
    columns = {}
    for name, dtype in schema.dtypes.items():
        array = np.ascontiguousarray(batch.columns[name], dtype)
        if array.shape != (batch.rows,):
            raise BatchError("bad-column", f"{name} is {array.shape}, not ({batch.rows},)")
        _check_names(name, array, batch.names)
        raw = array.tobytes()
        packed = _zstd.compress(raw)
        columns[name] = packed if len(packed) < WORTH * len(raw) else raw
    wire = _Wire(
        schema=batch.schema,
        device=batch.device,
        boot=batch.boot.bytes,
        seq=batch.seq,
        sent_at=batch.sent_at,
        rows=batch.rows,
        columns=columns,
        names=batch.names,
        clock_offset=batch.clock_offset,
        clock_error=batch.clock_error,
        simulated=batch.simulated,
        gone=batch.gone,
    )
    _check_header(wire)
    return _encoder.encode(wire)


def decode(payload: bytes) -> Batch:
    """Batch of these bytes; the arrays of a schema ``*/1`` are read-only views of them.

    Raises
    ------
    BatchError
        With the reason `too-large`, `not-a-batch`, `unknown-schema`, `bad-column` or `truncated`.
    """
    if _is_array(payload):
        return _decode_array(payload)
    wire = _read(payload, _decoder)
    schema = _known(wire.schema)
    _check_columns(schema, wire.columns.keys(), wire.rows)
    _check_header(wire)
    columns = {}
    for name, dtype in schema.dtypes.items():
        raw = _unpack(name, wire.columns[name], wire.rows * dtype.itemsize)
        columns[name] = np.frombuffer(raw, dtype)
        _check_names(name, columns[name], wire.names)
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
    """Give the same batch the time at which it is sent now [us]; nothing else changes.

    Raises
    ------
    BatchError
        If it is none.
    """
    if _is_array(payload):
        array = _read(payload, _array_decoder)
        array.delay = sent_at - array.extents.first
        try:
            return _short(array)
        except OverflowError as fault:  # its first frame is so far away that no delay reaches it
            msg = f"first frame at {array.extents.first}"
            raise BatchError("not-a-batch", msg) from fault
    wire = _read(payload, _decoder)
    wire.sent_at = sent_at
    return _encoder.encode(wire)


def schema_of(payload: bytes) -> str:
    """Name the schema of a batch that somebody has encoded."""
    if _is_array(payload):
        return _SCHEMA_OF[_read(payload, _array_decoder).code]
    return _read(payload, _decoder).schema


def _encode_array(batch: Batch, schema: Schema) -> bytes:
    columns = {n: np.ascontiguousarray(batch.columns[n], d) for n, d in schema.dtypes.items()}
    for name, column in columns.items():
        if column.shape != (batch.rows,):
            raise BatchError("bad-column", f"{name} is {column.shape}, not ({batch.rows},)")
        _check_names(name, column, batch.names)
    coding = _CODINGS[batch.schema]
    extents, packed = coding.pack(columns)
    array = _Array(
        code=CODES[batch.schema],
        device=batch.device,
        boot=batch.boot.bytes,
        seq=batch.seq,
        delay=batch.sent_at - extents.first,
        rows=batch.rows,
        extents=extents,
        packed=packed,
        simulated=batch.simulated,
        clock_offset=_micros(batch.clock_offset),
        clock_error=_micros(batch.clock_error),
        gone=batch.gone,
        names=coding.pack_names(batch.names),
    )
    _check_header(_header(array, batch.names))
    return _short(array)


def _decode_array(payload: bytes) -> Batch:
    array = _read(payload, _array_decoder)
    if array.code not in _SCHEMA_OF:
        raise BatchError("unknown-schema", f"code {array.code}; known are {CODES}")
    schema = SCHEMAS[_SCHEMA_OF[array.code]]
    _check_columns(schema, schema.dtypes.keys(), array.rows)
    coding = _CODINGS[schema.id]
    try:
        header = _header(array, coding.unpack_names(array.names))
        _check_header(header)
        columns = coding.unpack(array.extents, array.packed, array.rows) or schema.empty()
    except RiceError as fault:
        raise BatchError("bad-column", str(fault)) from fault
    for name, column in columns.items():
        _check_names(name, column, header.names)
    return Batch(
        schema=schema.id,
        device=array.device,
        boot=UUID(bytes=array.boot),
        seq=array.seq,
        sent_at=header.sent_at,
        columns=columns,
        names=header.names,
        clock_offset=_seconds(array.clock_offset),
        clock_error=_seconds(array.clock_error),
        simulated=array.simulated,
        gone=array.gone,
    )


def _is_array(payload: bytes) -> bool:
    return payload[:1] != b"" and payload[0] in _ARRAYS


def _header(array: _Array, names: list[str]) -> _Wire:
    """Say what both kinds of batches say of themselves."""
    return _Wire(
        schema="",
        device=array.device,
        boot=array.boot,
        seq=array.seq,
        sent_at=array.extents.first + array.delay,
        rows=array.rows,
        columns={},
        names=names,
        gone=array.gone,
    )


def _short(array: _Array) -> bytes:
    """Bytes without the fields at the end that say nothing."""
    fields = list(msgspec.structs.astuple(array))
    while fields[-1] is None or fields[-1] is False or fields[-1] == []:
        fields.pop()
    return _encoder.encode(fields)


def _micros(seconds: float | None) -> int | float | None:
    """Whole microseconds, as far as that is a number."""
    if seconds is None or not abs(seconds) < _LONG:  # NaN is not less either
        return seconds
    return round(seconds * MICROSECONDS)


def _seconds(stated: float | None) -> float | None:
    return stated / MICROSECONDS if isinstance(stated, int) else stated


def _read(payload: bytes, decoder: msgspec.msgpack.Decoder[_Read]) -> _Read:
    if len(payload) > MAX_BYTES:
        raise BatchError("too-large", f"{len(payload)} bytes, at most {MAX_BYTES} are carried")
    try:
        return decoder.decode(payload)
    except (msgspec.ValidationError, UnicodeDecodeError, RecursionError) as fault:
        raise BatchError("not-a-batch", str(fault)) from fault
    except msgspec.DecodeError as fault:
        raise BatchError("truncated", str(fault)) from fault


def _check_columns(schema: Schema, names: AbstractSet[str], rows: int) -> None:
    if names != schema.dtypes.keys():
        msg = f"{schema.id} has the columns {list(schema.dtypes)}, not {sorted(names)}"
        raise BatchError("bad-column", msg)
    if not 0 <= rows <= MAX_ROWS:
        raise BatchError("too-large", f"{rows} rows, at most {MAX_ROWS} are carried")


def _check_names(column: str, values: NDArray[Any], names: list[str]) -> None:
    if column in _INDICES and len(values) and int(values.max()) >= len(names):
        raise BatchError("bad-column", f"{column} points past the {len(names)} names")


def _check_header(wire: _Wire) -> None:
    """Refuse what a database could not store: one such batch must not stop its neighbours."""
    if not 0 <= wire.seq < _SEQ_END or len(wire.boot) != 16:  # noqa: PLR2004  # bytes of a UUID
        raise BatchError("not-a-batch", f"seq {wire.seq} or boot {wire.boot!r} is no such thing")
    if not 0 <= wire.sent_at < _YEAR_10000:
        raise BatchError("not-a-batch", f"sent_at {wire.sent_at} is not between 1970 and 10000")
    for first, end, _ in wire.gone:
        if not 0 <= first < end <= _SEQ_END:
            raise BatchError("not-a-batch", f"gone [{first}, {end}) is no range of seqs")
    if any("\0" in text for text in (wire.device, *wire.names, *(g.reason for g in wire.gone))):
        raise BatchError("not-a-batch", "a text holds the character NUL")


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
        # zstd allots what the frame states, whatever the limit: believe only the rows.
        stated = zstandard.frame_content_size(packed)
        raw = _zstd.decompress(packed, allow_extra_data=False) if stated == size else b""
    except zstandard.ZstdError as fault:
        raise BatchError("truncated", f"{name}: {fault}") from fault
    if stated != size or len(raw) != size:
        raise BatchError("truncated", f"{name} holds {stated} bytes, not {size}")
    return raw
