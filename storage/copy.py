"""Binary COPY, built from numpy arrays: no Python object is made for a row.

A row is a field count and its fields, a field is a length and its value. Rows whose fields have the
same lengths are one structured array; rows with texts or several elements in a field are grouped by
those lengths, of which a batch has few.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from psycopg import sql

from storage.binary import FIXED, to_wire
from storage.pool import Connection

HEADER: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
ALL: Final = slice(None)
TRAILER: Final = b"\xff\xff"
COPY: Final = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)")


class Table(NamedTuple):
    """A table that is written by COPY: each column's name and type.

    ``float4[]`` is a column of bytes: elements of that type, one behind the other.
    """

    name: str
    columns: tuple[tuple[str, str], ...]


class Texts(NamedTuple):
    """A column of texts: few different ones, and which each row has."""

    values: list[str]
    which: NDArray[Any]  # (N,)


class Packed(NamedTuple):
    """A column with several elements a row: all of them, and where each row's begin and end."""

    elements: NDArray[Any]  # (M,)
    offsets: NDArray[np.int64]  # (N + 1,)


Column = NDArray[Any] | Texts | Packed
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
        ("delays", "int4[]"),
        ("xs", "float4[]"),
        ("ys", "float4[]"),
        ("vxs", "float4[]"),
        ("vys", "float4[]"),
        ("headings", "float4[]"),
        ("sds", "float4[]"),
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
        ("detail", "text"),
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
        return [_encode(table, columns, (), ALL)]
    shape_of = _shapes(sizes)
    if not len(shape_of):
        return []
    _, example = np.unique(shape_of, return_index=True)
    shapes = [tuple(int(size[row]) for size in sizes) for row in example]
    if len(shapes) == 1:
        return [_encode(table, columns, shapes[0], ALL)]
    order = np.argsort(shape_of, kind="stable")
    ends = np.cumsum(np.bincount(shape_of))[:-1]
    return [
        _encode(table, columns, shape, rows)
        for shape, rows in zip(shapes, np.split(order, ends), strict=True)
    ]


def _shapes(sizes: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Say which combination of sizes each row has, numbered from 0."""
    found, before = np.zeros_like(sizes[0]), None
    for size in sizes:
        if len(size) and (before is None or not np.array_equal(size, before)):
            _, found = np.unique(found * (size.max() + 1) + size, return_inverse=True)
        before = size
    return found


def _sizes(column: Column) -> NDArray[np.int64] | None:
    """Length of each row's value where lengths differ: a text's in bytes, else in elements."""
    match column:
        case Texts(values, which):
            sizes = np.array([len(value.encode()) for value in values], np.int64)
            return np.take(sizes, which)
        case Packed(_, offsets):
            return np.diff(offsets)
        case _:
            return None


def _encode(
    table: Table,
    columns: Mapping[str, Column],
    shape: tuple[int, ...],
    rows: slice | NDArray[np.intp],
) -> Rows:
    """Encode those rows, which are of the same shape."""
    row = _row(table, shape)
    every = np.arange(len(columns[table.columns[0][0]]))
    out = np.empty(len(every[rows]), row)
    out["fields"] = len(table.columns)
    for name, kind in table.columns:
        column = columns[name]
        out[f"{name} size"] = row[name].itemsize
        match column:
            case Texts(values, which):
                used, place = np.unique(which[rows], return_inverse=True)
                texts = [values[i].encode() for i in used]
                out[name] = np.array(texts, row[name])[place]
            case Packed(elements, offsets):
                each = kind.removesuffix("[]")
                out[name] = to_wire(_square(elements, offsets, rows, row[name].shape[0]), each)
            case _:
                out[name] = to_wire(column[rows], kind)
    return out.view(np.uint8).data


def _square(
    elements: NDArray[Any],
    offsets: NDArray[np.int64],
    rows: slice | NDArray[np.intp],
    length: int,
) -> NDArray[Any]:
    """Elements of those rows, each of which has so many: (rows, length)."""
    if isinstance(rows, slice):
        return elements[offsets[0] : offsets[-1]].reshape(len(offsets) - 1, length)
    found: NDArray[Any] = elements[offsets[:-1][rows][:, None] + np.arange(length)]
    return found


@lru_cache(maxsize=4096)
def _row(table: Table, shape: tuple[int, ...]) -> np.dtype[Any]:
    """Layout of a row whose texts and packed elements have these lengths."""
    sizes = iter(shape)
    fields: list[tuple[str, Any]] = [("fields", ">i2")]
    for name, kind in table.columns:
        fields.append((f"{name} size", ">i4"))
        if kind == "text":
            fields.append((name, f"S{next(sizes)}"))
        elif kind.endswith("[]"):
            fields.append((name, (FIXED[kind.removesuffix("[]")], (next(sizes),))))
        else:
            fields.append((name, FIXED[kind]))
    return np.dtype(fields)
