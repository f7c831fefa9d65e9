import threading
from collections.abc import Sequence
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.batch import MAX_BYTES, SCHEMAS, Batch, decode, encode
from contracts.chrony import ClockQuality
from contracts.clock import utc_now
from contracts.events import CROSSING
from contracts.metrics import Quality
from edge.batches import NAMED_ROWS, TRACK_ROWS, WAITING, Batcher, Event, Scalar, SignalEvent

NOW = 1_777_878_000_000_000


class Sink:
    def __init__(self) -> None:
        self.batches: list[Batch] = []

    def __call__(self, batches: Sequence[Batch]) -> None:
        """Keep what a wire would carry."""
        self.batches += [decode(encode(batch)) for batch in batches]

    def of(self, schema: str) -> list[Batch]:
        return [batch for batch in self.batches if batch.schema == schema]


@pytest.fixture
def sink() -> Sink:
    return Sink()


@pytest.fixture
def batcher(sink: Sink) -> Batcher:
    return Batcher("usti-belehradska/cam-1", simulated=True, sink=sink, clock=lambda: NOW)


def tracks(ids: list[int], t: list[int]) -> dict[str, np.ndarray]:
    columns = {n: np.zeros(len(ids), d) for n, d in SCHEMAS["tracks/2"].dtypes.items()}
    columns["track"][:], columns["t"][:] = ids, t
    return columns


def test_each_kind_becomes_its_schema(batcher: Batcher, sink: Sink) -> None:
    batcher.clock_quality = ClockQuality(-1e-6, 2e-6)
    batcher.add([Scalar(1, "air.temperature", 21.5), Scalar(2, "noise.level", 60.0)])
    batcher.add([SignalEvent(3, 1, 2), Event(CROSSING, 4, "north", 1, 5, 77, 13.9, 0.8)])
    batcher.add([Scalar(5, "air.temperature", 22.0), Event(CROSSING, 6, "south", -1)])
    batcher.add_tracks(tracks([1], [7]))
    assert batcher.flush() == 4
    (obs,), (signal,) = sink.of("obs/3"), sink.of("signal/1")
    (events,), (points,) = sink.of("events/1"), sink.of("tracks/2")
    assert [obs.names[i] for i in obs.columns["metric"]] == [
        "air.temperature", "air.temperature", "noise.level",
    ]  # fmt: skip
    assert obs.columns["value"].tolist() == [21.5, 22.0, 60.0]
    assert [signal.columns[n].tolist() for n in ("t", "code", "parameter")] == [[3], [1], [2]]
    assert [events.names[i] for i in events.columns["object"]] == ["north", "south"]
    assert {events.names[i] for i in events.columns["kind"]} == {CROSSING}
    assert events.columns["direction"].tolist() == [1, -1]
    assert events.columns["value"][0] == 13.9
    assert np.isnan(events.columns["value"][1])
    assert points.rows == 1
    for batch in sink.batches:
        assert batch.device == "usti-belehradska/cam-1"
        assert batch.simulated
        assert (batch.clock_offset, batch.clock_error) == (-1e-6, 2e-6)
        assert batch.sent_at == NOW


def test_nothing_makes_no_batch(batcher: Batcher, sink: Sink) -> None:
    assert batcher.flush() == 0
    batcher.add([Scalar(1, "a", 1.0)])
    batcher.flush()
    assert batcher.flush() == 0
    assert len(sink.batches) == 1


