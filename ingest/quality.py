"""Values outside the plausible range of their metric: kept, and flagged."""

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from contracts.metrics import Quality

Array = NDArray[Any]


class Ranges(NamedTuple):
    """Plausible ranges by the metric's number; the last place is that of all who have none."""

    low: NDArray[np.float64]
    high: NDArray[np.float64]


def ranges(known: Iterable[tuple[int, float | None, float | None]]) -> Ranges:
    """Ranges from (metric, low, high); None is no bound."""
    bounds = list(known)
    size = 2 + max((metric for metric, _, _ in bounds), default=-1)
    found = Ranges(np.full(size, -np.inf), np.full(size, np.inf))
    for metric, low, high in bounds:
        found.low[metric] = -np.inf if low is None else low
        found.high[metric] = np.inf if high is None else high
    return found


NO_RANGES: Final = ranges(())


def flagged(quality: Array, metric: Array, value: Array, known: Ranges) -> Array:
    """Quality of N values, with the bit set where a value is outside its metric's range.

    Parameters
    ----------
    quality, metric, value : (N,)
        The quality as it was sent; the metric is its number, negative for none.
    """
    if len(known.low) == 1 or not len(metric):
        return quality
    # A negative number is a large one without its sign.
    place = np.minimum(metric.astype(np.uint16), len(known.low) - 1).astype(np.intp)
    outside = (value < known.low[place]) | (value > known.high[place])
    if not outside.any():
        return quality
    bits = np.where(outside, Quality.IMPLAUSIBLE, Quality.GOOD)
    return (quality | bits).astype(quality.dtype)
