"""Many rows straight into numpy.

The database packs each column into one array value, so that a million rows arrive as one row and
no Python object is made for any of them: ten times as fast as reading a COPY row by row.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from psycopg import sql

from storage.binary import ARRAY_HEADER, FIXED, from_wire
from storage.errors import StorageError
from storage.pool import AsyncConnection

Params = Sequence[Any] | Mapping[str, Any]
Columns = dict[str, NDArray[Any]]

SELECT: Final = sql.SQL("SELECT {} FROM ({}) AS q")
PACKED: Final = sql.SQL("array_agg({}::{})")
TEXT_SIZES: Final = sql.SQL("array_agg(octet_length({}::text))")
TEXT_BYTES: Final = sql.SQL("string_agg(convert_to({}::text, 'UTF8'), '')")
SIZES: Final = sql.SQL("array_agg(octet_length({}))")
JOINED: Final = sql.SQL("string_agg({}, '')")


class NullValueError(StorageError):
    """A column that is read into an array holds NULL: give it a value in the query (coalesce)."""

    def __init__(self, column: str) -> None:
        super().__init__(f"{column}: {NullValueError.__doc__}")
        self.column = column


class Ragged(NamedTuple):
    """N rows of which each has some elements in its packed columns."""

    rows: Columns  # (N,) each
    offsets: NDArray[np.int64]  # (N + 1,): row i has the elements [offsets[i], offsets[i + 1])
    elements: Columns  # (M,) each


async def read_columns(
    connection: AsyncConnection, query: str, params: Params, types: Mapping[str, str]
) -> Columns:
    """Read what a query selects, a numpy array per column.

    Parameters
    ----------
    query
        A SELECT with placeholders; its order of rows is kept.
    types
        Columns wanted, by name, and what they are: `bool`, `int2`, `int4`, `int8`, `float4`,
        `float8`, `timestamptz` (int64, us since 1970), `uuid` (V16) or `text` (str).

    Raises
    ------
    NullValueError
        If a value is NULL.
    """
    values = await _one_row(connection, query, params, _selected(types))
    return _unpack(values, types)


async def read_ragged(
    connection: AsyncConnection, query: str, params: Params, types: Mapping[str, str]
) -> Ragged:
    """Read what a query selects; types with ``[]`` (`int4[]`, `float4[]`) are packed columns.

    Those of one row must have as many elements each, as those of a track piece have.
    """
    scalars = {name: kind for name, kind in types.items() if not kind.endswith("[]")}
    packed = {name: kind.removesuffix("[]") for name, kind in types.items() if name not in scalars}
    first = next(iter(packed))
    wanted = [*_selected(scalars), SIZES.format(sql.Identifier(first))]
    wanted += [JOINED.format(sql.Identifier(name)) for name in packed]
    values = await _one_row(connection, query, params, wanted)
    rows = _unpack(values, scalars)
    sizes = _array(values[-len(packed) - 1], "int4", first) // FIXED[packed[first]].itemsize
    offsets = np.zeros(len(sizes) + 1, np.int64)
    np.cumsum(sizes, out=offsets[1:])
    elements = {
        name: _elements(data or b"", kind, int(offsets[-1]), name)
        for (name, kind), data in zip(packed.items(), values[-len(packed) :], strict=True)
    }
    return Ragged(rows, offsets, elements)


async def _one_row(
    connection: AsyncConnection, query: str, params: Params, wanted: list[sql.Composable]
) -> list[bytes | None]:
    statement = SELECT.format(sql.SQL(", ").join(wanted), sql.SQL(query))
    async with connection.cursor(binary=True) as cursor:
        await cursor.execute(statement, params)
        result = cursor.pgresult
        if result is None:
            raise StorageError(f"no result of {query}")
        return [result.get_value(0, i) for i in range(result.nfields)]


def _selected(types: Mapping[str, str]) -> list[sql.Composable]:
    wanted: list[sql.Composable] = []
    for name, kind in types.items():
        column = sql.Identifier(name)
        if kind == "text":
            wanted += [TEXT_SIZES.format(column), TEXT_BYTES.format(column)]
        else:
            wanted.append(PACKED.format(column, sql.Identifier(kind)))
    return wanted


def _unpack(values: list[bytes | None], types: Mapping[str, str]) -> Columns:
    given = iter(values)
    columns: Columns = {}
    for name, kind in types.items():
        if kind == "text":
            sizes = _array(next(given), "int4", name)
            columns[name] = _texts(next(given) or b"", sizes)
        else:
            columns[name] = _array(next(given), kind, name)
    return columns


def _array(data: bytes | None, kind: str, name: str) -> NDArray[Any]:
    """Values of one array as the database sends it; None is the array of no rows."""
    element = np.dtype([("size", ">i4"), ("value", FIXED[kind])])
    if data is None:
        return from_wire(np.empty(0, element)["value"], kind)
    header = np.frombuffer(data, ARRAY_HEADER, 1)[0]
    if header["nulls"]:
        raise NullValueError(name)
    return from_wire(np.frombuffer(data, element, offset=ARRAY_HEADER.itemsize)["value"], kind)


def _texts(joined: bytes, sizes: NDArray[Any]) -> NDArray[Any]:
    ends = np.concatenate([[0], np.cumsum(sizes)]).tolist()
    return np.array([joined[a:b].decode() for a, b in pairwise(ends)], dtype=np.str_)


def _elements(data: bytes, kind: str, count: int, name: str) -> NDArray[Any]:
    """Elements that lie one behind the other."""
    if len(data) != count * FIXED[kind].itemsize:
        raise StorageError(f"{name} has {len(data)} bytes, which are not {count} of {kind}")
    return from_wire(np.frombuffer(data, FIXED[kind]), kind)
