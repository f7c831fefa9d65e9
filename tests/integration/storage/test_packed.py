"""Pieces whose points lie in bytes: SQL reads the same numbers, and older rows kept theirs."""

import math
import struct
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage import migrate as migrating
from storage.migrate import migrate, migrations
from storage.pool import Connection, StorageSettings, connect

FLOATS = st.lists(st.floats(width=32, allow_nan=False) | st.just(math.nan), max_size=20)
INTEGERS = st.lists(st.integers(-(2**31), 2**31 - 1), max_size=20)
STEP = "0019_packed_pieces"


@pytest.fixture
def connection(database_url: str) -> Any:
    with connect(StorageSettings(database_url=database_url)) as connection:
        yield connection


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(floats=FLOATS, integers=INTEGERS)
def test_sql_reads_and_writes_the_same(
    connection: Connection, floats: list[float], integers: list[int]
) -> None:
    for kind, sql, elements in (("f", "real", floats), ("i", "integer", integers)):
        data = struct.pack(f">{len(elements)}{kind}", *elements)
        read = (
            f"SELECT packed(%s::{sql}[]), ARRAY(SELECT {sql}_at(%s::bytea, place)"  # noqa: S608
            " FROM generate_series(0, %s - 1) place ORDER BY place)"
        )
        row = connection.execute(read, [elements, data, len(elements)]).fetchone()
        assert row is not None
        packed, found = row
        assert packed == data
        assert struct.pack(f">{len(found)}{kind}", *found) == data


def test_older_rows_keep_their_points(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    every = migrations()
    with connect(StorageSettings(database_url=database_url)) as connection:
        connection.execute("DROP EXTENSION timescaledb CASCADE")
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    with monkeypatch.context() as patch:
        before = [step for step in every if step.name < STEP]
        patch.setattr(migrating, "migrations", lambda: before)
        migrate(database_url)
    points = "SELECT captured, track, x, y, vx, vy, heading, sd::text FROM track_point ORDER BY 1"
    with connect(StorageSettings(database_url=database_url)) as connection:
        connection.execute(
            """INSERT INTO track_piece
            SELECT timestamptz '2026-05-04 07:00Z' + n * INTERVAL '1 day',
                   timestamptz '2026-05-04 07:00Z' + n * INTERVAL '1 day', 1,
                   gen_random_uuid(), n, 5, false, 4.5, 1.8, ARRAY[0, 100000], ARRAY[n, n + 0.1],
                   ARRAY[-n, 0], ARRAY[1e-40, 3e38], ARRAY['-Infinity', '-0']::real[],
                   ARRAY[1, 2], ARRAY['NaN', 'Infinity']::real[]
            FROM generate_series(1, 3) AS n"""
        )
        old = connection.execute(points).fetchall()
        assert len(old) == 6
    assert migrate(database_url)[0] == STEP
    with connect(StorageSettings(database_url=database_url)) as connection:
        assert connection.execute(points).fetchall() == old
        chunks = connection.execute("SELECT count(*) FROM show_chunks('track_piece')").fetchone()
        assert chunks == (3,)
