"""Paths on a common clock."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.kernels.paths import Samples, inside, resample, smooth

PERIOD = 100


def run(track: list[int], time: list[int], value: list[float]) -> Samples:
    return resample(
        np.array(track, np.int64), np.array(time, np.int64), np.array(value, float).reshape(-1, 1),
        period=PERIOD, longest_gap=500,
    )  # fmt: skip


def test_whole_steps_between_points_and_none_beyond() -> None:
    found = run([1, 1, 1, 2], [50, 250, 300, 100], [5.0, 25.0, 30.0, 7.0])
    assert found.track.tolist() == [1, 1, 1, 2]
    assert found.step.tolist() == [1, 2, 3, 1]
    assert found.values[:, 0].tolist() == pytest.approx([10.0, 20.0, 30.0, 7.0])


def test_gaps_stay_gaps() -> None:
    found = run([1, 1, 1], [0, 1000, 1100], [0.0, 10.0, 11.0])
    assert found.step.tolist() == [0, 10, 11]


def test_nobody() -> None:
    assert run([], [], []).values.shape == (0, 1)


@given(
    st.lists(st.integers(0, 3000), min_size=2, max_size=30, unique=True).map(sorted),
    st.integers(-(10**6), 10**6),
)
def test_a_line_stays_a_line_wherever_the_clock_begins(times: list[int], shift: int) -> None:
    plain = run([1] * len(times), times, [2.0 * t for t in times])
    assert plain.values[:, 0] == pytest.approx(2.0 * plain.step * PERIOD)
    later = run([1] * len(times), [t + shift * PERIOD for t in times], [2.0 * t for t in times])
    assert np.array_equal(later.step, plain.step + shift)


@given(st.lists(st.integers(0, 3000), min_size=3, max_size=30, unique=True).map(sorted), st.data())
def test_a_path_in_pieces_is_the_same_path(times: list[int], data: st.DataObject) -> None:
    cut = data.draw(st.integers(1, len(times) - 1))
    whole = run([1] * len(times), times, [float(t % 7) for t in times])
    again = times[:cut] + times[cut - 1 :]  # the pieces share a point
    pieces = run([1] * len(again), again, [float(t % 7) for t in again])
    assert np.array_equal(whole.step, pieces.step)
    assert whole.values.tobytes() == pieces.values.tobytes()


def test_inside_an_l_shape() -> None:
    polygon = np.array([(0, 0), (4, 0), (4, 1), (1, 1), (1, 4), (0, 4.0)])
    points = np.array([(0.5, 0.5), (3, 0.5), (0.5, 3), (3, 3), (-1, 0.5), (5, 0.5), (0, 0)])
    assert inside(points, polygon).tolist() == [True, True, True, False, False, False, True]


@given(st.floats(-20, 20), st.floats(-20, 20), st.integers(1, 8))
def test_smoothing_keeps_a_straight_uniform_path(vx: float, vy: float, half: int) -> None:
    step = np.concatenate((np.arange(100, 130), np.arange(140, 145), np.arange(0, 20)))
    track = np.repeat([1, 1, 2], [30, 5, 20])
    xy = np.column_stack((vx * step * 0.1, vy * step * 0.1 + 3))
    found = smooth(Samples(track, step, xy), xy, half=half, period=0.1)
    stretches = (range(30), range(30, 35), range(35, 55))
    inner = [k for s in stretches for k in s if s[0] + half <= k <= s[-1] - half]
    assert np.flatnonzero(found.whole).tolist() == inner
    assert found.xy[inner] == pytest.approx(xy[inner])
    assert found.velocity[inner] == pytest.approx(np.tile((vx, vy), (len(inner), 1)), abs=1e-6)
    assert np.isnan(np.delete(found.xy, inner, axis=0)).all()


def test_smoothing_takes_the_trembling_out() -> None:
    random = np.random.default_rng(2)
    step = np.arange(2000)
    xy = np.column_stack((step * 0.8, np.zeros(2000))) + random.normal(0, 0.3, (2000, 2))
    found = smooth(Samples(np.zeros(2000, np.int64), step, xy), xy, half=5, period=0.1)
    inner = found.whole
    assert found.velocity[inner].mean(axis=0) == pytest.approx((8, 0), abs=0.02)
    # Standard error of the slope of 11 points 0.1 s apart: sd / (0.1 sqrt(110)).
    assert found.velocity[inner, 1].std() == pytest.approx(0.3 / (0.1 * 110**0.5), rel=0.1)
