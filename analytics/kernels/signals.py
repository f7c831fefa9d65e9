"""Signal phases from the controller's high-resolution log, and who passed on red."""

from typing import Final, NamedTuple

import numpy as np

from analytics.kernels.arrays import Bools, Floats, Indices, Times

BEGIN_GREEN: Final = 1
BEGIN_YELLOW: Final = 8
BEGIN_RED: Final = 10
"""Codes of the Indiana Traffic Signal Hi Resolution Data Logger Enumerations."""


class Cycles(NamedTuple):
    """C cycles of phases, each complete, sorted by (phase, green)."""

    phase: Indices  # (C,)
    green: Times  # (C,) begin of green [us]
    yellow: Times  # (C,) begin of yellow [us]
    red: Times  # (C,) begin of red [us]
    end: Times  # (C,) next green, or until when the last red is believed [us]


def phase_cycles(time: Times, code: Indices, phase: Indices, *, longest: int) -> Cycles:
    """Cycles of each phase, green to green.

    A cycle that lacks exactly one of green (1), yellow (8) and red (10), or has them out of order,
    is dropped [1]_. Order of the events does not matter, nor do repeated ones.

    Parameters
    ----------
    time : (N,) int
        When it was logged. [us]
    code, phase : (N,) int
        What was logged, and its parameter.
    longest : int
        Longest cycle that is believed; the last red, whose end is not known, ends there. [us]

    References
    ----------
    .. [1] Automated Traffic Signal Performance Measures, Utah DOT (atspm).
    """
    wanted = np.isin(code, (BEGIN_GREEN, BEGIN_YELLOW, BEGIN_RED))
    log = np.unique(np.stack((phase[wanted], time[wanted], code[wanted]), axis=1), axis=0)
    phase, time, code = log.T
    first = np.flatnonzero(code == BEGIN_GREEN)
    # Exactly 1, 8, 10 and then 1 of the same phase, or nothing more of it.
    first = first[first + 2 < len(log)]
    follows = (
        (code[first + 1] == BEGIN_YELLOW)
        & (code[first + 2] == BEGIN_RED)
        & (phase[first + 2] == phase[first])
    )
    first = first[follows]
    after = np.minimum(first + 3, len(log) - 1)
    goes_on = (first + 3 < len(log)) & (phase[after] == phase[first])
    end = np.where(goes_on, time[after], time[first] + longest)
    kept = (~goes_on | (code[after] == BEGIN_GREEN)) & (end - time[first] <= longest)
    first, end = first[kept], end[kept]
    return Cycles(phase[first], time[first], time[first + 1], time[first + 2], end)


class Passages(NamedTuple):
    """What a signal showed when N vehicles passed it."""

    known: Bools  # (N,) the passage lies in a complete cycle
    offset: Floats  # (N,) since the begin of red [s], nan unless on red
    margin: Floats  # (N,) to the nearest begin or end of red [s], nan unless known


def passages_on_red(time: Times, phase: Indices, cycles: Cycles, *, until: int) -> Passages:
    """Which passages of a stop line were on red, how long after its begin, and how nearly.

    Parameters
    ----------
    time : (N,) int
        When each vehicle passed. [us]
    phase : (N,) int
        Phase that lets it go.
    cycles : Cycles
        As `phase_cycles` gives them.
    until : int
        End of the log: a red that goes on may have ended there. [us]
    """
    if len(cycles.phase) == 0:
        unknown = np.full(len(time), np.nan)
        return Passages(np.zeros(len(time), np.bool_), unknown, unknown)
    # Phases are few and moments large: rank the moments so that one search serves all phases.
    moments = np.unique(np.concatenate((cycles.green, time)))
    span = len(moments) + 1
    keys = cycles.phase * span + np.searchsorted(moments, cycles.green)
    place = np.searchsorted(keys, phase * span + np.searchsorted(moments, time), side="right") - 1
    at = np.maximum(place, 0)
    known = (place >= 0) & (cycles.phase[at] == phase) & (time < cycles.end[at])
    on_red = known & (time >= cycles.red[at])
    # Red begins where it does, and ends where green begins: this one or the next.
    changes = (cycles.green[at], cycles.red[at], np.minimum(cycles.end[at], until))
    margin = np.min([np.abs(time - change) for change in changes], axis=0) / 1e6
    return Passages(
        known,
        np.where(on_red, (time - cycles.red[at]) / 1e6, np.nan),
        np.where(known, margin, np.nan),
    )
