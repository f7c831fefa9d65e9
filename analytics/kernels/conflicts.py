"""Pairs of road users: who comes near whom, how near in time, and how hard it would have been."""

from enum import IntEnum
from typing import Final, NamedTuple

import numpy as np
from scipy.spatial import cKDTree

from analytics.kernels.arrays import Floats, Indices, Times, counts

REAR_END: Final = np.radians(30)
CROSSING: Final = np.radians(80)
"""Headings that differ less, or more, make these conflicts (SSAM). [rad]"""

TREE_POINTS: Final = 50_000
"""Samples searched at once. Where each has 20 neighbours their pairs take 16 MB."""


class Pairs(NamedTuple):
    """P pairs of samples, each once, by row; sorted."""

    i: Indices  # (P,) i < j
    j: Indices  # (P,)


def near_pairs(step: Indices, xy: Floats, distance: float) -> Pairs:
    """Pairs of samples of the same step whose centres are at most a distance apart.

    Steps are laid out along a third axis, too far apart to meet, and one k-d tree finds the pairs
    of them all: n log n as long as crowds have a limit.

    Parameters
    ----------
    step : (N,) int
        Moment of each sample.
    xy : (N, 2) float
        Its centre. [m]
    distance : float
        [m]
    """
    order = np.argsort(step, kind="stable")
    sorted_step = step[order]
    found = [np.empty((0, 2), np.int64)]
    start = 0
    while start < len(order):
        # A block ends where a step ends; a step larger than a block is a block.
        end = start + TREE_POINTS
        if end < len(order):
            whole = np.searchsorted(sorted_step, sorted_step[end])
            end = (
                whole if whole > start else np.searchsorted(sorted_step, sorted_step[end], "right")
            )
        rows = order[start:end]
        _, layer = np.unique(step[rows], return_inverse=True)
        points = np.column_stack((xy[rows] - xy[rows].mean(axis=0), layer * (4 * distance)))
        pairs = cKDTree(points).query_pairs(distance, output_type="ndarray")
        found.append(np.sort(rows[pairs], axis=1))
        start = int(end)
    pairs = np.concatenate(found)
    pairs = pairs[np.lexsort(pairs.T[::-1])]
    return Pairs(pairs[:, 0], pairs[:, 1])


class Episodes(NamedTuple):
    """E stretches of time during which something held for a pair, sorted by (pair, begin)."""

    pair: Indices  # (E,)
    begin: Times  # (E,) first moment
    row: Indices  # (E,) row at which the value was smallest, of those within the span
    number: Indices  # (E,) moments within the span


def episodes(pair: Indices, time: Times, value: Floats, *, gap: int, span: int) -> Episodes:
    """Join the moments of each pair into episodes.

    An episode begins when nothing was there for longer than `gap`. Its smallest value is sought
    within `span` of its begin only: so a piece of the record that holds the begin, `gap` before it
    and `span` after it, tells all, wherever else the record was cut.

    Parameters
    ----------
    pair : (N,) int
        Pair of each moment at which the thing held.
    time : (N,) int
        [us]
    value : (N,) float
        How bad it was; smaller is worse.
    gap, span : int
        [us]
    """
    order = np.lexsort((time, pair))
    pair_, time_ = pair[order], time[order]
    new = np.ones(len(order), np.bool_)
    new[1:] = (pair_[1:] != pair_[:-1]) | (np.diff(time_) > gap)
    first = np.flatnonzero(new)
    episode = np.cumsum(new) - 1
    begin = time_[first]
    early = np.flatnonzero(time_ - begin[episode] <= span)
    worst = early[np.lexsort((time_[early], value[order[early]], episode[early]))]
    leading = np.searchsorted(episode[worst], np.arange(len(first)))
    number = counts(episode[early], len(first))
    return Episodes(pair_[first], begin, order[worst[leading]], number)


class Kind(IntEnum):
    """Type of a conflict by the angle between the headings."""

    REAR_END = 0
    LANE_CHANGE = 1
    CROSSING = 2


def heading_difference(a: Floats, b: Floats) -> Floats:
    """Angle [rad] between two headings, in [0, pi]."""
    return np.abs((a - b + np.pi) % (2 * np.pi) - np.pi)


def conflict_kind(a: Floats, b: Floats) -> Indices:
    """Type of each conflict (`Kind`) by the headings of the two.

    Parameters
    ----------
    a, b : (N,) float
        Headings. [rad]
    """
    angle = heading_difference(a, b)
    kind = np.where(angle > CROSSING, Kind.CROSSING, Kind.LANE_CHANGE)
    return np.where(angle < REAR_END, Kind.REAR_END, kind).astype(np.int64)


def delta_v(relative_speed: Floats, mass: Floats, other_mass: Floats) -> Floats:
    """Change of velocity [m/s] that a perfectly inelastic collision gives the first of a pair.

    Parameters
    ----------
    relative_speed : (N,) float
        Speed of one as seen from the other. [m/s]
    mass, other_mass : (N,) float
        [kg]
    """
    return other_mass / (mass + other_mass) * relative_speed


class Severity(IntEnum):
    """How near it was."""

    NONE = 0
    SLIGHT = 1
    SEVERE = 2


def severity(value: Floats, *, severe: float, slight: float) -> Indices:
    """`Severity` of each TTC or PET; nan and inf are none.

    Parameters
    ----------
    value : (N,) float
        [s]
    severe, slight : float
        Below these. [s]
    """
    graded = np.where(value < severe, Severity.SEVERE, Severity.SLIGHT)
    return np.where(value < slight, graded, Severity.NONE).astype(np.int64)
