"""Bad input: what is kept, what is a dead letter and why, and that the neighbours are unharmed."""

import struct
import uuid
from typing import Any

import msgspec
import numpy as np
import pytest

from contracts.batch import MAX_BYTES, decode, encode
from contracts.clock import utc_now
from ingest import ledger as ledger_of_ingest
from ingest.settings import IngestSettings

YEAR_2100 = 4_102_444_800_000_000


@pytest.fixture
def bad(street: Any) -> Any:
    return street.device("bad")


@pytest.fixture(autouse=True)
def neighbour(street: Any, ingest: Any, eventually: Any) -> Any:
    """Sends before and after the test's bad device, and has all of it stored."""
    assert ingest.receiver.subscribed.is_set()
    device = street.device("neighbour")
    device.send(device.batch(rows=7))
    yield device
    device.send(device.batch(rows=11))
    eventually(
        "the neighbour's batches durable", lambda: device.is_durable(0) and device.is_durable(1)
    )
    assert stored(street, device) == 18


def stored(street: Any, device: Any) -> int:
    query = "SELECT count(*) FROM observation WHERE device = %s"
    return int(street.rows(query, device.number)[0][0])


def ledger(street: Any, device: Any) -> list[tuple[str, str]]:
    query = "SELECT committed::text, lost::text FROM ledger WHERE device = %s"
    return street.rows(query, device.number)


def payload_of(street: Any, reason: str) -> bytes:
    return bytes(street.rows("SELECT payload FROM dead_letter WHERE reason = %s", reason)[0][0])


def names(batch: Any) -> dict[str, Any]:
    return {"boot": batch.boot, "seq": batch.seq}


def test_unknown_topic(street: Any, bad: Any, eventually: Any) -> None:
    batch = bad.batch()
    bad.publish("up/gossip", encode(batch), **names(batch))
    deeper = bad.batch()
    bad.publish("up/obs/extra", encode(deeper), **names(deeper))
    eventually("durable", lambda: bad.is_durable(1))
    assert street.letters() == [("bad", "unknown-topic", 1)] * 2
    assert stored(street, bad) == 0
    assert decode(payload_of(street, "unknown-topic")).seq == 0


def test_wrong_schema_id(street: Any, bad: Any, eventually: Any) -> None:
    batch = bad.batch()
    wire = msgspec.msgpack.decode(encode(batch)) | {"schema": "obs/99"}
    bad.publish("up/obs", msgspec.msgpack.encode(wire), **names(batch))
    eventually("durable", lambda: bad.is_durable(0))
    assert street.letters() == [("bad", "unknown-schema", 1)]
    assert stored(street, bad) == 0


def test_schema_of_another_stream(street: Any, bad: Any, eventually: Any) -> None:
    bad.publish("up/signal", encode(bad.batch()))
    eventually("durable", lambda: bad.is_durable(0))
    assert street.letters() == [("bad", "stream-mismatch", 1)]


def test_truncated_batch(street: Any, bad: Any, eventually: Any) -> None:
    whole = bad.batch(rows=100)
    payload = encode(whole)[:-40]
    bad.publish("up/obs", payload, **names(whole))
    bad.send(bad.batch(rows=5))
    eventually("durable", lambda: bad.is_durable(1))
    assert street.letters() == [("bad", "truncated", 1)]
    assert payload_of(street, "truncated") == payload
    assert stored(street, bad) == 5


def test_truncated_batch_without_a_name_is_seen_again_and_again(
    street: Any, bad: Any, eventually: Any
) -> None:
    payload = encode(bad.batch(rows=100))[:-40]
    for _ in range(3):
        bad.publish("up/obs", payload)
    eventually("three deliveries", lambda: street.letters() == [("bad", "truncated", 3)])
    assert ledger(street, bad) == []


def test_nan_and_infinite_values(street: Any, bad: Any, eventually: Any) -> None:
    bad.send(bad.batch(rows=5, value=[1, np.nan, 3, np.inf, -np.inf]))
    eventually("durable", lambda: bad.is_durable(0))
    assert street.letters() == [("bad", "not-finite", 1)]
    assert stored(street, bad) == 2
    rest = decode(payload_of(street, "not-finite"))
    assert rest.seq == 0
    assert np.array_equal(rest.columns["value"], [np.nan, np.inf, -np.inf], equal_nan=True)


def test_nowhere_positions(street: Any, bad: Any, eventually: Any) -> None:
    track = {"track": [1, 1, 2, 2], "x": [0, np.nan, 2, 3], "vx": [np.nan, 0, 0, np.inf]}
    bad.send(bad.batch("tracks/1", 4, **track))
    eventually("durable", lambda: bad.is_durable(0))
    assert street.letters() == [("bad", "not-finite", 1)]
    pieces = street.rows("SELECT track, x, vx::text FROM track_point ORDER BY track")
    assert pieces == [(1, 0.0, "NaN"), (2, 2.0, "0")]  # a speed may be unknown
    assert decode(payload_of(street, "not-finite")).columns["track"].tolist() == [1, 2]