def test_what_nobody_waits_for_stays_until_it_is_worth_a_batch(sink: Sink) -> None:
    now = 100.0
    batcher = Batcher("a/b", simulated=False, sink=sink, clock=lambda: NOW, monotonic=lambda: now)

    def names_after(seconds: float) -> list[list[str]]:
        nonlocal now
        now += seconds
        sink.batches.clear()
        batcher.flush(5.0)
        return [batch.names for batch in sink.batches]

    batcher.add([Scalar(1, "modem.rsrp", -90.0), Scalar(2, "own", 1.0), Event(CROSSING, 2, "n")])
    assert names_after(0.5) == [[CROSSING, "n", ""], ["own"]]
    batcher.add([Scalar(3, "meter.power", 1.5), Scalar(4, "air.pm10", 20.0)])
    assert names_after(0.5) == [["air.pm10"]]
    assert names_after(3.75) == [], "the first of them came 4.75 s ago"
    batcher.add([Scalar(5, "own", 1.0)])
    assert names_after(0.25) == [["meter.power", "modem.rsrp", "own"]], "one batch"
    assert names_after(60.0) == []
    batcher.add([Scalar(6, "camera.frames", 25.0)])
    assert names_after(0.1) == [], "5 s begin anew"
    batcher.add(Scalar(n, "camera.frames", 25.0) for n in range(NAMED_ROWS))
    assert names_after(0.1) == [["camera.frames"], ["camera.frames"]], "full"
    batcher.add([Scalar(7, "uplink.round_trip", 20.0)])
    assert batcher.flush() == 1, "who wants all of it gets all of it"


def test_what_is_out_of_range_is_kept_and_marked(batcher: Batcher, sink: Sink) -> None:
    batcher.add([Scalar(1, "modem.rsrp", v) for v in (-90.0, 12.0)] + [Scalar(1, "own", 1e9)])
    batcher.flush()
    assert sink.batches[0].columns["quality"].tolist() == [
        Quality.GOOD, Quality.OUT_OF_RANGE, Quality.GOOD,
    ]  # fmt: skip


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 1000)), min_size=1, max_size=200))
def test_tracks_are_sorted_and_whole(points: list[tuple[int, int]]) -> None:
    sink = Sink()
    batcher = Batcher("a/b", simulated=False, sink=sink, clock=lambda: NOW)
    for start in range(0, len(points), 7):
        part = points[start : start + 7]
        batcher.add_tracks(tracks([p[0] for p in part], [p[1] for p in part]))
    batcher.flush()
    columns = sink.batches[0].columns
    found = list(zip(columns["track"].tolist(), columns["t"].tolist(), strict=True))
    assert found == sorted(points)


def test_no_batch_is_too_large_for_the_wire(batcher: Batcher, sink: Sink) -> None:
    rng = np.random.default_rng(1)
    rows = 3 * TRACK_ROWS // 2
    noise = {
        name: np.frombuffer(rng.bytes(rows * dtype.itemsize), dtype)
        for name, dtype in SCHEMAS["tracks/2"].dtypes.items()
    }
    batcher.add_tracks(noise)
    names = [f"{n:063d}" for n in range(3 * NAMED_ROWS // 2)]
    batcher.add(Scalar(int(rng.integers(1 << 62)), name, float(rng.random())) for name in names)
    batcher.flush()
    assert sum(b.rows for b in sink.of("tracks/2")) == rows
    assert [n for b in sink.of("obs/3") for n in b.names] == names
    assert all(len(encode(batch)) < 0.7 * MAX_BYTES for batch in sink.batches)


def test_who_adds_waits_while_too_much_waits(sink: Sink) -> None:
    batcher = Batcher("a/b", simulated=False, sink=sink, clock=utc_now)
    batcher.add(Scalar(n, "a", 0.0) for n in range(WAITING))
    added = threading.Event()

    def one_more() -> None:
        batcher.add([Scalar(WAITING, "a", 0.0)])
        added.set()

    thread = threading.Thread(target=one_more)
    thread.start()
    assert not added.wait(0.2)
    batcher.flush()
    thread.join(20)
    batcher.flush()
    captured = np.concatenate([b.columns["t"] for b in sink.batches])
    assert (captured == np.arange(WAITING + 1)).all(), "nothing lost, nothing twice, in order"


def test_close_lets_go_who_waits(sink: Sink) -> None:
    batcher = Batcher("a/b", simulated=False, sink=sink, clock=utc_now)
    batcher.add(Scalar(n, "a", 0.0) for n in range(WAITING))
    thread = threading.Thread(target=batcher.add, args=[[Scalar(0, "a", 0.0)]])
    thread.start()
    batcher.close()
    thread.join(20)
    assert not thread.is_alive()


def test_the_empty_batch_can_be_sent(batcher: Batcher) -> None:
    assert decode(encode(batcher.empty())).rows == 0
    assert batcher.empty().boot == UUID(int=0), "the outbox names it"
