"""Flow and spot speeds of vehicles that pass a line; what is stored can be added up."""

from typing import NamedTuple

import numpy as np

from analytics.kernels.arrays import Floats, Indices, counts, peaks, sums


class SpeedParts(NamedTuple):
    """Speeds of G groups in parts that add up over any period."""

    n: Indices  # (G,) vehicles whose speed is known
    total: Floats  # (G,) sum [m/s]
    squares: Floats  # (G,) sum of squares [m2/s2]
    inverse: Floats  # (G,) sum of reciprocals [s/m]
    peak: Floats  # (G,) largest [m/s], nan where n is 0
    histogram: Indices  # (G, B) vehicles by bin; the last bin is open upwards


def speed_parts(
    group: Indices, speed: Floats, groups: int, *, bin_width: float, bins: int
) -> SpeedParts:
    """Sum spot speeds by group; unknown (nan) and standing (<= 0) speeds are left out.

    Parameters
    ----------
    group : (N,) int
        Group of each passage, in ``[0, groups)``.
    speed : (N,) float
        Spot speed. [m/s]
    groups : int
        Number of groups, G.
    bin_width : float
        Width of a bin of the histogram, which begins at 0. [m/s]
    bins : int
        Number of bins, B.
    """
    known = np.isfinite(speed) & (speed > 0)
    group, speed = group[known], speed[known]
    # Bins are closed below; the quotient is rounded so that 50 km/h is not a hair less than 50.
    place = np.floor(np.round(speed / bin_width, 9)).astype(np.int64)
    cell = group * bins + np.minimum(place, bins - 1)
    return SpeedParts(
        n=counts(group, groups),
        total=sums(group, speed, groups),
        squares=sums(group, speed**2, groups),
        inverse=sums(group, 1 / speed, groups),
        peak=peaks(group, speed, groups),
        histogram=counts(cell, groups * bins).reshape(groups, bins),
    )


def time_mean_speed(n: Indices, total: Floats) -> Floats:
    """Arithmetic mean of spot speeds [m/s], nan where nobody passed."""
    with np.errstate(invalid="ignore"):
        return np.where(n > 0, total / n, np.nan)


def space_mean_speed(n: Indices, inverse: Floats) -> Floats:
    """Harmonic mean of spot speeds [m/s], nan where nobody passed."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(n > 0, n / inverse, np.nan)


def quantile(histogram: Indices, share: float, edges: Floats) -> Floats:
    """Value below which a share of a histogram lies, interpolated within the bin.

    V85 is ``quantile(histogram, 0.85, edges)``.

    Parameters
    ----------
    histogram : (..., B) int
        Counts by bin.
    share : float
        In [0, 1].
    edges : (B + 1,) float
        Edges of the bins, ascending.

    Returns
    -------
    (...) float
        nan where the histogram is empty.
    """
    below = np.cumsum(histogram, axis=-1)
    wanted = share * below[..., -1:]
    place = np.argmax(below >= np.maximum(wanted, np.nextafter(0, 1)), axis=-1)[..., None]
    inside = np.take_along_axis(histogram, place, -1)
    before = np.take_along_axis(below, place, -1) - inside
    with np.errstate(invalid="ignore", divide="ignore"):
        found = edges[place] + (wanted - before) / inside * (edges[place + 1] - edges[place])
    return np.where(below[..., -1] > 0, found[..., 0], np.nan)


def share_below(histogram: Indices, limit: float, edges: Floats) -> Floats:
    """Share of a histogram that lies below a limit, interpolated within the bin.

    Parameters
    ----------
    histogram : (..., B) int
        Counts by bin.
    limit : float
        In the unit of the edges.
    edges : (B + 1,) float
        Edges of the bins, ascending.

    Returns
    -------
    (...) float
        In [0, 1], nan where the histogram is empty.
    """
    covered = np.clip((limit - edges[:-1]) / np.diff(edges), 0, 1)
    total = histogram.sum(axis=-1)
    with np.errstate(invalid="ignore"):
        return np.where(total > 0, histogram @ covered / total, np.nan)