def test_clocks_in_1970_and_2100(street: Any, bad: Any, eventually: Any) -> None:
    bad.send(bad.batch(rows=4, t=[12, utc_now(), YEAR_2100, utc_now()], value=range(4)))
    eventually("durable", lambda: bad.is_durable(0))
    assert street.letters() == []
    assert street.rows(
        "SELECT value FROM observation WHERE device = %s ORDER BY value", bad.number
    ) == [(1.0,), (3.0,)]
    held = street.rows("SELECT payload, first, last FROM unconfirmed ORDER BY first")
    assert [decode(bytes(row[0])).columns["value"].tolist() for row in held] == [[0.0], [2.0]]
    assert [row[1:] for row in held] == [(12, 12), (YEAR_2100, YEAR_2100)]


def test_times_at_the_ends_of_the_integer(street: Any, bad: Any, eventually: Any) -> None:
    bad.send(bad.batch(rows=3, t=[-(1 << 63), (1 << 63) - 1, utc_now()]))
    bad.send(bad.batch(rows=2, t=[-(1 << 63), (1 << 63) - 1]))
    eventually("durable", lambda: bad.is_durable(1))
    assert street.letters() == []
    assert stored(street, bad) == 1
    held = street.rows("SELECT first, last, rows FROM unconfirmed ORDER BY first")
    assert held == [(-(1 << 63),) * 2 + (1,)] * 2 + [((1 << 63) - 1,) * 2 + (1,)] * 2


def test_the_broker_refuses_100_mb(street: Any, bad: Any, eventually: Any) -> None:
    client = bad._client
    lost = []
    client.on_disconnect = lambda *a: lost.append(a[3])
    info = client.publish(f"tepna/1/{bad.identity}/up/obs", bytes(100 << 20), qos=1)
    eventually("the publisher's disconnection, with a reason", lambda: lost)
    client.disconnect()
    assert lost[0].is_failure
    assert not info.is_published()
    assert street.letters() == []


def test_3_mb_pass_the_broker_and_are_too_large(street: Any, bad: Any, eventually: Any) -> None:
    payload = bytes(3 << 20)
    assert len(payload) > MAX_BYTES
    bad.publish("up/obs", payload, boot=bad.boot, seq=0)
    eventually("durable", lambda: bad.is_durable(0))
    assert street.letters() == [("bad", "too-large", 1)]
    assert payload_of(street, "too-large") == payload


def test_device_that_is_not_registered(street: Any, eventually: Any) -> None:
    stranger = street.device("stranger", registered=False)
    batch = stranger.batch(rows=9)
    stranger.send(batch)
    eventually(
        "a dead letter", lambda: street.letters() == [("stranger", "unregistered-device", 1)]
    )
    assert decode(payload_of(street, "unregistered-device")).rows == 9
    assert stranger.durable == []  # it keeps the batch until somebody registers it
    assert (
        street.rows("SELECT FROM ledger l JOIN device d USING (device) WHERE d.name = 'stranger'")
        == []
    )


def test_header_of_another_device(street: Any, bad: Any, eventually: Any) -> None:
    other = street.device("other")
    bad.send(bad.batch(device=other.identity))
    eventually("durable", lambda: bad.is_durable(0))
    assert street.letters() == [("bad", "identity-mismatch", 1)]
    assert stored(street, other) == 0
    assert ledger(street, other) == []


def test_duplicate_boot_id(street: Any, bad: Any, eventually: Any) -> None:
    """Two boxes of one image number their batches alike: the second's content is not dropped."""
    first = bad.batch(rows=4, seq=0)
    second = bad.batch(rows=6, seq=0)
    bad.send(first)
    eventually("durable", lambda: bad.is_durable(0))
    bad.send(first)
    for _ in range(2):
        bad.send(second)
    bad.send(bad.batch(seq=1, rows=1))
    eventually("durable", lambda: bad.is_durable(1))
    assert street.letters() == [("bad", "conflicting-content", 2)]
    assert decode(payload_of(street, "conflicting-content")).rows == 6
    assert stored(street, bad) == 5
    assert ledger(street, bad) == [("{[0,2)}", "{}")]


def test_same_boot_id_on_two_devices(street: Any, bad: Any, eventually: Any) -> None:
    twin = street.device("twin")
    twin.boot = bad.boot
    bad.send(bad.batch(rows=2))
    twin.send(twin.batch(rows=3))
    eventually("both durable", lambda: bad.is_durable(0) and twin.is_durable(0))
    assert (stored(street, bad), stored(street, twin)) == (2, 3)
    assert street.letters() == []


