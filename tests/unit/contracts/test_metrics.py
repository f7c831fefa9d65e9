import math
import re

import pytest

from contracts import metrics
from contracts.metrics import METRICS, Quality


def test_every_metric_has_a_name_a_unit_two_titles_and_a_range() -> None:
    for name, metric in METRICS.items():
        assert name == metric.name
        assert re.fullmatch(r"[a-z0-9_.]{1,63}", name)
        assert metric.unit
        assert metric.cs
        assert metric.en
        assert metric.low < metric.high


def test_every_metric_with_a_constant_is_explained() -> None:
    constants = [v for k, v in vars(metrics).items() if k.isupper() and isinstance(v, str)]
    assert constants
    assert set(constants) <= METRICS.keys()


@pytest.mark.parametrize(
    ("value", "quality"),
    [
        (-156.0, Quality.GOOD),
        (-31.0, Quality.GOOD),
        (-156.1, Quality.OUT_OF_RANGE),
        (0.0, Quality.OUT_OF_RANGE),
        (math.nan, Quality.OUT_OF_RANGE),
        (math.inf, Quality.OUT_OF_RANGE),
    ],
)
def test_a_value_is_judged_by_the_range_of_its_metric(value: float, quality: Quality) -> None:
    assert METRICS["modem.rsrp"].quality(value) == quality
