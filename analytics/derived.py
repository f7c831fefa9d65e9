"""What people read, from what is stored; display units in the names."""

from collections.abc import Callable, Mapping
from typing import Final, Protocol

import numpy as np

from analytics.kernels.arrays import Floats, Indices
from analytics.kernels.traffic import quantile, share_below, space_mean_speed, time_mean_speed
from analytics.metrics import METRICS

KM_H = 3.6
"""per m/s"""


class Parts(Protocol):
    """Merged parts of one metric; `storage.metrics.MetricRow` is one."""

    @property
    def metric(self) -> str: ...  # noqa: D102
    @property
    def n(self) -> int: ...  # noqa: D102
    @property
    def total(self) -> float: ...  # noqa: D102
    @property
    def inverse(self) -> float: ...  # noqa: D102
    @property
    def peak(self) -> float | None: ...  # noqa: D102
    @property
    def histogram(self) -> list[int] | None: ...  # noqa: D102
    @property
    def observed(self) -> float: ...  # noqa: D102
    @property
    def wanted(self) -> float: ...  # noqa: D102


def derive(row: Parts, *, speed_limit: float) -> dict[str, float | None]:
    """Figures of one row; None cannot be measured. `speed_limit` in m/s.

    `coverage` comes with each: the share of the wanted time that was observed.
    """
    figures: dict[str, float | None] = {
        "coverage": row.observed / row.wanted if row.wanted else None
    }
    if row.metric == "speed":
        figures |= _speeds(row, speed_limit)
    elif row.metric in FIGURES:
        figures |= FIGURES[row.metric](row)
    return {k: v if v is not None and np.isfinite(v) else None for k, v in figures.items()}


def _flow(row: Parts) -> dict[str, float | None]:
    return {"flow_veh_h": row.n * 3600 / row.observed if row.observed else None}


def _queue(row: Parts) -> dict[str, float | None]:
    return {"queue_mean_veh": _mean(row), "queue_max_veh": row.peak}


def _queue_length(row: Parts) -> dict[str, float | None]:
    return {"queue_mean_m": _mean(row), "queue_max_m": row.peak}


def _delivery(row: Parts) -> dict[str, float | None]:
    quantiles = {f"latency_p{q}_s": _quantile(row, q / 100) for q in QUANTILES}
    return {"latency_mean_s": _mean(row), **quantiles}


def _round_trip(row: Parts) -> dict[str, float | None]:
    return {f"round_trip_p{q}_ms": _quantile(row, q / 100) * 1000 for q in QUANTILES}


QUANTILES: Final = (50, 95, 99)
FIGURES: Final[Mapping[str, Callable[[Parts], dict[str, float | None]]]] = {
    "flow": _flow,
    "queue": _queue,
    "queue_length": _queue_length,
    "delivery": _delivery,
    "link_rsrp": lambda row: {"rsrp_mean_dbm": _mean(row)},
    "link_sinr": lambda row: {"sinr_mean_db": _mean(row)},
    "link_round_trip": _round_trip,
}


def _speeds(row: Parts, speed_limit: float) -> dict[str, float | None]:
    n, edges = np.array([row.n]), _edges(row)
    found = {
        "speed_mean_km_h": time_mean_speed(n, np.array([row.total]))[0] * KM_H,
        "speed_space_mean_km_h": space_mean_speed(n, np.array([row.inverse]))[0] * KM_H,
        "v15_km_h": quantile(_bins(row), 0.15, edges) * KM_H,
        "v85_km_h": quantile(_bins(row), 0.85, edges) * KM_H,
        "within_limit": share_below(_bins(row), speed_limit, edges),
        "within_limit_plus_20": share_below(_bins(row), speed_limit + 20 / KM_H, edges),
    }
    return {name: float(value) for name, value in found.items()}


def _mean(row: Parts) -> float | None:
    return row.total / row.n if row.n else None


def _quantile(row: Parts, share: float) -> float:
    return float(quantile(_bins(row), share, _edges(row)))


def _edges(row: Parts) -> Floats:
    edges = METRICS[row.metric].edges
    assert edges is not None  # noqa: S101  # only metrics with bins come here
    return edges


def _bins(row: Parts) -> Indices:
    bins = np.zeros(len(_edges(row)) - 1, np.int64)
    stored = row.histogram or []
    bins[: len(stored)] = stored
    return bins