def test_what_only_the_database_refuses(street: Any, bad: Any, eventually: Any) -> None:
    """A zero character passes JSON, but not jsonb: the message is found among its neighbours."""
    state = {"status": "online", "boot": str(bad.boot), "since": 1, "version": "\0"}
    bad.send(bad.batch(rows=2))
    bad.publish("state", msgspec.json.encode(state))
    bad.send(bad.batch(rows=3))
    eventually("durable", lambda: bad.is_durable(1))
    eventually("a dead letter", street.letters)
    assert street.letters() == [("bad", "refused-by-database", 1)]
    assert stored(street, bad) == 5


def test_what_is_no_state(street: Any, bad: Any, eventually: Any) -> None:
    bad.publish("state", b"I am fine")
    eventually("a dead letter", lambda: street.letters() == [("bad", "not-a-state", 1)])


def test_garbage(street: Any, bad: Any, eventually: Any) -> None:
    for payload in (b"", b"\xc1", b"{}", struct.pack("<d", 1.0), msgspec.msgpack.encode({})):
        bad.publish("up/obs", payload)
    eventually("five dead letters", lambda: len(street.letters()) == 5)
    assert {reason for _, reason, _ in street.letters()} <= {"truncated", "not-a-batch"}


def test_a_metric_without_a_name(street: Any, bad: Any, eventually: Any) -> None:
    bad.send(bad.batch(rows=3, names=["ok", "", "x" * 300], metric=[0, 1, 2]))
    eventually("durable", lambda: bad.is_durable(0))
    assert street.letters() == [("bad", "refused-metric", 1)]
    assert stored(street, bad) == 1


def test_samples_scattered_over_the_years(street: Any, bad: Any, eventually: Any) -> None:
    bad.send(bad.batch(rows=2000, t=utc_now() - np.arange(2000) * 86_400_000_000))
    eventually("durable", lambda: bad.is_durable(0))
    assert street.letters() == [("bad", "scattered", 1)]
    assert stored(street, bad) == 0


def test_numbers_scattered_over_the_boot(
    street: Any, bad: Any, eventually: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_of_ingest, "MAX_BYTES", 500)
    for seq in range(0, 400, 2):
        bad.send(bad.batch(rows=1, seq=seq**3))
        if seq == 200:  # all in one transaction would be looked at before any of them is there
            eventually("durable", lambda: bad.is_durable(200**3) or street.letters())
    eventually("dead letters", street.letters)
    assert {reason for _, reason, _ in street.letters()} == {"too-many-gaps"}
    kept = stored(street, bad)
    assert 0 < kept < 200
    bad.send(bad.batch(rows=1, seq=1))  # what closes a gap is welcome
    eventually("durable", lambda: bad.is_durable(1))
    bad.boot = uuid.uuid4()
    bad.send(bad.batch(rows=1, seq=0))
    eventually("durable", lambda: bad.is_durable(0, bad.boot))
    assert stored(street, bad) == kept + 2


def test_device_that_was_removed_a_moment_ago(street: Any, bad: Any, eventually: Any) -> None:
    """Ingest still takes it for registered, but the ledger's foreign key does not."""
    bad.send(bad.batch(rows=1))
    eventually("durable", lambda: bad.is_durable(0))
    street.rows("DELETE FROM ledger WHERE device = %s RETURNING 1", bad.number)
    street.rows("DELETE FROM device WHERE device = %s RETURNING 1", bad.number)
    bad.boot = uuid.uuid4()
    bad.send(bad.batch(rows=1))
    eventually("a dead letter", street.letters)
    assert street.letters() == [("bad", "refused-by-database", 1)]


class TestQuota:
    @pytest.fixture
    def settings(self, settings: IngestSettings) -> IngestSettings:
        return settings.model_copy(update={"dead_letters_per_device": 2})

    def test_one_device_cannot_fill_the_disk(self, street: Any, bad: Any, eventually: Any) -> None:
        for seq in range(5):
            bad.publish("up/obs", b"garbage", boot=uuid.UUID(int=7), seq=seq)
            bad.publish("up/obs", bytes([seq]), boot=bad.boot, seq=seq)
        eventually("durable", lambda: bad.is_durable(4))
        assert len(street.letters()) == 2
        kept = street.rows("SELECT sum(seen) FROM dead_letter")[0][0]
        dropped = street.rows("SELECT sum(dropped) FROM dead_letter_overflow")[0][0]
        assert kept + dropped == 10
        # What could not even be kept is lost, and says so.
        assert street.rows("SELECT DISTINCT reason FROM loss") == [("dead-letter-quota",)]
