import re

import pytest

from contracts.metrics import METRICS, Metric, Quality


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_each_metric_is_explained(metric: Metric) -> None:
    assert METRICS[metric.name] is metric
    assert re.fullmatch(r"[a-z]+\.[a-z0-9_]+", metric.name)
    assert metric.unit
    assert metric.cs
    assert metric.en
    assert metric.low < metric.high


def test_the_ends_of_the_range_are_good() -> None:
    metric = Metric("x.y", "1", "x", "x", 0, 10)
    assert all(metric.quality(v) is Quality.GOOD for v in (0, 5, 10))
    assert all(metric.quality(v) is Quality.OUT_OF_RANGE for v in (-0.1, 10.1, float("nan")))
