from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.batch import SCHEMAS, Batch
from edge.budget import BURST, KBIT, Bucket
from edge.outbox import Outbox, Waiting
from edge.traffic import ENVELOPE, LIVE, Traffic
from edge.window import Window

SECOND = 1_000_000
START = 1_777_878_000 * SECOND
STREAMS = {"events": "events/1", "signal": "signal/1", "obs": "obs/1", "tracks": "tracks/2"}


@given(
    st.floats(100, 1e6),
    st.lists(st.tuples(st.integers(1, 100_000), st.floats(0, 5)), min_size=1, max_size=60),
)
def test_no_bucket_gives_more_than_its_rate(rate: float, wishes: list[tuple[int, float]]) -> None:
    bucket, now, given_, largest = Bucket(rate, 0.0), 0.0, 0, 0
    for size, pause in wishes:
        now += pause
        if bucket.take(size, now) == 0:
            given_, largest = given_ + size, max(largest, size)
        assert given_ <= rate * (now + BURST) * 1.000001 + largest


@given(st.floats(100, 1e6), st.integers(1, 10_000_000))
def test_the_wait_that_it_states_is_enough_and_not_too_long(rate: float, size: int) -> None:
    bucket = Bucket(rate, 0.0)
    assert bucket.take(size, 0.0) == 0
    wait = bucket.wait(0.0)
    if size >= rate * BURST:
        assert wait == pytest.approx(size / rate - BURST, abs=1e-5)
        assert bucket.wait(wait * 0.99 - 1e-5) > 0
    assert bucket.take(1, wait) == 0


def test_without_limits_all_go_and_live_ones_first() -> None:
    old, new = Waiting(1, UUID(int=1), 1, "obs", 0, 10), Waiting(2, UUID(int=1), 2, "obs", LIVE, 10)
    budget = Traffic(None, None, 0.0)
    assert list(budget.allowed([old, new], LIVE + 1, 0.0)) == [new, old]
    assert budget.waits == 0


def test_the_whole_budget_holds_for_live_ones_too() -> None:
    batches = [Waiting(n, UUID(int=1), n, "obs", START, 750) for n in range(40)]
    budget = Traffic(8.0, None, 0.0)  # 1000 bytes a second
    assert len(list(budget.allowed(batches, START, 0.0))) == 1
    assert 0 < budget.waits < 0.01
    sent = sum(len(list(budget.allowed(batches, START, float(now)))) for now in range(1, 11))
    assert sent == 10


def test_what_matters_less_takes_only_what_is_over_so_no_batch_waits_for_it() -> None:
    assert Traffic(None, None, 0.0).spare(1_000_000, 0.0)
    budget = Traffic(8.0, None, 0.0)  # 1000 bytes a second
    assert not budget.spare(1000, 0.0)
    assert budget.spare(600, 0.0)
    assert not budget.spare(600, 0.0), "it was taken"
    batch = Waiting(1, UUID(int=1), 1, "obs", START, 750)
    assert list(budget.allowed([batch], START, 0.0)) == [batch]
    assert list(budget.allowed([batch], START, 0.0)) == []
    assert not budget.spare(0, 0.0), "a batch waits"


class Street:
    """A device whose outbox is real and whose time is the test's."""

    def __init__(self, outbox: Outbox, budget: Traffic) -> None:
        self.outbox, self.budget = outbox, budget
        self.window = Window(64, 10.0)
        self.now = 0.0
        self.sent: list[tuple[float, Waiting]] = []

    def clock(self) -> int:
        return START + round(self.now * SECOND)

    def make(self, stream: str, rows: int) -> None:
        schema = SCHEMAS[STREAMS[stream]]
        columns = {name: np.zeros(rows, dtype) for name, dtype in schema.dtypes.items()}
        columns["t"] += self.clock() + np.random.default_rng(1).integers(SECOND, size=rows)
        batch = Batch(
            schema=schema.id, device="a/b", boot=UUID(int=0), seq=0, sent_at=0, columns=columns,
            names=["x"],
        )  # fmt: skip
        self.outbox.append([batch])

    def tick(self) -> None:
        """Send as the uplink does; all of it is durable at once."""
        reach = self.window.reach
        newest, backlog = self.outbox.waiting(reach, newest=True), self.outbox.backlog(reach)
        chosen = self.window.choose(newest, backlog, self.now)
        for batch in self.budget.allowed(chosen, self.clock(), self.now):
            self.window.sent(batch, batch.id, self.now)
            self.window.acknowledged(batch.id, self.now)
            self.sent.append((self.now, batch))
        for _, batch in self.sent[-100:]:
            self.window.durable(batch.boot, [(batch.seq, batch.seq + 1)], self.now)
            self.outbox.durable(batch.boot, [(batch.seq, batch.seq + 1)])


@pytest.fixture
def street(tmp_path: Path) -> Iterator[Street]:
    made: list[Street] = []

    def clock() -> int:
        return made[0].clock()

    file = tmp_path / "outbox.sqlite"
    with Outbox(file, device="a/b", boot=UUID(int=1), max_bytes=1 << 24, clock=clock) as outbox:
        made.append(Street(outbox, Traffic(None, 32.0, 0.0)))
        yield made[0]


def outage(street: Street, seconds: int) -> int:
    """Make batches of each stream while nobody listens; the number of the first after it."""
    for second in range(seconds):
        street.now = float(second)
        for stream, rows in (("tracks", 30), ("obs", 10), ("signal", 5), ("events", 5)):
            street.make(stream, rows)
    street.now += LIVE / SECOND
    return 4 * seconds


def test_after_an_outage_live_batches_go_at_once_and_the_backlog_within_its_bucket(
    street: Street,
) -> None:
    first_live = outage(street, 60)
    begun = street.now
    late: list[float] = []
    while len(street.outbox.backlog(1)) and street.now < begun + 600:
        street.make("tracks", 30)
        made = street.now
        for _ in range(4):
            street.now += 0.25
            street.tick()
        late += [at - made for at, b in street.sent if b.seq == first_live + len(late)]
    assert max(late) <= 0.25, "live ones wait for nobody"
    backlog = [(at, b.bytes + ENVELOPE) for at, b in street.sent if b.seq < first_live]
    assert len(backlog) == first_live
    for at, _ in backlog:
        before = sum(size for then, size in backlog if then <= at)
        assert before <= 32.0 * KBIT * (at - begun + BURST) + 2000
    assert backlog[-1][0] - begun > 5.0, "else nothing was held back"


def test_of_a_backlog_events_go_before_scalars_before_tracks_and_nothing_starves(
    street: Street,
) -> None:
    first_live = outage(street, 60)
    while any(b.seq < first_live for b in street.outbox.backlog(200)):
        street.now += 0.25
        street.tick()
    order = [b.stream for _, b in street.sent]
    over = {stream: len(order) - order[::-1].index(stream) for stream in STREAMS}
    assert over["events"] < over["signal"] < over["obs"] < over["tracks"]
    assert over["events"] < 0.5 * len(order)
    share = order[: over["events"]]
    assert share.count("tracks") >= len(share) // 16, "the oldest have a share of their own"


def test_what_is_new_is_not_buried_when_more_is_made_than_may_drain(street: Street) -> None:
    """Even where events alone fill the bucket, old trajectories go on."""
    outage(street, 200)
    for _ in range(60):
        street.now += 1.0
        street.tick()
    assert {b.stream for _, b in street.sent} == set(STREAMS)
