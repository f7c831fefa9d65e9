"""Faults of ingest's own code: one message becomes a dead letter, and all others go on."""

import logging
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from contracts.batch import encode
from contracts.clock import utc_now
from ingest import judge as judging
from ingest import rows as making
from ingest.errors import IngestError
from ingest.replay import replay
from ingest.settings import IngestSettings

ODD = 13.0
"""Value at which the code of these tests stumbles."""


@pytest.fixture
def odd(street: Any, ingest: Any) -> Any:
    assert ingest.receiver.subscribed.is_set()
    return street.device("odd")


def stored(street: Any, device: Any) -> int:
    query = "SELECT count(*) FROM observation WHERE device = %s"
    return int(street.rows(query, device.number)[0][0])


def letter(street: Any, device: Any) -> tuple[int, str, str]:
    query = "SELECT dead_letter, reason, detail FROM dead_letter WHERE identity = %s"
    [found] = street.rows(query, device.identity)
    return found[0], found[1], found[2]


def stumble(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the rows of observations hold a fault that one value brings out."""
    make = making._observations

    def odd_rows(samples: Sequence[making.Sample], *more: Any) -> making.Block:
        for sample in samples:
            if ODD in sample.batch.columns["value"]:
                raise KeyError("thirteen")
        return make(samples, *more)

    monkeypatch.setitem(making._MAKERS, "obs", odd_rows)


def test_a_batch_whose_rows_cannot_be_made(
    street: Any,
    odd: Any,
    ingest: Any,
    settings: IngestSettings,
    eventually: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    neighbour = street.device("neighbour")
    for _ in range(2):  # what both are is remembered, so that rows are encoded ahead then
        odd.send(odd.batch(rows=1))
        neighbour.send(neighbour.batch(rows=1))
    eventually("durable", lambda: odd.is_durable(1) and neighbour.is_durable(1))
    with monkeypatch.context() as patch, caplog.at_level(logging.ERROR, "ingest.unforeseen"):
        stumble(patch)
        for value in (1, ODD, ODD, 2):
            odd.send(odd.batch(rows=3, value=value))
            neighbour.send(neighbour.batch(rows=3))
        eventually("durable", lambda: odd.is_durable(5) and neighbour.is_durable(5))
        assert street.letters() == [("odd", "cannot-be-stored", 1)] * 2
        [said] = [r for r in caplog.records if r.name == "ingest.unforeseen"]  # of two, one
        assert said.exc_info is not None
        with pytest.raises(IngestError, match="KeyError"):
            replay(street.connection, numbers(street)[0], settings, utc_now)
    assert (stored(street, odd), stored(street, neighbour)) == (2 + 6, 2 + 12)
    query = "SELECT DISTINCT detail FROM dead_letter WHERE identity = %s"
    [(detail,)] = street.rows(query, odd.identity)
    assert detail.startswith("KeyError at ")
    assert "odd_rows: 'thirteen'" in detail
    assert "/" not in detail  # no path of this machine
    eventually("all acknowledged", lambda: len(ingest._inbox) == 0)
    counted = ingest.meters.letters.labels("cannot-be-stored")
    assert [x.value for m in counted.collect() for x in m.samples if "total" in x.name] == [2]
    assert [replay(street.connection, n, settings, utc_now).rows for n in numbers(street)] == [3, 3]
    assert street.letters() == []
    assert stored(street, odd) == 2 + 12


def numbers(street: Any) -> list[int]:
    query = "SELECT dead_letter FROM dead_letter WHERE identity = %s ORDER BY dead_letter"
    return [number for (number,) in street.rows(query, f"{street.pilot}/odd")]


def test_a_batch_that_cannot_be_judged(
    street: Any, odd: Any, eventually: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a first frame far away once did: not even the digest of its bytes could be taken."""

    def no_digest(*_: object) -> bytes:
        raise OverflowError("can't serialize ints < -2**63 or > 2**64 - 1")

    with monkeypatch.context() as patch:
        patch.setattr(judging, "restamp", no_digest)
        batch = odd.batch(rows=2)
        odd.publish("up/obs", encode(batch), boot=batch.boot, seq=batch.seq)
        eventually("durable", lambda: odd.is_durable(0))
    number, reason, detail = letter(street, odd)
    assert reason == "cannot-be-judged"
    assert "ingest.judge:" in detail
    odd.send(odd.batch(rows=5))
    eventually("durable", lambda: odd.is_durable(1))
    assert stored(street, odd) == 5
    settings = IngestSettings(database_url="postgresql://", mqtt_url="mqtt://localhost")
    assert replay(street.connection, number, settings, utc_now).rows == 2
    assert stored(street, odd) == 7


def test_a_first_frame_that_no_delay_reaches(street: Any, odd: Any, eventually: Any) -> None:
    """It ended ingest once: found by fuzzing."""
    batch = odd.batch("obs/2", rows=2)
    wire = msgspec.msgpack.decode(encode(batch))
    wire[6][2] = (1 << 64) - 1
    odd.publish("up/obs", msgspec.msgpack.encode(wire), boot=batch.boot, seq=batch.seq)
    odd.send(odd.batch(rows=3))
    eventually("durable", lambda: odd.is_durable(1))
    assert street.letters() == [("odd", "not-a-batch", 1)]
    assert stored(street, odd) == 3
