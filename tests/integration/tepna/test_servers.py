"""The fixtures that other rooms' tests stand on."""

import psycopg
import pytest


@pytest.mark.parametrize("turn", range(2))
def test_each_test_has_a_migrated_database_of_its_own(database_url: str, turn: int) -> None:
    with psycopg.connect(database_url) as connection:
        row = connection.execute("SELECT count(*) FROM observation").fetchone()
        assert row == (0,)
        connection.execute("CREATE TABLE mine (turn int)")
        connection.execute("INSERT INTO mine VALUES (%s)", [turn])
