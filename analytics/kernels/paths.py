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


class Smooth(NamedTuple):
    """Paths without their trembling: N samples."""

    whole: Bools  # (N,) the path is known on both sides; the rest is nan where it is not
    xy: Floats  # (N, 2) [m]
    velocity: Floats  # (N, 2) [m/s]


def smooth(samples: Samples, xy: Floats, *, half: int, period: float) -> Smooth:
    """Fit a straight, uniform piece of path around each sample.

    The past and the future count alike, so nothing lags.

    Parameters
    ----------
    samples : Samples
        As `resample` gives them.
    xy : (N, 2) float
        Their positions. [m]
    half : int
        Samples on either side that the fit takes in.
    period : float
        Time of one step. [s]
    """
    number, width = len(xy), 2 * half
    whole = np.zeros(number, np.bool_)
    position, velocity = np.full((number, 2), np.nan), np.full((number, 2), np.nan)
    if number > width:
        inner = slice(half, number - half)
        whole[inner] = (samples.track[width:] == samples.track[:-width]) & (
            samples.step[width:] - samples.step[:-width] == width
        )
        offsets = range(-half, half + 1)
        parts = [(k, xy[half + k : number - half + k]) for k in offsets]
        position[inner] = sum(part for _, part in parts) / len(parts)
        scale = period * sum(k * k for k in offsets)
        velocity[inner] = sum(k * part for k, part in parts) / scale
        position[~whole] = velocity[~whole] = np.nan
    return Smooth(whole, position, velocity)


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
