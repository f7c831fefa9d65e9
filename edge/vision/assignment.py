"""Who goes with whom, so that all together are as alike as possible.

Few boxes overlap more than one other. So each pair that has no rival is a pair at once, and a chain
of exchanges [1]_ is only looked for where there are rivals.

References
----------
.. [1] H. W. Kuhn, "The Hungarian method for the assignment problem," Naval Research Logistics
   Quarterly 2, 1955.
"""

import math
from collections import deque
from typing import Final

import numpy as np

from edge.vision.frames import Floats, Integers

_ROUNDING: Final = 1e-12  # a smaller gain is none, or a chain could go round for ever
_Choices = dict[int, dict[int, float]]  # of each row: likeness of each column it may have


def assign(alike: Floats, least: float) -> tuple[Integers, Integers]:
    """Rows and columns of the pairs of the largest sum of likeness.

    Parameters
    ----------
    alike : (n, m) float
        Likeness of each row with each column.
    least : float
        Likeness below which two are no pair; above 0.
    """
    row, column = np.nonzero(alike >= least)
    rivals = np.bincount(row, minlength=len(alike))[row] > 1
    rivals |= np.bincount(column, minlength=alike.shape[1])[column] > 1
    if not rivals.any():
        return row, column
    clear = ~rivals
    choices: _Choices = {}
    likeness = alike[row[rivals], column[rivals]].tolist()
    for r, c, value in zip(row[rivals].tolist(), column[rivals].tolist(), likeness, strict=True):
        choices.setdefault(r, {})[c] = value
    owner: dict[int, int] = {}
    for r in choices:
        _admit(r, choices, owner)
    more = np.array([(r, c) for c, r in owner.items()], int).reshape(-1, 2)
    return np.append(row[clear], more[:, 0]), np.append(column[clear], more[:, 1])


def _admit(new: int, choices: _Choices, owner: dict[int, int]) -> None:
    """Let one more row have a column if that is a gain, others making room for it.

    What a chain of exchanges has gained is passed on from row to row until none grows any more. As
    the pairs so far are the best ones of their rows, no chain gains by coming back to a row.
    """
    column_of = {row: column for column, row in owner.items()}
    gain, before = {new: 0.0}, {}  # of each row that is without a column; row that takes a column
    best, end = 0.0, None  # column at which the best chain ends: free, or its holder goes without
    waiting = deque([new])
    while waiting:
        row = waiting.popleft()
        for column, likeness in choices[row].items():
            holder = owner.get(column)
            if holder == row:
                continue
            total = gain[row] + likeness - (0.0 if holder is None else choices[holder][column])
            known = best if holder is None else gain.get(holder, -math.inf)
            if total <= known + _ROUNDING:
                continue
            before[column] = row
            if holder is not None:
                gain[holder] = total
                waiting.append(holder)
            if total > best + _ROUNDING:
                best, end = total, column
    while end is not None:
        row = before[end]
        owner[end] = row
        end = column_of.get(row)
