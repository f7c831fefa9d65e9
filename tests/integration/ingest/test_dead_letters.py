"""Dead letters: looked at, replayed once, dropped."""

from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from contracts.batch import encode
from contracts.clock import utc_now
from ingest.dead_letters_cli import app
from storage.registry import register_device

COUNT = "SELECT count(*) FROM observation"


@pytest.fixture
def command(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The command line, on the test's database."""
    monkeypatch.setenv("TEPNA_DATABASE_URL", database_url)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, arguments)

    return run


@pytest.mark.usefixtures("ingest")
def test_stranger_is_replayed_once_registered(street: Any, eventually: Any, command: Any) -> None:
    device = street.device("cam-1", registered=False)
    batch = device.batch(rows=5)
    device.send(batch)
    eventually("a dead letter", street.letters)
    refused = command("replay", "1")
    assert refused.exit_code == 1
    assert "not registered" in refused.output
    assert street.letters() == [("cam-1", "unregistered-device", 1)]

    register_device(street.connection, pilot=street.pilot, site="here", name="cam-1")
    assert "5 rows stored" in command("replay", "1").output
    assert street.rows(COUNT) == [(5,)]
    assert street.letters() == []
    assert command("replay", "1").exit_code == 1
    # The agent, which was never told, sends it again: nothing is doubled.
    device.send(batch)
    eventually("durable", lambda: device.is_durable(0))
    assert street.rows(COUNT) == [(5,)]


@pytest.mark.usefixtures("ingest")
def test_stranger_who_came_again_is_not_doubled(street: Any, eventually: Any, command: Any) -> None:
    device = street.device("cam-1", registered=False)
    batch = device.batch(rows=5)
    device.send(batch)
    eventually("a dead letter", street.letters)
    register_device(street.connection, pilot=street.pilot, site="here", name="cam-1")
    device.send(batch)
    eventually("durable", lambda: device.is_durable(0))
    assert "0 rows stored" in command("replay", "--reason", "unregistered-device").output
    assert street.rows(COUNT) == [(5,)]
    assert street.letters() == []


@pytest.mark.usefixtures("ingest")
def test_rows_of_a_wrong_clock_are_replayed_where_it_is_allowed(
    street: Any, eventually: Any, command: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = street.device("cam-1")
    tomorrow = utc_now() + 86_400_000_000
    batch = device.batch(rows=3, t=[utc_now(), tomorrow, tomorrow])
    device.send(batch)
    eventually("durable", lambda: device.is_durable(0))
    assert "stays" in command("replay", "1").output
    assert street.rows(COUNT) == [(1,)]
    monkeypatch.setenv("TEPNA_CLOCK_AHEAD_S", "100000")
    assert "2 rows stored" in command("replay", "1").output
    assert street.rows(COUNT) == [(3,)]
    # Delivered again, the batch is the same, and its replayed letter does not come back.
    device.send(batch)
    device.send(device.batch(rows=1))
    eventually("durable", lambda: device.is_durable(1))
    assert street.letters() == []
    assert street.rows(COUNT) == [(4,)]


@pytest.mark.usefixtures("ingest")
def test_conflicting_content_is_replayed_beside_the_first(
    street: Any, eventually: Any, command: Any
) -> None:
    device = street.device("cam-1")
    second = device.batch(rows=6, seq=0)
    device.send(device.batch(rows=4, seq=0))
    eventually("durable", lambda: device.is_durable(0))
    device.send(second)
    eventually("a dead letter", street.letters)
    assert "6 rows stored" in command("replay", "--device", device.identity).output
    device.send(second)
    device.send(device.batch(rows=1, seq=1))
    eventually("durable", lambda: device.is_durable(1))
    assert street.letters() == []
    assert street.rows(COUNT) == [(11,)]
    assert street.rows("SELECT committed::text FROM ledger") == [("{[0,2)}",)]


@pytest.mark.usefixtures("ingest")
def test_part_that_is_still_unusable_stays(
    street: Any, eventually: Any, command: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = street.device("cam-1")
    tomorrow = utc_now() + 86_400_000_000
    device.send(device.batch(rows=2, t=tomorrow, value=[1, np.nan]))
    eventually("durable", lambda: device.is_durable(0))
    monkeypatch.setenv("TEPNA_CLOCK_AHEAD_S", "100000")
    assert "1 rows stored" in command("replay", "1").output
    assert street.letters() == [("cam-1", "not-finite", 1)]


@pytest.mark.usefixtures("ingest")
def test_list_show_and_drop(street: Any, eventually: Any, command: Any) -> None:
    device = street.device("cam-1")
    device.publish("up/obs", encode(device.batch())[:-3], boot=device.boot, seq=0)
    device.send(device.batch(value=[1, np.inf, 3]))
    eventually("durable", lambda: device.is_durable(1))
    listed = command("list", "--device", device.identity).output
    assert "truncated" in listed
    assert "not-finite" in listed
    assert "truncated" not in command("list", "--reason", "not-finite").output
    assert "inf" in command("show", "2").output
    assert "no batch" in command("show", "1").output
    assert command("show", "99").exit_code == 1
    assert command("drop").exit_code == 2  # not everything by mistake
    assert "1: dropped" in command("drop", "1").output
    assert street.letters() == [("cam-1", "not-finite", 1)]


def test_without_a_database(monkeypatch: pytest.MonkeyPatch, command: Any) -> None:
    monkeypatch.delenv("TEPNA_DATABASE_URL")
    said = command("list")
    assert said.exit_code == 1
    assert "TEPNA_DATABASE_URL" in said.output
