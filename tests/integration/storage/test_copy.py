"""What is written by COPY is what is read back, whatever it is."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hn

from storage.copy import (
    EVENT,
    OBSERVATION,
    SIGNAL_EVENT,
    TRACK_PIECE,
    Packed,
    Table,
    Texts,
    encode,
    write_rows,
)
from storage.pool import StorageSettings, connect, open_pool
from storage.read import NullValueError, read_columns, read_ragged

TIMES = hn.from_dtype(
    np.dtype("i8"), min_value=1_262_304_000_000_000, max_value=4_102_444_800_000_000
)
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
NUMPY = {"int2": "i2", "int4": "i4", "int8": "i8", "float4": "f4", "float8": "f8", "bool": "?"}


def values(kind: str, n: int) -> st.SearchStrategy[Any]:
    if kind == "timestamptz":
        return hn.arrays("i8", n, elements=TIMES)
    if kind == "uuid":
        ids = st.lists(st.uuids(), min_size=n, max_size=n)
        return ids.map(lambda u: np.frombuffer(b"".join(x.bytes for x in u), "V16"))
    if kind == "text":
        words = st.lists(TEXT, min_size=n, max_size=n)
        return words.map(lambda w: Texts(w, np.arange(len(w))))
    return hn.arrays(NUMPY[kind], n)


@st.composite
def rows(draw: st.DrawFn, table: Table) -> dict[str, Any]:
    n = draw(st.integers(0, 12))
    sizes = draw(hn.arrays("i8", n, elements=st.integers(0, 5)))
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype("i8")
    columns: dict[str, Any] = {}
    for name, kind in table.columns:
        if kind.endswith("[]"):
            elements = draw(values(kind.removesuffix("[]"), int(offsets[-1])))
            columns[name] = Packed(elements, offsets)
        else:
            columns[name] = draw(values(kind, n))
    return columns


def canonical(columns: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Rows as bytes, so that NaN equals itself, in an order of their own."""
    flat = []
    for column in columns.values():
        match column:
            case Texts(texts, which):
                flat.append([texts[i] for i in which])
            case Packed(elements, offsets):
                flat.append([elements[a:b].tobytes() for a, b in pairwise(offsets)])
            case _:
                flat.append([x if isinstance(x, str) else x.tobytes() for x in column])
    return sorted(zip(*flat, strict=True), key=repr)


async def write_and_read(url: str, table: Table, columns: dict[str, Any]) -> dict[str, Any]:
    storage = StorageSettings(database_url=url)
    with connect(storage) as connection:
        connection.execute(f"TRUNCATE {table.name}")
        write_rows(connection, table, encode(table, columns))
    types = dict(table.columns)
    select = f"SELECT * FROM {table.name}"  # noqa: S608  # our own constant
    async with open_pool(storage) as pool, pool.connection() as reader:
        if any(kind.endswith("[]") for kind in types.values()):
            ragged = await read_ragged(reader, select, (), types)
            arrays = {k: Packed(v, ragged.offsets) for k, v in ragged.elements.items()}
            return {**ragged.rows, **arrays}
        return await read_columns(reader, select, (), types)


@pytest.mark.parametrize(
    "table", [OBSERVATION, TRACK_PIECE, EVENT, SIGNAL_EVENT], ids=lambda t: t.name
)
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_reads_what_was_written(database_url: str, table: Table, data: st.DataObject) -> None:
    columns = data.draw(rows(table))
    back = await write_and_read(database_url, table, columns)
    assert canonical({name: back[name] for name in columns}) == canonical(columns)


async def test_null_is_told_by_its_column(database_url: str) -> None:
    async with (
        open_pool(StorageSettings(database_url=database_url)) as pool,
        pool.connection() as reader,
    ):
        with pytest.raises(NullValueError) as caught:
            await read_columns(reader, "SELECT 1 AS a, NULL AS b", (), {"a": "int4", "b": "float8"})
        assert caught.value.column == "b"


async def test_parameters_order_and_no_rows(database_url: str) -> None:
    query = "SELECT n, n * %(by)s AS m FROM generate_series(1, %(end)s) n ORDER BY n DESC"
    async with (
        open_pool(StorageSettings(database_url=database_url)) as pool,
        pool.connection() as reader,
    ):
        types = {"m": "int8", "n": "int4"}
        some = await read_columns(reader, query, {"by": 10, "end": 3}, types)
        none = await read_columns(reader, query, {"by": 10, "end": 0}, types)
    assert some["n"].tolist() == [3, 2, 1]
    assert some["m"].tolist() == [30, 20, 10]
    assert [len(column) for column in none.values()] == [0, 0]
