"""What people read."""

from typing import NamedTuple

import pytest

from analytics.derived import derive
from analytics.metrics import METRICS


class Row(NamedTuple):
    metric: str
    n: int = 0
    total: float = 0.0
    inverse: float = 0.0
    peak: float | None = None
    histogram: list[int] | None = None
    observed: float = 60.0
    wanted: float = 60.0


def test_flow_is_by_the_time_observed() -> None:
    assert derive(Row("flow", n=5, observed=30), speed_limit=14)["flow_veh_h"] == 600
    assert derive(Row("flow", observed=0), speed_limit=14)["flow_veh_h"] is None


def test_speeds() -> None:
    speeds = [10.0, 12.5, 15.0]
    bins = [0] * 55
    for speed in speeds:
        bins[int(speed * 3.6 + 1e-9)] += 1
    row = Row("speed", 3, sum(speeds), sum(1 / s for s in speeds), 15.0, bins)
    found = derive(row, speed_limit=50 / 3.6)
    assert found["speed_mean_km_h"] == pytest.approx(45)
    assert found["speed_space_mean_km_h"] == pytest.approx(3 / sum(1 / s for s in speeds) * 3.6)
    assert found["within_limit"] == pytest.approx(2 / 3)
    assert found["within_limit_plus_20"] == 1.0
    assert 54 <= found["v85_km_h"] <= 55  # type: ignore[operator]


@pytest.mark.parametrize("metric", list(METRICS))
def test_nothing_is_none_and_never_zero(metric: str) -> None:
    found = derive(Row(metric, observed=0), speed_limit=14)
    assert found.pop("coverage") == 0
    assert set(found.values()) <= {None}
    assert derive(Row(metric, wanted=0), speed_limit=14)["coverage"] is None


def test_latency_quantiles() -> None:
    bins = [0] * 40 + [90] + [0] * 20 + [10]
    found = derive(Row("delivery", 100, 40.0, 0.0, 11.0, bins), speed_limit=14)
    assert found["latency_p50_s"] == pytest.approx(0.95, abs=0.06)
    assert found["latency_p99_s"] == pytest.approx(10.6, rel=0.06)
