"""Halts and queues as SUMO's lane area detector (E2) defines them."""

from typing import Final, NamedTuple

import numpy as np

from analytics.kernels.arrays import Bools, Floats, Indices

HALT_SPEED: Final = 5 / 3.6
"""Slower than this for `HALT_TIME` is a halt. [m/s]"""

HALT_TIME: Final = 1.0
"""[s]"""

JAM_GAP: Final = 10.0
"""Halted vehicles with gaps up to this stand in one jam. [m]"""


def halted(
    track: Indices,
    step: Indices,
    speed: Floats,
    *,
    period: float,
    slowest: float = HALT_SPEED,
    least: float = HALT_TIME,
) -> Bools:
    """Which samples belong to a vehicle that has been slow for long enough.

    Parameters
    ----------
    track, step : (N,) int
        Sorted by (track, step).
    speed : (N,) float
        [m/s]
    period : float
        Time of one step. [s]
    slowest, least : float
        Speed [m/s] below which, and time [s] since when it halts.
    """
    if len(track) == 0:
        return np.zeros(0, np.bool_)
    slow = speed < slowest
    new = np.ones(len(track), np.bool_)
    new[1:] = (track[1:] != track[:-1]) | (slow[1:] != slow[:-1]) | (np.diff(step) != 1)
    first = np.flatnonzero(new)
    since = (step - step[first][np.cumsum(new) - 1]) * period
    long_enough: Bools = since >= least - 1e-9
    return slow & long_enough


class Queues(NamedTuple):
    """The longest jam of each approach (A) at each step (S)."""

    vehicles: Indices  # (A, S)
    length: Floats  # (A, S) first front to last rear, gaps included [m]


def queues(
    approach: Indices,
    step: Indices,
    position: Floats,
    length: Floats,
    *,
    approaches: int,
    steps: int,
    gap: float = JAM_GAP,
) -> Queues:
    """Longest jam of each approach at each step.

    Parameters
    ----------
    approach : (N,) int
        Of each halted vehicle, in ``[0, approaches)``.
    step : (N,) int
        In ``[0, steps)``.
    position : (N,) float
        Of the vehicle's centre upstream of the stop line. [m]
    length : (N,) float
        Of the vehicle. [m]
    approaches, steps : int
        A and S.
    gap : float
        Largest gap within a jam. [m]
    """
    vehicles = np.zeros(approaches * steps, np.int64)
    longest = np.zeros(approaches * steps)
    if len(approach):
        cell = approach * steps + step
        front = position - length / 2
        order = np.lexsort((length, front, cell))
        cell, front, rear = cell[order], front[order], (front + length)[order]
        # The rear of what stands ahead: a long vehicle beside short ones reaches furthest. Cells
        # are set apart by more than any position, so one running maximum serves them all.
        apart = cell * (np.ptp(front) + float(length.max()) + 1.0)
        reach = np.maximum.accumulate(rear + apart) - apart
        new = np.ones(len(cell), np.bool_)
        new[1:] = (cell[1:] != cell[:-1]) | (front[1:] - reach[:-1] > gap)
        first = np.flatnonzero(new)
        number = np.diff(np.append(first, len(cell)))
        extent = np.maximum.reduceat(rear, first) - front[first]
        np.maximum.at(vehicles, cell[first], number)
        np.maximum.at(longest, cell[first], extent)
    shape = (approaches, steps)
    return Queues(vehicles.reshape(shape), longest.reshape(shape))
