"""Migrations: applied once, in order, and never changed afterwards."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from typer.testing import CliRunner

from storage import migrate as migrating
from storage.cli import app
from storage.errors import MigrationChangedError, MigrationUnknownError
from storage.migrate import Migration, migrate, migrations
from storage.pool import StorageSettings, connect


@pytest.fixture
def empty_url(database_url: str) -> str:
    """Give a database as it was before the first migration."""
    with connect(StorageSettings(database_url=database_url)) as connection:
        connection.execute("DROP EXTENSION timescaledb CASCADE")
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    return database_url


def known(monkeypatch: pytest.MonkeyPatch, *steps: tuple[str, str]) -> None:
    monkeypatch.setattr(migrating, "migrations", lambda: [Migration(*step) for step in steps])


def rows(url: str, query: str) -> list[Any]:
    with connect(StorageSettings(database_url=url)) as connection:
        return connection.execute(query).fetchall()


def test_all_of_it_once(empty_url: str) -> None:
    assert migrate(empty_url) == [step.name for step in migrations()]
    assert migrate(empty_url) == []
    tables = rows(empty_url, "SELECT hypertable_name FROM timescaledb_information.hypertables")
    assert {("observation",), ("track_piece",), ("event",), ("signal_event",)} <= set(tables)


def test_several_at_once(empty_url: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        applied = list(pool.map(migrate, [empty_url] * 4))
    assert sorted(map(len, applied)) == [0, 0, 0, len(migrations())]


def test_forward_only(empty_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = ("0001_a", "CREATE TABLE a ()"), ("0002_b", "CREATE TABLE b ()")
    known(monkeypatch, one)
    assert migrate(empty_url) == ["0001_a"]
    known(monkeypatch, one, two)
    assert migrate(empty_url) == ["0002_b"]
    known(monkeypatch, ("0001_a", "CREATE TABLE a (n int)"), two)
    with pytest.raises(MigrationChangedError, match="0001_a was applied"):
        migrate(empty_url)
    known(monkeypatch, one)
    with pytest.raises(MigrationUnknownError, match="no such file"):
        migrate(empty_url)


def test_a_step_is_whole_or_nothing(empty_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    known(monkeypatch, ("0001_a", "CREATE TABLE a ()"), ("0002_b", "CREATE TABLE b (); SELECT 1/0"))
    with pytest.raises(Exception, match="division by zero"):
        migrate(empty_url)
    assert rows(empty_url, "SELECT name FROM migration") == [("0001_a",)]
    assert rows(empty_url, "SELECT to_regclass('b')") == [(None,)]


def test_command(empty_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEPNA_DATABASE_URL", empty_url)
    run = CliRunner().invoke
    assert "applied 0001_registry" in run(app, ["migrate"]).output
    assert "nothing to apply" in run(app, ["migrate"]).output
    monkeypatch.setenv("TEPNA_DATABASE_URL", "postgresql://tepna:hidden@127.0.0.1:1/tepna")
    refused = run(app, ["migrate"])
    assert refused.exit_code == 1
    assert "hidden" not in refused.output
    monkeypatch.delenv("TEPNA_DATABASE_URL")
    assert "TEPNA_DATABASE_URL" in run(app, ["migrate"]).output
