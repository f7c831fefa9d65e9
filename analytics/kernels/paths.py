"""Paths of road users: put on a common clock, found in areas."""

from typing import NamedTuple

import numpy as np

from analytics.kernels.arrays import Bools, Floats, Indices, Times


class Samples(NamedTuple):
    """Paths at whole steps of a common clock: N samples, sorted by (track, step)."""

    track: Indices  # (N,)
    step: Indices  # (N,) moment / period
    values: Floats  # (N, K)


def resample(
    track: Indices, time: Times, values: Floats, *, period: int, longest_gap: int
) -> Samples:
    """Interpolate paths at the multiples of a period, so that all are known at the same moments.

    The clock is absolute: whoever cuts the same path elsewhere gets the same samples.

    Parameters
    ----------
    track : (N,) int
        Sorted by (track, time).
    time : (N,) int
        Moment of each point. [us]
    values : (N, K) float
        What is interpolated linearly.
    period : int
        Step of the clock. [us]
    longest_gap : int
        Between points further apart nothing is interpolated. [us]
    """
    new = np.ones(len(track), np.bool_)
    new[1:] = (track[1:] != track[:-1]) | (time[1:] != time[:-1])
    track, time, values = track[new], time[new], values[new]
    if len(track) == 0:
        return Samples(track, time, values)
    # Steps of the piece from point k to point k + 1 lie in [time_k, time_k+1); the last point
    # of a stretch closes it.
    joined = np.zeros(len(track), np.bool_)
    joined[:-1] = (track[1:] == track[:-1]) & (np.diff(time) <= longest_gap)
    following = np.where(joined, np.arange(len(track)) + 1, np.arange(len(track)))
    first = -(-time // period)
    last = np.where(joined, -(-time[following] // period), time // period + 1)
    number = np.maximum(last - first, 0)
    piece = np.repeat(np.arange(len(track)), number)
    offset = np.arange(len(piece)) - np.repeat(np.cumsum(number) - number, number)
    step = first[piece] + offset
    span = np.maximum(time[following] - time, 1)
    share = ((step * period - time[piece]) / span[piece])[:, None]
    moved = values[piece] + share * (values[following[piece]] - values[piece])
    return Samples(track[piece], step, moved)


def inside(xy: Floats, polygon: Floats) -> Bools:
    """Which points lie in a simple polygon (crossing number; its lower and left edges belong).

    Parameters
    ----------
    xy : (N, 2) float
        Points. [m]
    polygon : (M, 2) float
        Corners in order. [m]
    """
    x, y = xy[:, :1], xy[:, 1:]
    x0, y0 = polygon.T
    x1, y1 = np.roll(polygon, -1, axis=0).T
    spans = (y0 <= y) != (y1 <= y)
    with np.errstate(invalid="ignore", divide="ignore"):  # level edges span nothing
        cut = x0 + (y - y0) / (y1 - y0) * (x1 - x0)
    odd: Bools = np.count_nonzero(spans & (x < cut), axis=1) % 2 == 1
    return odd
