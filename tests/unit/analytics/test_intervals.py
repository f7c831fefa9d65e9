"""Intervals against published values and scipy's slower roads."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analytics.kernels.intervals import block_bootstrap, poisson_rate, rate_ratio, wilson


def test_wilson_published() -> None:
    # R. G. Newcombe, Statistics in Medicine 17 (1998), table I, method 3: 81/263, 15/148, 0/20.
    assert wilson(81, 263) == pytest.approx((81 / 263, 0.2553, 0.3662), abs=5e-5)
    assert wilson(15, 148) == pytest.approx((15 / 148, 0.0624, 0.1605), abs=5e-5)
    assert wilson(0, 20) == pytest.approx((0, 0, 0.1611), abs=5e-5)


def test_poisson_published() -> None:
    # Garwood's limits of 0, 1 and 10 events.
    assert poisson_rate(0, 1) == pytest.approx((0, 0, 3.6889), abs=5e-5)
    assert poisson_rate(1, 1) == pytest.approx((1, 0.0253, 5.5716), abs=5e-5)
    assert poisson_rate(10, 2) == pytest.approx((5, 4.7954 / 2, 18.3904 / 2), abs=5e-5)


@given(st.integers(0, 500), st.integers(1, 500))
def test_wilson_is_scipys(successes: int, more: int) -> None:
    trials = successes + more
    theirs = stats.binomtest(successes, trials).proportion_ci(0.95, method="wilson")
    assert wilson(successes, trials)[1:] == pytest.approx((theirs.low, theirs.high), abs=1e-9)


@given(st.integers(1, 200), st.integers(1, 200), st.floats(0.1, 10), st.floats(0.1, 10))
def test_rate_ratio_turned_round_is_its_reciprocal(k0: int, k1: int, e0: float, e1: float) -> None:
    there, back = rate_ratio((k0, k1), (e0, e1)), rate_ratio((k1, k0), (e1, e0))
    assert there.value == pytest.approx(1 / back.value)
    assert there.low == pytest.approx(1 / back.high)
    assert there.low <= there.value <= there.high


def test_rate_ratio_by_the_binomial() -> None:
    share = stats.binomtest(20, 35).proportion_ci(0.95, method="exact")
    found = rate_ratio((15, 20), (1, 1))
    assert found.low == pytest.approx(share.low / (1 - share.low))
    assert found.high == pytest.approx(share.high / (1 - share.high))
    assert rate_ratio((0, 4), (1, 1)).high == np.inf


@pytest.mark.parametrize("found", [wilson(0, 0), poisson_rate(3, 0), rate_ratio((0, 0), (1, 1))])
def test_nothing_observed_is_nan(found: tuple[float, float, float]) -> None:
    assert all(np.isnan(found))


def test_bootstrap_repeats_by_its_seed_and_covers() -> None:
    random = np.random.default_rng(11)
    below = random.poisson(20, 240).astype(float)
    above = random.binomial(below.astype(int), 0.3).astype(float)
    found = block_bootstrap(above, below, block=5, seed=b"s" * 32)
    assert found == block_bootstrap(above, below, block=5, seed=b"s" * 32)
    assert found != block_bootstrap(above, below, block=5, seed=b"t" * 32)
    exact = wilson(above.sum(), below.sum())
    assert (found.low, found.high) == pytest.approx((exact.low, exact.high), abs=0.01)


def test_bootstrap_of_nothing_is_nan() -> None:
    assert np.isnan(block_bootstrap(np.zeros(0), np.zeros(0), block=5, seed=b"s" * 16).value)
    assert np.isnan(block_bootstrap(np.zeros(3), np.zeros(3), block=5, seed=b"s" * 16).value)
