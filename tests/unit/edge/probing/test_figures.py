from itertools import pairwise
from math import isnan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.probing.figures import SHORTEST, Jitter, quantile, train_rate

trips = st.lists(st.floats(0.001, 10), min_size=2, max_size=50)


@given(trips)
def test_jitter_is_that_of_rfc_3550(transits: list[float]) -> None:
    """J(i) = J(i-1) + (|D(i-1,i)| - J(i-1)) / 16, from 0."""
    jitter, expected = Jitter(), 0.0
    assert isnan(jitter.add(transits[0]))
    for before, after in pairwise(transits):
        expected = expected + (abs(after - before) - expected) / 16
        assert jitter.add(after) == pytest.approx(expected)


@given(st.floats(0.001, 10), st.floats(-0.0005, 0.0005))
def test_a_jitter_that_lasts_is_found(transit: float, swing: float) -> None:
    jitter = Jitter()
    found = [jitter.add(transit + (swing if n % 2 else 0)) for n in range(200)]
    assert found[-1] == pytest.approx(abs(swing), rel=1e-3, abs=1e-9)


@given(st.floats(1e3, 1e5), st.integers(2, 20), st.floats(0, 1e6))
def test_an_even_train_gives_its_rate_without_an_error(
    rate: float, pieces: int, begun: float
) -> None:
    found = train_rate([begun + n * 1278 / rate for n in range(pieces + 1)], 1278)
    assert found.rate == pytest.approx(rate, rel=1e-5)
    assert found.sd == pytest.approx(0, abs=rate * 1e-5)


def test_the_error_is_that_of_the_mean() -> None:
    found = train_rate([0.0, 0.010, 0.030, 0.040, 0.060], 1500)  # 10 and 20 ms
    assert found == pytest.approx((100_000, 100_000 * (0.005 / 0.015) / 2))


def test_a_train_that_is_too_fast_gives_a_lower_bound() -> None:
    rate, sd = train_rate([1.0, 1.0, 1.001], 1000)
    assert rate == 2000 / SHORTEST
    assert isnan(sd)


@given(st.lists(st.floats(0, 1e3), max_size=300), st.sampled_from([0.5, 0.95, 0.99]))
def test_a_quantile_is_one_of_the_values_or_unknown(values: list[float], share: float) -> None:
    found = quantile(values, share)
    if len(values) * (1 - share) < 1 - 1e-9:
        assert isnan(found)
    else:
        assert found in values
        assert sum(v <= found for v in values) >= share * len(values) - 1e-6
        assert sum(v < found for v in values) < share * len(values)


def test_how_many_a_quantile_needs() -> None:
    for share, least in ((0.5, 2), (0.95, 20), (0.99, 100)):
        assert isnan(quantile([1.0] * (least - 1), share))
        assert quantile([1.0] * (least - 1) + [2.0], share) == 1.0
