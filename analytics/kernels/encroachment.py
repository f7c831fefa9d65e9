"""Post-encroachment time: how long after the first had left a place the second came to it.

The conflict area is where the swept footprints of two paths overlap. A footprint lies in the area
exactly while it touches the other's sweep, so the area itself is never built: the first leaves it
when its box last touches any box the second will have, the second enters it when its box first
touches any box that the first had. Between two samples the box moves on uniformly; the moment of
touch is that of `boxes.contact`, not a sample's.
"""

from typing import Final, NamedTuple

import numpy as np
from scipy.spatial import cKDTree

from analytics.kernels.arrays import Floats, Indices, Times
from analytics.kernels.boxes import Boxes, contact
from analytics.kernels.conflicts import REAR_END, heading_difference

CELL: Final = 3.0
"""Side of the cells by which paths that may cross are found. [m]"""


PLACE: Final = 0.1
"""Boxes of a sweep nearer to each other than this are one. [m]"""


class Paths(NamedTuple):
    """Samples of N paths on a common clock, sorted by (track, step)."""

    track: Indices  # (N,)
    step: Indices  # (N,)
    boxes: Boxes  # velocities are those between samples


class Encroachments(NamedTuple):
    """P pairs of tracks whose paths crossed, sorted."""

    first: Indices  # (P,) track that came first
    second: Indices  # (P,)
    time: Times  # (P,) moment at which the second entered the conflict area [us]
    pet: Floats  # (P,) [s]; below 0: it entered before the first had left
    row: Indices  # (P,) sample of the second at or before that moment
    first_row: Indices  # (P,) sample of the first at or before the moment at which it left


def crossing_candidates(paths: Paths, *, horizon: int) -> Indices:
    """Pairs of tracks that were in the same or the next cell, across each other, soon after.

    A path is thinned to the cells it visits, so the search costs n log n of the visits.

    Parameters
    ----------
    paths : Paths
        All paths.
    horizon : int
        Steps within which the visits must lie.

    Returns
    -------
    (C, 2) int
        Tracks, the smaller first, sorted, each pair once.
    """
    if len(paths.track) == 0:
        return np.empty((0, 2), np.int64)
    xy = np.column_stack((paths.boxes.x, paths.boxes.y))
    cell = np.floor((xy - xy.min(axis=0)) / CELL).astype(np.int64)
    visit = np.column_stack((paths.track, cell))
    order = np.lexsort((paths.step, *visit.T))
    new = np.ones(len(order), np.bool_)
    new[1:] = (visit[order[1:]] != visit[order[:-1]]).any(axis=1)
    first = order[new]
    last = order[np.append(np.flatnonzero(new)[1:], len(order)) - 1]
    pairs = cKDTree(cell[first]).query_pairs(1.5, output_type="ndarray")
    a, b = pairs.T
    angle = heading_difference(paths.boxes.heading[first[a]], paths.boxes.heading[first[b]])
    across = (angle >= REAR_END) & (angle <= np.pi - REAR_END)
    apart = np.maximum(
        paths.step[first[a]] - paths.step[last[b]], paths.step[first[b]] - paths.step[last[a]]
    )
    track_a, track_b = paths.track[first[a]], paths.track[first[b]]
    wanted = across & (apart <= horizon) & (track_a != track_b)
    tracks = np.sort(np.column_stack((track_a[wanted], track_b[wanted])), axis=1)
    return np.unique(tracks, axis=0)


def encroachments(paths: Paths, candidates: Indices, *, period: int) -> Encroachments:
    """Post-encroachment time of each pair of tracks.

    Left out is a pair whose paths do not cross, or whose first was lost (or whose second was
    found) inside the conflict area, so that leaving or entering was not seen.

    Parameters
    ----------
    paths : Paths
        All paths.
    candidates : (C, 2) int
        Pairs of tracks.
    period : int
        Time of one step. [us]
    """
    tracks, begin = np.unique(paths.track, return_index=True)
    bounds = np.append(begin, len(paths.track))
    found: list[tuple[int, int, int, float, int, int]] = []
    for pair in candidates:
        place = np.searchsorted(tracks, pair)
        one, other = (np.arange(bounds[k], bounds[k + 1]) for k in place)
        if encroachment := _encroachment(paths, one, other, period):
            found.append(encroachment)
    found.sort()
    first, second, time, pet, row, first_row = zip(*found, strict=True) if found else ((),) * 6
    return Encroachments(
        np.array(first, np.int64),
        np.array(second, np.int64),
        np.array(time, np.int64),
        np.array(pet, np.float64),
        np.array(row, np.int64),
        np.array(first_row, np.int64),
    )


