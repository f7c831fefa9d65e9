from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.clock import MICROSECONDS, MINUTE
from edge.batches import Scalar
from edge.observed import FROZEN, GAP, Observed

START = 1_777_878_000_000_000  # a full minute


def run(moments: list[int], *, same: bool = False) -> list[Scalar]:
    observed = Observed()
    scalars = [s for t in moments for s in observed.add(t, 0.01, 0, same=same)]
    return scalars + observed.finish()


def total(scalars: list[Scalar], metric: str) -> float:
    return sum(s.value for s in scalars if s.metric == metric)


def test_a_minute_that_was_seen_whole_sums_to_sixty() -> None:
    moments = [START - 70_000 + 40_000 * n for n in range(1600)]
    minutes: dict[int, float] = defaultdict(float)
    for scalar in run(moments):
        if scalar.metric == "camera.observed":
            minutes[scalar.t // MINUTE] += scalar.value
    assert minutes[START // MINUTE] == pytest.approx(60, abs=1e-9)


def test_each_second_is_dated_by_its_last_microsecond() -> None:
    scalars = run([START, START + 1_000_000, START + 2_000_000])
    seconds = [(s.t - START, s.value) for s in scalars if s.metric == "camera.observed"]
    assert seconds == [(999_999, 1.0), (1_999_999, 1.0), (2_000_000, 0.0)]


def test_nothing_was_observed_in_a_gap() -> None:
    scalars = run([START, START + 100_000, START + 100_000 + GAP + 1, START + 300_000 + GAP + 1])
    assert total(scalars, "camera.observed") == pytest.approx(0.3)
    assert total(scalars, "camera.frames") == 4


def test_a_frozen_picture_observes_nothing() -> None:
    observed = Observed()
    scalars = []
    for n in range(60 * 10):
        scalars += observed.add(START + n * 100_000, 0.01, 0, same=n > 0)
    assert total(scalars, "camera.observed") == pytest.approx(FROZEN / MICROSECONDS, abs=0.11)
    assert observed.frozen() == pytest.approx(59.9)
    observed.add(START + 60_000_000, 0.01, 0, same=False)
    assert observed.frozen() is None


def test_dropped_frames_are_counted_once() -> None:
    observed = Observed()
    scalars = []
    for n, dropped in enumerate([0, 2, 2, 5]):
        scalars += observed.add(START + n * 400_000, 0.01, dropped)
    assert total(scalars + observed.finish(), "camera.dropped") == 5


def test_processing_is_the_mean_of_a_frame() -> None:
    observed = Observed()
    scalars = observed.add(START, 0.01, 0) + observed.add(START + 1, 0.03, 0) + observed.finish()
    assert total(scalars, "camera.processing_ms") == pytest.approx(20)


def test_no_frame_no_metric() -> None:
    assert Observed().finish() == []


@given(st.lists(st.integers(1, 3_000_000), min_size=1, max_size=200))
def test_observed_is_the_sum_of_the_short_gaps(gaps: list[int]) -> None:
    moments = [START]
    for gap in gaps:
        moments.append(moments[-1] + gap)
    expected = sum(gap for gap in gaps if gap <= GAP) / MICROSECONDS
    scalars = run(moments)
    assert total(scalars, "camera.observed") == pytest.approx(expected)
    assert all(s.value <= 1 for s in scalars if s.metric == "camera.observed")
    assert total(scalars, "camera.frames") == len(moments)
    assert [s.t for s in scalars] == sorted(s.t for s in scalars)
