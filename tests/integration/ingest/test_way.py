"""From the device through broker and ingest into the database, once."""

import struct
import threading
import uuid
from typing import Any

import msgspec
import numpy as np
import pytest

from contracts.batch import Batch, Gone, decode, encode
from contracts.clock import MINUTE, from_micros, utc_now
from contracts.messages import State
from ingest.run import Ingest
from ingest.settings import IngestSettings

SUM = "SELECT count(*), coalesce(sum(value), 0) FROM observation"
LEDGER = "SELECT committed::text, lost::text FROM ledger WHERE device = %s"


def test_every_stream_arrives(street: Any, ingest: Any, eventually: Any) -> None:
    device = street.device("cam-1")
    obs = device.batch(rows=500, value=range(500), names=["a", "b"], metric=[0, 1] * 250)
    event = device.batch(
        "events/1", 2, names=["crossing", "line-1"], object=1, value=[12.5, "nan"], direction=-1
    )
    signal = device.batch("signal/1", 4, code=[1, 8, 10, 1], parameter=40_000)
    tracks = device.batch("tracks/1", 5, track=[7, 7, 7, 9, 9], x=[1, 2, 3, 4, 5], cls=5)
    for batch in (obs, event, signal, tracks):
        device.send(batch)
    eventually("durable", lambda: device.is_durable(3))
    assert device.durable[-1].ranges == [(0, 4)]
    assert street.rows(
        "SELECT name, count(*), sum(value) FROM observation JOIN metric USING (metric)"
        " GROUP BY name ORDER BY name"
    ) == [("a", 250, 249 * 250.0), ("b", 250, 250 * 250.0)]
    found = street.rows("SELECT kind, object, direction, value, boot FROM event")
    assert {row[:3] for row in found} == {("crossing", "line-1", -1)}
    assert sorted(str(row[3]) for row in found) == ["12.5", "nan"]
    assert {row[4] for row in found} == {device.boot}
    assert len(street.rows("SELECT FROM signal_event WHERE parameter = 40000")) == 4
    points = street.rows("SELECT track, x, class FROM track_point ORDER BY track, captured")
    assert {track for track, _, _ in points} == {7, 9}
    assert [x for _, x, _ in points] == [1, 2, 3, 4, 5]
    assert street.letters() == []
    assert ingest.meters.rows._value.get() == 511


@pytest.mark.usefixtures("ingest")
def test_the_four_times(street: Any, eventually: Any) -> None:
    device = street.device("cam-1")
    batch = device.batch(rows=3, clock_offset=0.25, clock_error=float("inf"), simulated=True)
    device.send(batch)
    device.send(device.batch(rows=0))
    eventually("durable", lambda: device.is_durable(1))
    full, empty = street.rows(
        "SELECT lower(captured), upper(captured), sent, sent <= received AND received <= stored,"
        " stream, rows, clock_offset, clock_error, simulated, isempty(captured)"
        " FROM batch ORDER BY seq"
    )
    t = batch.columns["t"]
    assert full == (
        from_micros(int(t.min())),
        from_micros(int(t.max())),
        from_micros(batch.sent_at),
        True,
        "obs",
        3,
        0.25,
        None,
        True,
        False,
    )
    assert (empty[5], empty[9]) == (0, True)


@pytest.mark.usefixtures("ingest")
def test_windows_are_marked_where_they_were_captured(street: Any, eventually: Any) -> None:
    device = street.device("cam-1")
    minute = utc_now() // MINUTE * MINUTE
    yesterday = minute - 24 * 60 * MINUTE
    device.send(device.batch(rows=4, t=[minute, minute - 1, yesterday, yesterday + 1]))
    device.send(device.batch("signal/1", rows=1, t=minute, simulated=True))
    eventually("durable", lambda: device.is_durable(1))
    marks = street.rows("SELECT DISTINCT site, minute, simulated FROM dirty ORDER BY 3, 2")
    assert marks == [
        (street.site, from_micros(yesterday), False),
        (street.site, from_micros(minute - MINUTE), False),
        (street.site, from_micros(minute), False),
        (street.site, from_micros(minute), True),
    ]


@pytest.mark.usefixtures("ingest")
def test_both_versions_of_tracks_make_the_same_rows(street: Any, eventually: Any) -> None:
    old, new = street.device("cam-1"), street.device("cam-2")
    t = utc_now() + np.arange(6) * 40_000
    given = {
        "t": np.r_[t, t], "track": np.repeat([7, 9], 6), "cls": 3, "length": 4.5, "width": 1.8,
        "x": np.arange(12) / 4, "y": -1.5, "vx": 6.24, "vy": 0.0, "heading": 0.0, "sd": 0.064,
    }  # fmt: skip
    old.send(old.batch("tracks/1", 12, **given))
    new.send(new.batch("tracks/2", 12, **given, v_sd=np.nan))
    eventually("durable", lambda: old.is_durable(0) and new.is_durable(0))
    rows = street.rows(
        "SELECT captured, until, track, class, length, width, delays, xs, ys, vxs, vys, headings"
        " FROM track_piece ORDER BY device, track"
    )
    assert len(rows) == 4
    assert rows[:2] == rows[2:]


