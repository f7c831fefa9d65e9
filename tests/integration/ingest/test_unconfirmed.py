"""Captured when nobody can have captured it: held, used for nothing, and let in once."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from contracts.clock import MICROSECONDS, MINUTE, from_micros, utc_now
from ingest import unconfirmed
from ingest.cli import app
from ingest.release import Decision, NotHeldError, release
from ingest.settings import IngestSettings
from storage.pool import connect
from storage.registry import register_device, retire_device

pytestmark = pytest.mark.usefixtures("ingest")

DAY = 86_400 * MICROSECONDS
YEAR_S = 365 * 86_400
COUNT = "SELECT count(*) FROM observation"
HELD = "SELECT coalesce(sum(rows), 0)::int FROM unconfirmed"


@pytest.fixture
def clock(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The command line, on the test's database."""
    monkeypatch.setenv("TEPNA_DATABASE_URL", database_url)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, ["clock", *arguments])

    return run


def slow(batch: Any, seconds: float) -> Any:
    """Stamp a batch as a device would whose clock is behind by so much."""
    late = round(seconds * MICROSECONDS)
    columns = {**batch.columns, "t": batch.columns["t"] - late}
    return msgspec.structs.replace(batch, columns=columns, sent_at=batch.sent_at - late)


def test_held_rows_touch_nothing(street: Any, eventually: Any, clock: Any) -> None:
    device = street.device("cam-1")
    for stream in ("obs", "events", "signal", "tracks"):
        names = ["a"] if stream in {"obs", "events"} else []
        device.send(slow(device.batch(f"{stream}/1", 3, names=names), 54 * YEAR_S))
    eventually("durable", lambda: device.is_durable(3))
    assert street.letters() == []
    assert street.rows(HELD) == [(12,)]
    assert street.rows("SELECT FROM dirty") == []
    assert street.rows("SELECT FROM latest") == []
    for table in ("observation", "event", "signal_event", "track_piece"):
        assert street.rows(f"SELECT FROM {table}") == []
    said = clock("list", "--device", device.identity).output
    assert f"-{54 * YEAR_S}"[:8] in said
    assert "12 rows of 4 batches are held" in said


def test_shifted_by_what_the_clock_was_off(street: Any, eventually: Any, clock: Any) -> None:
    device = street.device("cam-1")
    batch = device.batch(rows=4, value=range(4))
    device.send(slow(batch, 20 * YEAR_S))
    device.send(slow(device.batch("tracks/1", 3, track=1, x=[1, 2, 3]), 54 * YEAR_S))
    eventually("durable", lambda: device.is_durable(1))
    said = clock("shift", "--device", device.identity, "--why", "no battery")
    assert said.exit_code == 0
    assert "4 of 4 rows stored" in said.output
    found = street.rows("SELECT captured, value FROM observation ORDER BY captured")
    assert [value for _, value in found] == [0, 1, 2, 3]
    # What the message took on its way is all that is wrong afterwards.
    wrong = [
        (captured - from_micros(int(t))).total_seconds()
        for (captured, _), t in zip(found, batch.columns["t"], strict=True)
    ]
    assert 0 <= wrong[0] < 20
    assert max(wrong) == min(wrong)
    assert street.rows("SELECT x FROM track_point ORDER BY x") == [(1,), (2,), (3,)]
    minutes = street.rows("SELECT DISTINCT minute FROM dirty WHERE site = %s", street.site)
    assert {captured.replace(second=0, microsecond=0) for captured, _ in found} <= {
        minute for (minute,) in minutes
    }
    assert street.rows("SELECT value FROM latest") == [(3.0,)]
    assert street.rows(HELD) == [(0,)]
    audit = street.rows("SELECT action, purpose FROM audit")
    assert audit == [("clock shift", "no battery")] * 2


def test_each_is_let_in_once(street: Any, eventually: Any, clock: Any) -> None:
    device = street.device("cam-1")
    batch = device.batch(rows=3, t=[utc_now(), 12, 13])
    device.send(batch)
    eventually("durable", lambda: device.is_durable(0))
    assert "2 of 2 rows stored" in clock("confirm", "1").output
    again = clock("confirm", "1")
    assert again.exit_code == 1
    assert "Nothing is held under this number" in again.output
    # Delivered again, the batch is the same, and what was held does not come back.
    device.send(batch)
    device.send(device.batch(rows=1))
    eventually("durable", lambda: device.is_durable(1))
    assert street.rows(COUNT) == [(4,)]
    assert street.rows(HELD) == [(0,)]
    assert street.letters() == []
    assert street.rows("SELECT min(minute) FROM dirty") == [(from_micros(0),)]


