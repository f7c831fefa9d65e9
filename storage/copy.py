"""Binary COPY, built from numpy arrays: no Python object is made for a row.

A row is a field count and its fields, a field is a length and its value. Rows whose fields have the
same lengths are one structured array; rows with texts or arrays are grouped by those lengths, of
which a batch has few.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from psycopg import sql

from storage.binary import ARRAY_HEADER, ELEMENT_OID, FIXED, to_wire
from storage.pool import Connection

HEADER: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER: Final = b"\xff\xff"
COPY: Final = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)")


class Table(NamedTuple):
    """A table that is written by COPY: each column's name and type, arrays with ``[]``."""

    name: str
    columns: tuple[tuple[str, str], ...]


class Texts(NamedTuple):
    """A column of texts: few different ones, and which each row has."""

    values: list[str]
    which: NDArray[Any]  # (N,)


class Arrays(NamedTuple):
    """A column of arrays: all elements, and where each row's begin and end."""

    elements: NDArray[Any]  # (M,)
    offsets: NDArray[np.int64]  # (N + 1,)


Column = NDArray[Any] | Texts | Arrays
Rows = memoryview
"""Rows of one shape, as COPY takes them."""

OBSERVATION: Final = Table(
    "observation",
    (
        ("captured", "timestamptz"),
        ("device", "int4"),
        ("metric", "int2"),
        ("quality", "int2"),
        ("simulated", "bool"),
        ("value", "float8"),
    ),
)
TRACK_PIECE: Final = Table(
    "track_piece",
    (
        ("captured", "timestamptz"),
        ("until", "timestamptz"),
        ("device", "int4"),
        ("boot", "uuid"),
        ("track", "int8"),
        ("class", "int2"),
        ("simulated", "bool"),
        ("length", "float4"),
        ("width", "float4"),
        ("delay", "int4[]"),
        ("x", "float4[]"),
        ("y", "float4[]"),
        ("vx", "float4[]"),
        ("vy", "float4[]"),
        ("heading", "float4[]"),
        ("sd", "float4[]"),
    ),
)
EVENT: Final = Table(
    "event",
    (
        ("captured", "timestamptz"),
        ("device", "int4"),
        ("boot", "uuid"),
        ("kind", "text"),
        ("object", "text"),
        ("direction", "int2"),
        ("class", "int2"),
        ("track", "int8"),
        ("simulated", "bool"),
        ("value", "float8"),
        ("confidence", "float4"),
    ),
)
SIGNAL_EVENT: Final = Table(
    "signal_event",
    (
        ("captured", "timestamptz"),
        ("device", "int4"),
        ("code", "int4"),
        ("parameter", "int4"),
        ("simulated", "bool"),
    ),
)


def write_rows(connection: Connection, table: Table, rows: Iterable[Rows]) -> None:
    """Write rows as `encode` gives them."""
    names = sql.SQL(", ").join(sql.Identifier(name) for name, _ in table.columns)
    statement = COPY.format(sql.Identifier(table.name), names)
    with connection.cursor() as cursor, cursor.copy(statement) as stream:
        stream.write(HEADER)
        for block in rows:
            stream.write(block)
        stream.write(TRAILER)


def encode(table: Table, columns: Mapping[str, Column]) -> list[Rows]:
    """Encode these rows; those that are equally long everywhere stay in their order."""
    sizes = [s for s in (_sizes(columns[name]) for name, _ in table.columns) if s is not None]
    if not sizes:
        return [_encode(table, columns, (), None)]
    shapes, shape_of = np.unique(np.stack(sizes, axis=1), axis=0, return_inverse=True)
    return [
        _encode(table, columns, tuple(shape), np.flatnonzero(shape_of == i))
        for i, shape in enumerate(shapes.tolist())
    ]


def _sizes(column: Column) -> NDArray[np.int64] | None:
    """Length of each row's value where lengths differ: bytes of a text, elements of an array."""
    match column:
        case Texts(values, which):
            sizes = np.array([len(value.encode()) for value in values], np.int64)
            return np.take(sizes, which)
        case Arrays(_, offsets):
            return np.diff(offsets)
        case _:
            return None


def _encode(
    table: Table,
    columns: Mapping[str, Column],
    shape: tuple[int, ...],
    rows: NDArray[np.intp] | None,
) -> Rows:
    """Encode those rows (None: all), which are of the same shape."""
    row = _row(table, shape)
    if rows is None:
        rows = np.arange(len(columns[table.columns[0][0]]))
    out = np.empty(len(rows), row)
    out["fields"] = len(table.columns)
    for name, kind in table.columns:
        column = columns[name]
        out[f"{name} size"] = row[name].itemsize
        match column:
            case Texts(values, which):
                texts = np.array([value.encode() for value in values])
                out[name] = texts[which[rows]]
            case Arrays(elements, offsets):
                _fill(out[name], kind.removesuffix("[]"), elements, offsets[:-1][rows])
            case _:
                out[name] = to_wire(column[rows], kind)
    return out.view(np.uint8).data


def _fill(out: NDArray[Any], kind: str, elements: NDArray[Any], starts: NDArray[np.int64]) -> None:
    """Write arrays of one length."""
    length = out.dtype["values"].shape[0]
    out["header"] = np.array((1, 0, ELEMENT_OID[kind], length, 1), ARRAY_HEADER)
    out["values"]["size"] = FIXED[kind].itemsize
    out["values"]["value"] = to_wire(elements[starts[:, None] + np.arange(length)], kind)


@lru_cache(maxsize=4096)
def _row(table: Table, shape: tuple[int, ...]) -> np.dtype[Any]:
    """Layout of a row whose texts and arrays have these lengths."""
    sizes = iter(shape)
    fields: list[tuple[str, Any]] = [("fields", ">i2")]
    for name, kind in table.columns:
        fields.append((f"{name} size", ">i4"))
        if kind == "text":
            fields.append((name, f"S{next(sizes)}"))
        elif kind.endswith("[]"):
            element = np.dtype([("size", ">i4"), ("value", FIXED[kind.removesuffix("[]")])])
            fields.append((name, [("header", ARRAY_HEADER), ("values", element, (next(sizes),))]))
        else:
            fields.append((name, FIXED[kind]))
    return np.dtype(fields)
