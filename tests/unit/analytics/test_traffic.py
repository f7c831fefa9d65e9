"""Speeds in parts that add up."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.kernels import traffic

EDGES = np.arange(201) / 3.6
SPEEDS = st.lists(st.floats(0.1, 70), min_size=1, max_size=60)


def parts(speeds: list[float]) -> traffic.SpeedParts:
    values = np.array(speeds)
    return traffic.speed_parts(
        np.zeros(len(values), np.int64), values, 1, bin_width=1 / 3.6, bins=200
    )


def test_a_whole_number_falls_into_its_own_bin() -> None:
    for km_h in range(1, 200):
        assert parts([km_h / 3.6]).histogram[0].argmax() == km_h


def test_unknown_and_standing_are_left_out_and_the_last_bin_is_open() -> None:
    result = parts([np.nan, 0.0, -1.0, 100.0])
    assert result.n.tolist() == [1]
    assert result.histogram[0, 199] == 1
    assert result.peak.tolist() == [100.0]


def test_nobody_is_nan_not_zero() -> None:
    result = parts([])
    assert result.n.tolist() == [0]
    assert np.isnan(result.peak[0])
    assert np.isnan(traffic.time_mean_speed(result.n, result.total)[0])
    assert np.isnan(traffic.space_mean_speed(result.n, result.inverse)[0])
    assert np.isnan(traffic.quantile(result.histogram, 0.85, EDGES)[0])
    assert np.isnan(traffic.share_below(result.histogram, 14, EDGES)[0])


@given(SPEEDS, SPEEDS)
def test_parts_add_up(one: list[float], other: list[float]) -> None:
    whole, a, b = parts(one + other), parts(one), parts(other)
    assert whole.n == a.n + b.n
    assert np.array_equal(whole.histogram, a.histogram + b.histogram)
    assert whole.total == pytest.approx(a.total + b.total)
    assert whole.inverse == pytest.approx(a.inverse + b.inverse)
    assert whole.peak[0] == max(one + other)


@given(SPEEDS)
def test_space_mean_is_never_above_time_mean(speeds: list[float]) -> None:
    result = parts(speeds)
    time_mean = traffic.time_mean_speed(result.n, result.total)[0]
    assert time_mean == pytest.approx(np.mean(speeds))
    assert traffic.space_mean_speed(result.n, result.inverse)[0] <= time_mean * (1 + 1e-9)


@given(SPEEDS)
def test_v85_lies_within_a_bin_of_the_sorted_speeds(speeds: list[float]) -> None:
    found = traffic.quantile(parts(speeds).histogram, 0.85, EDGES)[0]
    exact = np.sort(np.minimum(speeds, EDGES[-1]))[int(np.ceil(0.85 * len(speeds) - 1e-9)) - 1]
    assert abs(found - exact) <= 1 / 3.6 + 1e-6


@given(SPEEDS, st.integers(1, 199))
def test_share_below_a_bin_edge_is_exact(speeds: list[float], km_h: int) -> None:
    bins = np.floor(np.round(np.array(speeds) * 3.6, 9))
    found = traffic.share_below(parts(speeds).histogram, km_h / 3.6, EDGES)[0]
    assert found == pytest.approx(np.mean(bins < km_h), abs=1e-9)


@given(SPEEDS, st.floats(0.05, 0.95))
def test_quantile_is_the_inverse_of_share_below(speeds: list[float], share: float) -> None:
    histogram = parts(speeds).histogram
    value = traffic.quantile(histogram, share, EDGES)[0]
    assert traffic.share_below(histogram, value, EDGES)[0] == pytest.approx(share, abs=1e-9)


def test_groups_are_apart() -> None:
    result = traffic.speed_parts(
        np.array([2, 0, 2]), np.array([10.0, 5.0, 20.0]), 3, bin_width=1 / 3.6, bins=200
    )
    assert result.n.tolist() == [1, 0, 2]
    assert result.total.tolist() == [5.0, 0.0, 30.0]
    assert result.squares.tolist() == [25.0, 0.0, 500.0]
