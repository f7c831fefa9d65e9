"""The newest sample of each series of a group: what may become the latest value."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from storage.latest import Latest

Array = NDArray[Any]


def newest(
    columns: Mapping[str, Array], order: Array, rows: Sequence[int], received: Sequence[int]
) -> Latest:
    """Find the newest row of each (device, metric, simulated); of two as new, what came later.

    Parameters
    ----------
    columns
        Of observations, batch after batch as they came.
    order
        Sorts them by device, metric and capture, those that are alike as they came.
    rows, received
        Of each batch: how many rows it has, and when it came. [us]
    """
    simulated = columns["simulated"]
    if simulated.any() and not simulated.all():  # hardly ever: the two never mix
        sorted_flags = simulated[order]
        last = np.concatenate(
            [_last(columns, order[~sorted_flags]), _last(columns, order[sorted_flags])]
        )
    else:
        last = _last(columns, order)
    batch = np.searchsorted(np.cumsum(rows), last, "right")
    return Latest(
        device=columns["device"][last],
        metric=columns["metric"][last],
        simulated=simulated[last],
        captured=columns["captured"][last],
        received=np.asarray(received)[batch],
        value=columns["value"][last],
        quality=columns["quality"][last],
    )


def _last(columns: Mapping[str, Array], order: Array) -> Array:
    """Rows at the end of each run of one series."""
    device, metric = columns["device"][order], columns["metric"][order]
    ends = (device[1:] != device[:-1]) | (metric[1:] != metric[:-1])
    found: Array = order[np.append(np.flatnonzero(ends), len(order) - 1)]
    return found