@pytest.mark.usefixtures("ingest")
@pytest.mark.parametrize("schema", ["tracks/1", "tracks/2"])
def test_pieces_are_cut_at_the_minute(street: Any, eventually: Any, schema: str) -> None:
    device = street.device("cam-1")
    minute = utc_now() // MINUTE * MINUTE
    t = [minute - 2, minute - 1, minute, minute + 1]
    device.send(device.batch(schema, 4, t=t, track=1, x=[1, 2, 3, 4], cls=[5, 6, 6, 7]))
    eventually("durable", lambda: device.is_durable(0))
    assert street.rows(
        "SELECT captured, until, xs, delays, class FROM track_piece ORDER BY captured"
    ) == [
        (from_micros(minute - 2), from_micros(minute - 1), pack("f", 1, 2), pack("i", 0, 1), 6),
        (from_micros(minute), from_micros(minute + 1), pack("f", 3, 4), pack("i", 0, 1), 7),
    ]
    assert street.rows("SELECT captured, x FROM track_point ORDER BY captured") == [
        (from_micros(moment), x) for moment, x in zip(t, [1, 2, 3, 4], strict=True)
    ]


def pack(kind: str, *elements: float) -> bytes:
    return struct.pack(f">{len(elements)}{kind}", *elements)


def test_delivered_twice_and_out_of_order(street: Any, ingest: Any, eventually: Any) -> None:
    device = street.device("cam-1")
    batches = [device.batch(value=seq) for seq in range(20)]
    for batch in [*batches[::-1], *batches[::2], *batches]:
        device.send(batch)
    last = device.batch(value=100)
    device.send(last)
    eventually("durable", lambda: device.is_durable(last.seq))
    assert street.rows(SUM) == [(63, 3.0 * (sum(range(20)) + 100))]
    assert street.rows(LEDGER, device.number) == [("{[0,21)}", "{}")]
    assert street.letters() == []
    assert ingest.meters.duplicates._value.get() == 30


@pytest.mark.usefixtures("ingest")
def test_what_is_gone_is_a_number(street: Any, eventually: Any) -> None:
    device = street.device("cam-1")
    device.send(device.batch(seq=0))
    late = device.batch(seq=3, value=5)
    device.send(device.batch(seq=6, gone=[Gone(1, 4, "outbox-full"), Gone(5, 7, "disk-full")]))
    eventually("durable", lambda: device.is_durable(6))
    assert device.is_durable(2)
    assert not device.is_durable(4)
    assert street.rows(LEDGER, device.number) == [("{[0,1),[6,7)}", "{[1,4),[5,6)}")]
    # The loss is counted in the minute of its report, which is a window like any other.
    assert street.rows(
        "SELECT DISTINCT date_trunc('minute', reported_at) IN (SELECT minute FROM dirty) FROM loss"
    ) == [(True,)]
    # One that was thought lost is welcome, and is lost no more.
    device.send(late)
    eventually("its rows", lambda: street.rows("SELECT FROM observation WHERE value = 5"))
    assert street.rows(LEDGER, device.number) == [("{[0,1),[3,4),[6,7)}", "{[1,3),[5,6)}")]
    assert street.rows("SELECT seqs::text, reason FROM loss ORDER BY seqs") == [
        ("[1,4)", "outbox-full"),
        ("[5,7)", "disk-full"),
    ]


@pytest.mark.usefixtures("ingest")
def test_durable_names_the_batches_at_hand(street: Any, eventually: Any) -> None:
    """A hundred gaps do not fit an answer: the one asked for does, and then the latest."""
    device = street.device("cam-1")
    for seq in range(0, 200, 2):
        device.send(device.batch(seq=seq, rows=1))
    eventually("durable", lambda: device.is_durable(198))
    device.durable.clear()
    device.send(device.batch(seq=2, rows=1))
    eventually("an answer", lambda: device.durable)
    ranges = device.durable[-1].ranges
    assert len(ranges) == 64
    assert ranges[0] == (2, 3)
    assert ranges[-1] == (198, 199)
    assert ranges == sorted(ranges)


