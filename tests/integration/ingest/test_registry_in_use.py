"""What the registry says, as ingest acts on it: ranges, pending metrics, streams, retirement."""

from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from contracts.clock import MICROSECONDS, MINUTE, from_micros, utc_now
from contracts.metrics import Quality
from ingest import registry
from ingest.dead_letters_cli import app as dead_letters
from storage.catalogue import explain_metric
from storage.clocks import estimate
from storage.registry import register_device, retire_device

pytestmark = pytest.mark.usefixtures("ingest")


def test_implausible_values_are_kept_and_flagged(street: Any, eventually: Any) -> None:
    said = {"unit": "Cel", "low": -40.0, "high": 60.0}
    explain_metric(street.connection, "temperature", said)
    device = street.device("cam-1")
    flag = int(Quality.DOUBTED)
    device.send(device.batch(rows=4, value=[20, 99, -50, 70], quality=[0, 0, flag, 0]))
    device.send(device.batch(rows=1, value=1e300, names=["anything"]))
    eventually("durable", lambda: device.is_durable(1))
    assert street.letters() == []
    bad = int(Quality.IMPLAUSIBLE)
    found = street.rows("SELECT value, quality FROM observation ORDER BY value")
    assert found == [(-50, bad | flag), (20, 0), (70, bad), (99, bad), (1e300, 0)]
    assert sorted(street.rows("SELECT value, quality FROM latest")) == [(70, bad), (1e300, 0)]


def test_a_new_range_holds_once_ingest_has_looked_again(
    street: Any, eventually: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = street.device("cam-1")
    device.send(device.batch(rows=1, value=5))
    eventually("durable", lambda: device.is_durable(0))
    explain_metric(street.connection, "temperature", {"unit": "Cel", "high": 4.0})
    monkeypatch.setattr(registry, "MAX_AGE", 0)
    device.send(device.batch(rows=1, value=6))
    eventually("durable", lambda: device.is_durable(1))
    found = street.rows("SELECT value, quality FROM observation ORDER BY value")
    assert found == [(5, 0), (6, int(Quality.IMPLAUSIBLE))]


def test_unknown_metrics_are_pending_and_kept(street: Any, eventually: Any) -> None:
    device = street.device("cam-1")
    names = ["what.is.this", "noise.level"]
    device.send(device.batch(rows=2, value=[7, 300], names=names, metric=[0, 1]))
    eventually("durable", lambda: device.is_durable(0))
    assert street.rows("SELECT name, unit, pending, high FROM metric ORDER BY name") == [
        ("noise.level", "dB[SPL]", False, 140),
        ("what.is.this", None, True, None),
    ]
    assert street.rows("SELECT value, quality FROM observation ORDER BY value") == [
        (7, 0),
        (300, int(Quality.IMPLAUSIBLE)),
    ]


def test_streams_that_a_device_may_send(
    street: Any, eventually: Any, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = street.device("meter")
    place = {"pilot": street.pilot, "site": "here", "name": "meter"}
    register_device(street.connection, **place, streams=["obs"])
    device.send(device.batch(rows=2))
    device.send(device.batch("signal/1", rows=3))
    eventually("durable", lambda: device.is_durable(1))
    assert street.letters() == [("meter", "stream-not-allowed", 1)]
    assert street.rows("SELECT count(*) FROM observation") == [(2,)]
    assert street.rows("SELECT FROM signal_event") == []
    register_device(street.connection, **place, streams=[])
    monkeypatch.setenv("TEPNA_DATABASE_URL", database_url)
    assert CliRunner().invoke(dead_letters, ["replay", "1"]).exit_code == 0
    assert street.rows("SELECT count(*) FROM signal_event") == [(3,)]


def test_a_retired_device_is_heard_no_more(street: Any, eventually: Any) -> None:
    device = street.device("cam-1")
    retire_device(street.connection, pilot=street.pilot, name="cam-1")
    device.send(device.batch(rows=2))
    eventually("a dead letter", street.letters)
    assert street.letters() == [("cam-1", "unregistered-device", 1)]
    assert device.durable == []


def test_late_data_never_become_the_latest(street: Any, eventually: Any) -> None:
    device = street.device("cam-1")
    now = utc_now()
    for late, value in ((0, 1.0), (MINUTE, 2.0), (-1, 3.0), (60 * MINUTE, 4.0)):
        device.send(device.batch(rows=2, t=now - late, value=[-1, value]))
    device.send(device.batch(rows=1, t=now - MINUTE, value=5.0, simulated=True))
    eventually("durable", lambda: device.is_durable(4))
    found = street.rows("SELECT simulated, captured, value FROM latest ORDER BY simulated")
    assert found == [
        (False, from_micros(now + 1), 3.0),
        (True, from_micros(now - MINUTE), 5.0),
    ]


def test_the_clock_is_estimated(street: Any, eventually: Any) -> None:
    """A device that is ahead by a minute is so for certain, by nothing but what it sends."""
    fast, good = street.device("fast"), street.device("good")
    for device, ahead in ((fast, 60 * MICROSECONDS), (good, 0)):
        for _ in range(5):
            batch = device.batch(rows=1)
            device.send(msgspec.structs.replace(batch, sent_at=batch.sent_at + ahead))
    eventually("durable", lambda: fast.is_durable(4) and good.is_durable(4))

    def clock(device: Any) -> Any:
        query = "SELECT since, least FROM device_clock WHERE device = %s"
        return estimate(dict(street.rows(query, device.number)), from_micros(utc_now()))

    assert clock(fast).is_off
    # A busy machine only makes the messages later, and so the estimate smaller.
    assert clock(good).offset < clock(good).error
    assert 0 < clock(fast).offset < 60 + clock(fast).error
