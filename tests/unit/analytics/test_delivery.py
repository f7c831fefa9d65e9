"""Delivery in parts that add up."""

import numpy as np
import pytest

from analytics.kernels.delivery import delivery_parts, geometric_edges, reliability
from analytics.kernels.traffic import quantile

EDGES = geometric_edges(0.01, 10_000, 20)


def test_deadline_belongs_to_in_time_and_clock_errors_count_as_zero() -> None:
    group = np.array([0, 0, 0, 1])
    latency = np.array([1.0, 1.000001, -0.3, 20_000.0])
    found = delivery_parts(group, latency, 3, deadline=1.0, edges=EDGES)
    assert found.n.tolist() == [3, 1, 0]
    assert found.in_time.tolist() == [2, 0, 0]
    assert found.total[0] == pytest.approx(2.000001)
    assert found.histogram.sum(axis=1).tolist() == [3, 1, 0]
    assert found.histogram[0, 0] == 1
    assert found.histogram[1, -1] == 1  # the last bin is open
    assert np.isnan(found.peak[2])


def test_quantiles_are_as_exact_as_a_bin() -> None:
    latency = np.random.default_rng(5).lognormal(-1, 1, 20_000)
    found = delivery_parts(np.zeros(20_000, np.int64), latency, 1, deadline=1, edges=EDGES)
    for share in (0.5, 0.95, 0.99):
        assert quantile(found.histogram, share, EDGES)[0] == pytest.approx(
            np.quantile(latency, share), rel=0.03
        )


def test_lost_is_not_in_time_and_nothing_made_is_nan() -> None:
    found = reliability(np.array([90, 0, 0]), np.array([95, 0, 0]), np.array([5, 3, 0]))
    assert found == pytest.approx([0.9, 0.0, np.nan], nan_ok=True)