def test_several_who_let_it_in_at_once(
    street: Any, eventually: Any, settings: IngestSettings
) -> None:
    device = street.device("cam-1")
    device.send(device.batch(rows=3, t=12))
    eventually("durable", lambda: device.is_durable(0))
    decision = Decision("confirm", "somebody", None)

    def let_in(_: int) -> int:
        with connect(settings) as connection:
            try:
                return release(connection, 1, settings, utc_now, decision=decision)[1].rows
            except NotHeldError:
                return 0

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(let_in, range(4))) == [0, 0, 0, 3]
    assert street.rows(COUNT) == [(3,)]
    assert street.rows("SELECT count(*) FROM audit") == [(1,)]


def test_the_future_cannot_be_confirmed(
    street: Any, eventually: Any, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = street.device("cam-1")
    device.send(device.batch(rows=2, t=utc_now() + DAY))
    eventually("durable", lambda: device.is_durable(0))
    refused = clock("confirm", "1")
    assert refused.exit_code == 1
    assert "in the future" in refused.output
    assert street.rows(HELD) == [(2,)]
    assert street.rows("SELECT FROM audit") == []
    monkeypatch.setenv("TEPNA_CLOCK_AHEAD_S", "100000")
    assert "2 of 2 rows stored" in clock("confirm", "1").output
    assert street.rows(COUNT) == [(2,)]


def test_a_shift_that_does_not_help_changes_nothing(
    street: Any, eventually: Any, clock: Any
) -> None:
    device = street.device("cam-1")
    device.send(device.batch(rows=1, t=12))  # sent by a clock that was right by then
    device.send(device.batch(rows=1, t=-(1 << 63)))
    device.send(device.batch(rows=1, t=(1 << 63) - 1))
    eventually("durable", lambda: device.is_durable(2))
    assert clock("shift", "1").exit_code == 1
    assert clock("shift", "1", "--by", "0").exit_code == 1  # that would be to confirm
    assert clock("shift", "1", "2", "3", "--by", "-3600").exit_code == 1
    assert clock("confirm", "2", "3").exit_code == 1
    assert street.rows("SELECT first FROM unconfirmed ORDER BY 1") == [
        (-(1 << 63),),
        (12,),
        ((1 << 63) - 1,),
    ]
    assert "us" in clock("list").output
    by = str((utc_now() - MINUTE) // MICROSECONDS)
    assert "1 of 1 rows stored" in clock("shift", "1", "--by", by).output
    assert street.rows(COUNT) == [(1,)]


def test_values_are_judged_when_they_are_let_in(street: Any, eventually: Any, clock: Any) -> None:
    device = street.device("cam-1")
    device.send(device.batch(rows=2, t=12, value=[1, np.nan]))
    eventually("durable", lambda: device.is_durable(0))
    assert "1 of 2 rows stored" in clock("confirm", "1").output
    assert street.letters() == [("cam-1", "not-finite", 1)]


def test_a_retired_device_waits(street: Any, eventually: Any, clock: Any) -> None:
    device = street.device("cam-1")
    device.send(device.batch(rows=2, t=12))
    eventually("durable", lambda: device.is_durable(0))
    retire_device(street.connection, pilot=street.pilot, name="cam-1")
    assert "retired" in clock("confirm", "1").output
    register_device(street.connection, pilot=street.pilot, site="here", name="cam-1")
    assert clock("confirm", "1").exit_code == 0


def test_dropped_for_good(street: Any, eventually: Any, clock: Any) -> None:
    device = street.device("cam-1")
    device.send(device.batch(rows=2, t=12))
    eventually("durable", lambda: device.is_durable(0))
    assert clock("drop").exit_code == 2  # not everything by mistake
    assert "2 rows dropped" in clock("drop", "--device", device.identity).output
    assert street.rows(HELD) == [(0,)]
    assert street.rows("SELECT action FROM audit") == [("clock drop",)]
    assert clock("drop", "1").exit_code == 1


def test_one_device_cannot_fill_the_disk(
    street: Any, eventually: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unconfirmed, "MAX_PARTS", 3)
    device, other = street.device("cam-1"), street.device("cam-2")
    for _ in range(5):
        device.send(device.batch(rows=2, t=12))
    other.send(other.batch(rows=2, t=12))
    eventually("durable", lambda: device.is_durable(4) and other.is_durable(0))
    assert street.rows(HELD) == [(8,)]
    assert street.rows("SELECT identity, reason, dropped FROM dead_letter_overflow") == [
        (device.identity, "clock", 2)
    ]
