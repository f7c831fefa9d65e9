from random import Random
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from edge.outbox import Waiting
from edge.window import FEWEST, FIRST, PATIENCE_MOST, UNACKNOWLEDGED, Window

BOOT, OTHER = UUID(int=1), UUID(int=2)


def waiting(*seqs: int, boot: UUID = BOOT) -> list[Waiting]:
    return [Waiting(seq + 1000 * boot.int, boot, seq, "obs") for seq in seqs]


def send(window: Window, batches: list[Waiting], now: float) -> list[int]:
    """Send and let the broker acknowledge; the order of the numbers."""
    chosen = window.choose(batches[::-1], batches, now)
    for batch in chosen:
        window.sent(batch, batch.id, now)
        window.acknowledged(batch.id, now)
    return [batch.seq for batch in chosen]


def test_the_newest_and_the_oldest_take_turns() -> None:
    window = Window(6, 10.0)
    assert send(window, waiting(*range(100)), 0.0) == [99, 0, 98, 1, 97, 2]


def test_each_once_where_both_ends_meet() -> None:
    window = Window(64, 10.0)
    assert sorted(send(window, waiting(1, 2, 3), 0.0)) == [1, 2, 3]
    assert send(window, waiting(1, 2, 3), 1.0) == []


def test_durable_makes_room() -> None:
    window = Window(2, 10.0)
    assert send(window, waiting(0, 1, 2, 3), 0.0) == [3, 0]
    window.durable(OTHER, [(0, 10)], 1.0)
    assert send(window, waiting(0, 1, 2, 3), 0.0) == []
    window.durable(BOOT, [(3, 4)], 1.0)
    assert send(window, waiting(0, 1, 2), 0.0) == [2]


def test_what_is_not_durable_in_time_is_sent_again_ever_more_patiently() -> None:
    window = Window(4, 10.0)
    send(window, waiting(0), 0.0)
    moments = [now for now in range(1, 2000) if send(window, waiting(0), float(now))]
    gaps = [b - a for a, b in zip([0, *moments], moments, strict=False)]
    assert gaps[:5] == [10, 20, 40, 80, 160]
    assert set(gaps[5:]) == {PATIENCE_MOST}


def test_patience_is_short_again_when_something_gets_durable() -> None:
    window = Window(4, 10.0)
    send(window, waiting(0, 1), 0.0)
    assert send(window, waiting(0, 1), 10.0) == [1, 0]
    window.durable(BOOT, [(0, 1)], 1.0)
    assert send(window, waiting(1), 19.0) == []
    assert send(window, waiting(1), 20.0) == [1]


def test_what_the_broker_did_not_acknowledge_is_left_to_the_connection() -> None:
    window = Window(4, 10.0)
    (batch,) = window.choose(waiting(0), waiting(0), 0.0)
    window.sent(batch, 7, 0.0)
    assert window.choose(waiting(0), waiting(0), 1000.0) == []
    window.disconnected()
    assert window.choose(waiting(0), waiting(0), 1000.0) == [batch]


def test_round_trip_is_that_of_its_own_packet() -> None:
    window = Window(4, 10.0)
    (batch,) = window.choose(waiting(0), waiting(0), 0.0)
    window.sent(batch, 7, 5.0)
    assert window.acknowledged(8, 6.0) is None, "the birth certificate's, for instance"
    assert window.acknowledged(7, 6.5) == 1.5
    assert window.acknowledged(7, 9.0) is None


def test_the_broker_sets_how_many_may_be_unacknowledged() -> None:
    window = Window(64, 10.0)
    window._places = 64  # it has proved that the platform keeps up
    batches = waiting(*range(100))
    assert len(window.choose(batches[::-1], batches, 0.0)) == UNACKNOWLEDGED
    window.receive_maximum = 5
    chosen = window.choose(batches[::-1], batches, 0.0)
    assert len(chosen) == 5
    for batch in chosen:
        window.sent(batch, batch.id, 0.0)
    assert window.choose(batches[::-1], batches, 0.0) == []
    window.acknowledged(chosen[0].id, 1.0)
    assert len(window.choose(batches[::-1], batches, 1.0)) == 1


@given(st.integers(2, 20), st.integers(0, 1 << 32))
def test_everything_gets_durable_whatever_is_lost_on_the_way(size: int, seed: int) -> None:
    luck = Random(seed)  # noqa: S311  # no secret
    window = Window(size, 10.0)
    left = {batch.seq: batch for batch in waiting(*range(50))}
    now = 0.0
    for _ in range(1000):
        batches = list(left.values())
        now += PATIENCE_MOST
        for batch in window.choose(batches[::-1], batches, now):
            window.sent(batch, batch.id, now)
            if luck.random() < 0.3:
                window.disconnected()
                break
            window.acknowledged(batch.id, now)
            if luck.random() < 0.5:
                window.durable(BOOT, [(batch.seq, batch.seq + 1)], 1.0)
                left.pop(batch.seq, None)
        if not left:
            break
    assert not left


def places(window: Window, now: float) -> int:
    """So many batches may await `durable`; all that do are forgotten."""
    batches = waiting(*range(1000))
    total = 0
    while sent := send(window, batches[total:], now):
        total += len(sent)
    window.forget(batches)
    return total


def test_a_flooded_platform_gets_fewer_at_once_and_more_when_it_keeps_up() -> None:
    window = Window(64, 1000.0)
    assert places(window, 0.0) == FIRST
    for now, expected in [(2.0, 8), (4.0, FEWEST), (6.0, FEWEST)]:
        send(window, waiting(0), now - 1.5)
        window.durable(BOOT, [(0, 1)], now)  # a second and a half after the broker had it
        assert places(window, now) == expected
    for _ in range(200):
        send(window, waiting(0), 10.0)
        window.durable(BOOT, [(0, 1)], 10.2)
    assert places(window, 11.0) == 64


def test_a_slow_link_is_no_flooded_platform() -> None:
    """Only the time after the broker's acknowledgement tells of the platform."""
    window = Window(64, 1000.0)
    (batch,) = window.choose(waiting(0), waiting(0), 0.0)
    window.sent(batch, batch.id, 0.0)
    window.acknowledged(batch.id, 30.0)
    window.durable(BOOT, [(0, 1)], 30.1)
    assert places(window, 31.0) == FIRST + 1
