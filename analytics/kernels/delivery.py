"""Delivery of batches: how late, how reliably, how many never."""

from typing import NamedTuple

import numpy as np

from analytics.kernels.arrays import Floats, Indices, counts, peaks, sums


class DeliveryParts(NamedTuple):
    """Delivery of G devices in parts that add up."""

    n: Indices  # (G,) batches committed
    in_time: Indices  # (G,) of these, within the deadline
    total: Floats  # (G,) sum of latencies [s]
    squares: Floats  # (G,) sum of squares [s2]
    peak: Floats  # (G,) largest [s], nan where n is 0
    histogram: Indices  # (G, B) batches by latency


def delivery_parts(
    group: Indices, latency: Floats, groups: int, *, deadline: float, edges: Floats
) -> DeliveryParts:
    """Sum latencies by device.

    Parameters
    ----------
    group : (N,) int
        Device of each committed batch, in ``[0, groups)``.
    latency : (N,) float
        From capture of the last sample to the commit; below 0, by a clock's error, counts as 0.
        [s]
    groups : int
        Number of devices, G.
    deadline : float
        A batch is in time when its latency is at most this. [s]
    edges : (B + 1,) float
        Edges of the histogram, from 0 upwards; the last bin is open. [s]
    """
    late = np.maximum(latency, 0.0)
    bins = len(edges) - 1
    place = np.clip(np.searchsorted(edges, late, side="right") - 1, 0, bins - 1)
    return DeliveryParts(
        n=counts(group, groups),
        in_time=counts(group[late <= deadline], groups),
        total=sums(group, late, groups),
        squares=sums(group, late**2, groups),
        peak=peaks(group, late, groups),
        histogram=counts(group * bins + place, groups * bins).reshape(groups, bins),
    )


def geometric_edges(first: float, last: float, per_decade: int) -> Floats:
    """Edges 0, first, ..., last with equal ratios; a quantile is then equally exact at any size.

    >>> geometric_edges(0.01, 1.0, 1)
    array([0.  , 0.01, 0.1 , 1.  ])
    """
    decades = np.log10(last / first)
    steps = np.arange(round(decades * per_decade) + 1)
    return np.concatenate(([0.0], first * 10.0 ** (steps / per_decade)))


def reliability(in_time: Indices, committed: Indices, lost: Indices) -> Floats:
    """Share of batches committed within their deadline, of all that were made.

    What was lost was not in time; nan where no batch was made.
    """
    made = committed + lost
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(made > 0, in_time / made, np.nan)
