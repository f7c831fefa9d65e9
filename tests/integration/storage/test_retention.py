"""Retention drops whole chunks that are older, and nothing else."""

from datetime import UTC, datetime, timedelta

import pytest
from typer.testing import CliRunner

from contracts.clock import to_micros
from storage.cli import app
from storage.pool import StorageSettings, connect
from storage.retention import DEFAULT_DAYS, KEYS, RetentionSettings, retain

NOW = datetime(2030, 6, 15, tzinfo=UTC)
INSERT = "INSERT INTO signal_event VALUES (%s, 1, 1, 1, false)"
LEFT = "SELECT captured FROM signal_event ORDER BY captured"


def test_old_chunks_go(database_url: str) -> None:
    settings = RetentionSettings(database_url=database_url, retention_days={"signal_event": 30})
    kept = [NOW - timedelta(days=20), NOW, NOW + timedelta(days=400)]
    with connect(settings) as connection:
        for moment in [NOW - timedelta(days=100), NOW - timedelta(days=60), *kept]:
            connection.execute(INSERT, [moment])
        dropped = retain(connection, settings.days, lambda: to_micros(NOW))
        assert dropped == dict.fromkeys(DEFAULT_DAYS, 0) | {"signal_event": 2}
        assert [row[0] for row in connection.execute(LEFT)] == kept


def test_every_hypertable_has_its_days(database_url: str) -> None:
    with connect(StorageSettings(database_url=database_url)) as connection:
        found = connection.execute(
            "SELECT hypertable_name FROM timescaledb_information.hypertables"
        )
        assert {name for (name,) in found} == DEFAULT_DAYS.keys() - {KEYS}


def test_old_keys_go(database_url: str) -> None:
    with connect(StorageSettings(database_url=database_url)) as connection:
        for age in (0, 29, 31, 400):
            stored = NOW - timedelta(days=age)
            connection.execute("INSERT INTO message_key VALUES (gen_random_uuid(), %s)", [stored])
        assert retain(connection, {KEYS: 30}, lambda: to_micros(NOW)) == {KEYS: 2}
        left = connection.execute("SELECT count(*), min(stored) FROM message_key").fetchone()
    assert left == (2, NOW - timedelta(days=29))


def test_command(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEPNA_DATABASE_URL", database_url)
    monkeypatch.setenv("TEPNA_RETENTION_DAYS", '{"track_piece": 7}')
    said = CliRunner().invoke(app, ["retain"])
    assert said.exit_code == 0
    assert "track_piece: 0 chunks older than 7 days dropped" in said.output
