"""Births in the database: what one process kept, and what older versions did."""

from collections.abc import Iterator

import pytest
from psycopg.types.json import Jsonb

from ingest.foreign.births import keep_births, read_births
from ingest.foreign.sparkplug import Birth, Births, Meaning
from storage.pool import Connection, StorageSettings, connect

VALVE, LEVEL = Meaning("Valve", 12, ""), Meaning("Level", 3, "m")


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    """Give a connection to a database of the test's own."""
    with connect(StorageSettings(database_url=database_url)) as connection:
        yield connection


def read(connection: Connection, node: str) -> Births:
    """Read what a process that has just begun knows of a node."""
    births = Births()
    read_births(connection, node, births)
    return births


def test_what_is_kept_is_read(connection: Connection) -> None:
    birth = Birth("g/n", 1000, 7, {1: VALVE}, {"Valve": VALVE, "Level": LEVEL})
    keep_births(connection, [birth, birth])
    assert read(connection, "g/n").of("g/n") == birth


def test_what_was_kept_before_there_were_names(connection: Connection) -> None:
    connection.execute(
        "INSERT INTO sparkplug_birth (who, born, birth) VALUES (%s, %s, %s)",
        ["g/n", 1000, Jsonb(["g/n", 1000, 7, {"1": ["Valve", 12, ""], "2": ["Level", 3, "m"]}])],
    )
    found = read(connection, "g/n").of("g/n")
    assert found is not None
    assert found[:4] == ("g/n", 1000, 7, {1: VALVE, 2: LEVEL})
    assert found.names == {"Valve": VALVE, "Level": LEVEL}
