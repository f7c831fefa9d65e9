"""Values outside their metric's range are flagged, and nothing else is touched."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hn

from contracts.metrics import METRICS, Quality
from ingest.quality import NO_RANGES, flagged, ranges

RANGES = ranges([(3, 0, 10), (5, None, 1), (7, -1, None)])
FLAG = int(Quality.IMPLAUSIBLE)


@pytest.mark.parametrize(
    ("metric", "value", "bit"),
    [
        (3, 0, 0), (3, 10, 0), (3, -0.1, FLAG), (3, 10.1, FLAG),
        (5, -1e300, 0), (5, 1.5, FLAG),
        (7, 1e300, 0), (7, -2, FLAG),
        (4, 1e300, 0), (8, -1e300, 0), (30_000, 5e9, 0), (-1, 5e9, 0),
    ],
)  # fmt: skip
def test_range_of_each_metric(metric: int, value: float, bit: int) -> None:
    found = flagged(
        np.zeros(1, np.uint8), np.array([metric], np.int16), np.array([value], float), RANGES
    )
    assert found.tolist() == [bit]
    assert found.dtype == np.uint8


samples = st.integers(0, 40).flatmap(
    lambda n: st.tuples(
        hn.arrays("u1", n),
        hn.arrays("i2", n, elements=st.integers(-1, 9)),
        hn.arrays("f8", n, elements=st.floats(-20, 20)),
    )
)


@given(samples)
def test_only_the_one_bit_is_added(sample: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    quality, metric, value = sample
    before = quality.copy()
    found = flagged(quality, metric, value, RANGES)
    assert np.array_equal(quality, before)
    assert np.array_equal(found | FLAG, quality | FLAG)
    assert np.all((found & quality) == quality)
    assert np.array_equal(flagged(found, metric, value, RANGES), found)
    assert np.array_equal(flagged(quality, metric, value, NO_RANGES), quality)


@given(hn.arrays("f8", 10, elements=st.floats(allow_nan=False)))
def test_says_the_same_as_the_metric_itself(value: np.ndarray) -> None:
    metric = METRICS["modem.rsrp"]
    found = flagged(
        np.zeros(10, np.uint8), np.ones(10, np.int16), value, ranges([(1, metric.low, metric.high)])
    )
    assert [bool(bit) for bit in found] == [bool(metric.quality(v)) for v in value]