class _Stay(NamedTuple):
    """When one of a pair was in the conflict area."""

    entry: float  # steps from the origin
    exit: float
    entry_seen: bool  # else it was found inside, at `entry` the latest
    exit_seen: bool  # else it was lost inside, at `exit` the earliest


def _encroachment(
    paths: Paths, one: Indices, other: Indices, period: int
) -> tuple[int, int, int, float, int, int] | None:
    # Steps are counted from the pair's own origin, so that fractions keep their digits.
    origin = int(min(paths.step[one[0]], paths.step[other[0]]))
    first, second = _stay(paths, one, other, period), _stay(paths, other, one, period)
    if first is None or second is None:
        return None
    if second < first:
        first, second, one, other = second, first, other, one
    if not (second.entry_seen and first.exit_seen):
        return None
    step = paths.step - origin
    return (
        int(paths.track[one[0]]),
        int(paths.track[other[0]]),
        origin * period + round(second.entry * period),
        (second.entry - first.exit) * period / 1e6,
        int(other[np.searchsorted(step[other], second.entry, side="right") - 1]),
        int(one[np.searchsorted(step[one], first.exit, side="right") - 1]),
    )


def _stay(paths: Paths, mover: Indices, sweeper: Indices, period: int) -> _Stay | None:
    """When the mover touched any of the boxes of the sweeper; None: never."""
    boxes, seconds = paths.boxes, period / 1e6
    step = (paths.step[mover] - min(paths.step[mover[0]], paths.step[sweeper[0]])).astype(float)
    rows, other = _touching(boxes, mover, sweeper[_places(boxes, sweeper)], seconds)
    still = boxes.take(other)
    still = still._replace(vx=np.zeros(len(other)), vy=np.zeros(len(other)))
    touch = contact(boxes.take(mover[rows]), still)
    # The last sample has nowhere to go: it touches where it stands.
    reach = np.where(rows == len(mover) - 1, 0.0, seconds)
    touches = (touch.entry <= touch.exit) & (touch.entry <= reach) & (touch.exit >= 0)
    if not touches.any():
        return None
    rows, reach = rows[touches], reach[touches]
    entry = float((step[rows] + np.maximum(touch.entry[touches], 0) / seconds).min())
    leave = float((step[rows] + np.minimum(touch.exit[touches], reach) / seconds).max())
    return _Stay(entry, leave, entry > step[0], leave < step[-1])


def _places(boxes: Boxes, rows: Indices) -> Indices:
    """Rows of a path that are at least `PLACE` of the way apart: who stands sweeps one place."""
    moved = np.hypot(np.diff(boxes.x[rows]), np.diff(boxes.y[rows]))
    place = np.floor(np.concatenate(([0.0], np.cumsum(moved))) / PLACE)
    return np.flatnonzero(np.diff(place, prepend=-1))


def _touching(
    boxes: Boxes, mover: Indices, sweeper: Indices, seconds: float
) -> tuple[Indices, Indices]:
    """Pairs that are near enough to touch within a step: place in the mover, row of the sweeper."""
    half = np.hypot(boxes.length, boxes.width) / 2
    reach = half[mover] + np.hypot(boxes.vx[mover], boxes.vy[mover]) * seconds
    far = float(reach.max() + half[sweeper].max())
    near = np.ones(len(mover), np.bool_)
    close = np.ones(len(sweeper), np.bool_)
    for axis in (boxes.x, boxes.y):
        one, other = axis[mover], axis[sweeper]
        near &= (one >= other.min() - far) & (one <= other.max() + far)
        close &= (other >= one.min() - far) & (other <= one.max() + far)
    rows, sweeper = np.flatnonzero(near), sweeper[close]
    dx = boxes.x[mover[rows]][:, None] - boxes.x[sweeper]
    dy = boxes.y[mover[rows]][:, None] - boxes.y[sweeper]
    m, s = np.nonzero(dx * dx + dy * dy <= (reach[rows][:, None] + half[sweeper]) ** 2)
    return rows[m], sweeper[s]
