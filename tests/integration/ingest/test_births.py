"""Births in the database: what one process kept, and what older versions did."""

from collections.abc import Iterator

import pytest
from psycopg.types.json import Jsonb

from contracts.clock import utc_now
from ingest.foreign.births import keep_births, read_births
from ingest.foreign.sparkplug import MAX_BIRTHS, Birth, Births, Meaning
from storage import migrate as migrating
from storage.migrate import migrate, migrations
from storage.pool import Connection, StorageSettings, connect

STEP = "0020_births_received"
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


def born(at: int, name: str, received: int) -> Birth:
    """Birth that gives alias 1 to a name."""
    meaning = Meaning(name, 9, "")
    return Birth("g/n", at, 0, {1: meaning}, {name: meaning}, received)


def test_what_is_kept_is_read(connection: Connection) -> None:
    birth = Birth("g/n", 1000, 7, {1: VALVE}, {"Valve": VALVE, "Level": LEVEL}, 1_000_500)
    keep_births(connection, [birth, birth])
    assert read(connection, "g/n").known("g/n") == [birth]


def test_the_newest_are_those_that_came_last(connection: Connection) -> None:
    ahead = born(10_000_000, "ahead", 0)
    right = [born(at, f"m{at}", at * 1000) for at in range(1, MAX_BIRTHS)]
    keep_births(connection, [*reversed(right), ahead])
    assert read(connection, "g/n").known("g/n") == [ahead, *right]
    last = born(99, "last", 99_000)
    keep_births(connection, [last])
    assert read(connection, "g/n").known("g/n") == [*right, last]


@pytest.mark.parametrize("together", [True, False])
def test_workers_hear_a_birth_at_different_times(connection: Connection, together: bool) -> None:
    """It came when the first of them heard it, whoever of them commits first."""
    heard = [born(5, "a", received) for received in (20_000, 10_000, 30_000)]
    for births in [heard] if together else [[one] for one in heard]:
        keep_births(connection, births)
    assert read(connection, "g/n").known("g/n") == [heard[1]]


@pytest.mark.parametrize("together", [True, False])
def test_of_two_births_in_one_millisecond_the_later_holds(
    connection: Connection, together: bool
) -> None:
    two = [born(5, "a", 10_000), born(5, "b", 10_001)]
    for births in [two] if together else [[one] for one in two]:
        keep_births(connection, births)
    keep_births(connection, two[:1])
    assert read(connection, "g/n").known("g/n") == [two[1]]


def test_what_older_versions_kept(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no names and no time of reception, and its node's clock may have been ahead."""
    settings = StorageSettings(database_url=database_url)
    with connect(settings) as connection:
        connection.execute("DROP EXTENSION timescaledb CASCADE")
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    with monkeypatch.context() as patch:
        before = [step for step in migrations() if step.name < STEP]
        patch.setattr(migrating, "migrations", lambda: before)
        migrate(database_url)
    now = utc_now() // 1000
    aliases = {"1": ["Valve", 12, ""], "2": ["Level", 3, "m"]}
    with connect(settings) as connection:
        for at in (1000, now + 3_600_000):
            connection.execute(
                "INSERT INTO sparkplug_birth (who, born, birth) VALUES (%s, %s, %s)",
                ["g/n", at, Jsonb(["g/n", at, 7, aliases])],
            )
    assert migrate(database_url)[0] == STEP
    with connect(settings) as connection:
        old, ahead = read(connection, "g/n").known("g/n")
        meanings = {1: VALVE, 2: LEVEL}
        names = {"Valve": VALVE, "Level": LEVEL}
        assert old == Birth("g/n", 1000, 7, meanings, names, 1_000_000)
        assert ahead == Birth("g/n", now + 3_600_000, 7, meanings, names, ahead.received)
        assert now * 1000 <= ahead.received <= utc_now()