@pytest.mark.usefixtures("ingest")
class TestStates:
    def send(self, device: Any, status: str, since: int, boot: uuid.UUID | None = None) -> None:
        state = State(status=status, boot=boot or device.boot, since=since, version="1")
        device.publish("state", msgspec.json.encode(state), retain=True)

    def state(self, street: Any) -> Any:
        return street.rows("SELECT online, boot FROM device_state")

    def test_birth_and_will(self, street: Any, eventually: Any) -> None:
        device = street.device("cam-1")
        self.send(device, "online", 1000)
        eventually("birth", lambda: self.state(street) == [(True, device.boot)])
        self.send(device, "offline", 1000)
        eventually("death", lambda: self.state(street) == [(False, device.boot)])

    def test_will_of_an_older_boot(self, street: Any, eventually: Any) -> None:
        device = street.device("cam-1")
        self.send(device, "online", 2000)
        eventually("birth", lambda: self.state(street))
        self.send(device, "offline", 1000, boot=uuid.uuid4())
        device.send(device.batch())
        eventually("what came after the will", lambda: device.is_durable(0))
        assert self.state(street) == [(True, device.boot)]


def test_stop_leaves_the_rest_to_the_next(
    settings: IngestSettings, street: Any, eventually: Any
) -> None:
    """What comes while ingest is away waits in its session."""
    device = street.device("cam-1")
    sent: list[Batch] = []
    for _ in range(3):
        ingest = Ingest(settings, utc_now)
        thread = threading.Thread(target=ingest.run)
        thread.start()
        eventually("subscription", ingest.receiver.subscribed.is_set)
        sent += [device.batch(value=1) for _ in range(20)]
        for batch in sent[-20:]:
            device.send(batch)
        ingest.stop()
        thread.join(20)
        assert not thread.is_alive()
    ingest = Ingest(settings, utc_now)
    thread = threading.Thread(target=ingest.run)
    thread.start()
    eventually("durable", lambda: device.is_durable(59))
    ingest.stop()
    thread.join(20)
    assert street.rows(SUM) == [(180, 180.0)]


@pytest.mark.usefixtures("ingest")
def test_payload_of_the_wire_is_what_is_judged(street: Any, eventually: Any) -> None:
    """A batch that is sent again later is the same batch, though its sent_at is another."""
    device = street.device("cam-1")
    batch = device.batch()
    device.send(batch)
    eventually("durable", lambda: device.is_durable(0))
    again = msgspec.structs.replace(batch, sent_at=batch.sent_at + 10_000_000)
    assert decode(encode(again)).seq == 0
    device.send(again)
    device.send(device.batch())
    eventually("durable", lambda: device.is_durable(1))
    assert street.letters() == []
    assert street.rows(SUM)[0][0] == 6


@pytest.mark.usefixtures("ingest")
@pytest.mark.parametrize("rows", [1, 100_000])
def test_small_and_large(street: Any, eventually: Any, rows: int) -> None:
    device = street.device("cam-1")
    device.send(device.batch(rows=rows, value=1))
    eventually("durable", lambda: device.is_durable(0))
    assert street.rows(SUM) == [(rows, rows)]


def test_two_ingests_beside_each_other(
    settings: IngestSettings, ingest: Ingest, street: Any, eventually: Any
) -> None:
    """Both hear everything and write at the same time: the ledger lets each batch in once."""
    second = Ingest(settings.model_copy(update={"ingest_client": uuid.uuid4().hex}), utc_now)
    thread = threading.Thread(target=second.run)
    thread.start()
    eventually("subscription", second.receiver.subscribed.is_set)
    devices = [street.device(f"cam-{i}") for i in range(3)]
    for _ in range(30):
        for device in devices:
            device.send(device.batch(value=1))
    for device in devices:
        eventually("durable", lambda: device.is_durable(29))  # noqa: B023
    both = (ingest.meters, second.meters)
    eventually("both", lambda: all(meters.messages._value.get() >= 90 for meters in both))
    second.stop()
    thread.join(20)
    assert street.rows(SUM) == [(270, 270.0)]
    assert street.rows("SELECT count(*), count(DISTINCT (device, seq)) FROM batch") == [(90, 90)]
    assert sum(meters.batches._value.get() for meters in both) == 90
    assert sum(meters.duplicates._value.get() for meters in both) == 90


@pytest.mark.usefixtures("ingest")
def test_details_of_events_arrive_beside_events_without(street: Any, eventually: Any) -> None:
    device = street.device("cam-1")
    device.send(
        device.batch("events/2", 2, names=["wrong-way", "road", "{}", ""], object=1, detail=[2, 3])
    )
    device.send(device.batch("events/1", 1, names=["crossing", "road"], object=1))
    device.send(device.batch("events/2", 1, names=["wrong-way", "x" * 4097], detail=1))
    eventually("durable", lambda: device.is_durable(2))
    found = street.rows("SELECT kind, object, detail FROM event ORDER BY kind, detail")
    assert found == [
        ("crossing", "road", ""),
        ("wrong-way", "road", ""),
        ("wrong-way", "road", "{}"),
    ]
    assert [letter[0] for letter in street.rows("SELECT reason FROM dead_letter")] == ["bad-detail"]
