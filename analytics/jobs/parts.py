"""Rows of metric_minute, made of what kernels give."""

import math
from typing import Any

from storage.windows import Part

ALL = -1
"""Road user of a row that counts every class."""


def part(
    metric: str,
    of: str,
    n: int,
    *,
    coverage: tuple[float, float],
    direction: int = 0,
    road_user: int = ALL,
    total: float = 0.0,
    squares: float = 0.0,
    inverse: float = 0.0,
    peak: float = math.nan,
    histogram: Any = None,
) -> Part:
    """One row; `coverage` is the time observed and the time wanted [s].

    A histogram is stored without the empty bins at its end.
    """
    bins = None
    if histogram is not None:
        filled = histogram.nonzero()[0]
        bins = histogram[: filled[-1] + 1 if len(filled) else 0].tolist()
    return Part(
        metric=metric,
        part=of,
        direction=direction,
        road_user=int(road_user),
        n=int(n),
        total=float(total),
        squares=float(squares),
        inverse=float(inverse),
        peak=None if math.isnan(peak) else float(peak),
        histogram=bins,
        observed=float(coverage[0]),
        wanted=float(coverage[1]),
    )
