"""The offset of a device's clock: right within its stated error, whatever the order of arrival."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from contracts.clock import MICROSECONDS, from_micros
from storage.clocks import (
    DRIFT,
    LEAST_DELAY,
    WINDOW,
    ClockEstimate,
    Sending,
    Spans,
    estimate,
    spans,
)

START = 1_800_000_000_000_000 // WINDOW * WINDOW
ROUNDING = 2e-6  # [s] of times in whole microseconds

delays = st.lists(
    st.tuples(st.integers(0, 3 * WINDOW), st.floats(0, 3600)), min_size=1, max_size=30
)


def of(found: Spans) -> dict[object, int]:
    return {from_micros(since): least for (_, _, since), least in found.items()}


@given(
    messages=delays,
    fastest=st.floats(0, LEAST_DELAY),
    offset=st.floats(-2e9, 2e9),
    drift=st.floats(-DRIFT, DRIFT),
)
def test_truth_is_within_the_error(
    messages: list[tuple[int, float]], fastest: float, offset: float, drift: float
) -> None:
    """However long the others take, one fast message in the newest span is enough."""
    last = max(after for after, _ in messages)
    sendings = []
    for after, delay in [*messages, (last, fastest)]:
        ahead = offset + drift * after / MICROSECONDS
        sent = START + after - round((delay - ahead) * MICROSECONDS)
        sendings.append(Sending(1, False, sent, START + after))
    found = estimate(of(spans(sendings)), from_micros(START + last))
    if found is None:
        assert all(each.sent == each.received for each in sendings)
        return
    if all(each.sent == each.received for each in sendings[-1:]):
        return  # the one fast message looks as if it was stamped here
    truth = offset + drift * last / MICROSECONDS
    assert abs(found.offset - truth) <= found.error + ROUNDING


@given(st.permutations(range(12)), st.lists(st.integers(0, 4 * WINDOW), min_size=12, max_size=12))
def test_order_of_arrival_does_not_matter(order: list[int], received: list[int]) -> None:
    sendings = [
        Sending(i % 2, i % 3 == 0, START + after - (i + 1) * 1000, START + after)
        for i, after in enumerate(received)
    ]
    assert spans([sendings[i] for i in order]) == spans(sendings)


@given(delays, st.integers(0, 30))
def test_groups_add_up(messages: list[tuple[int, float]], cut: int) -> None:
    """What is known and what is new give what all of it gives at once."""
    sendings = [Sending(1, False, START - int(d * 1e6) - 1, START + t) for t, d in messages]
    parts = [spans(sendings[:cut]), spans(sendings[cut:])]
    merged: Spans = {}
    for part in parts:
        for key, least in part.items():
            merged[key] = min(merged.get(key, least), least)
    assert merged == spans(sendings)


def test_a_message_that_came_before_it_was_sent_proves_a_fast_clock() -> None:
    found = estimate({from_micros(START): -2 * MICROSECONDS}, from_micros(START))
    assert found == ClockEstimate(2 + LEAST_DELAY / 2, LEAST_DELAY / 2)
    assert found.is_off


def test_a_good_clock_is_not_off() -> None:
    found = estimate({from_micros(START): 20_000}, from_micros(START + WINDOW))
    assert found is not None
    assert not found.is_off


def test_a_backlog_right_after_silence_does_not_move_the_clock() -> None:
    """Its messages waited for an hour at the broker: the span before them still tells."""
    known = {from_micros(START): 15_000, from_micros(START + 9 * WINDOW): 3600 * MICROSECONDS}
    found = estimate(known, from_micros(START + 9 * WINDOW))
    assert found is not None
    assert abs(found.offset) < found.error


def test_what_nobody_has_stamped_tells_nothing() -> None:
    assert spans([Sending(1, False, START, START)]) == {}
    assert estimate({}, from_micros(START)) is None


def test_spans_from_the_future_are_our_own_clocks_fault() -> None:
    known = {from_micros(START): 5000, from_micros(START) + timedelta(days=9000): -7}
    assert estimate(known, from_micros(START)) == estimate(
        {from_micros(START): 5000}, from_micros(START)
    )
