"""Who of the annotated passed a line: not the agent's own way of counting, which is on trial."""

from typing import Final, NamedTuple

import numpy as np

from edge.vision.counting import Line
from edge.vision.frames import Bools, Floats, Integers

TREMBLE: Final = 0.05
"""Distance behind a line up to which an annotated box may only tremble, in own sizes."""


class Passed(NamedTuple):
    """Passages of one line, in the order of who passed and then of time."""

    moment: Floats  # (k,) [s]
    inward: Bools  # (k,)


def passed(who: Integers, moment: Floats, point: Floats, size: Floats, line: Line) -> Passed:
    """Find the passages of a line by points that were annotated.

    Parameters
    ----------
    who : (n,) int
        Whose point each is.
    moment : (n,) float
        When it was there. [s]
    point : (n, 2) float
        Where it was. [px]
    size : (n,) float
        Size of its box. [px]
    line : Line
        "in" is from the left of a-b to its right.
    """
    order = np.lexsort((moment, who))
    who, moment, point, size = who[order], moment[order], point[order], size[order]
    a, b = np.array(line.a, float), np.array(line.b, float)
    length = float(np.hypot(*(b - a)))
    x, y = (b - a) / length
    away = (point - a) @ [y, -x]  # positive on the left
    where = (point - a) @ [x, y]
    left = away >= 0
    first = np.diff(who, prepend=who[:1] - 1) != 0
    changes = np.flatnonzero((left[1:] != left[:-1]) & ~first[1:])
    # the first position says where somebody comes from, however close; then it takes a distance
    sure = np.flatnonzero(first | (np.abs(away) > TREMBLE * size))
    before, after = sure[:-1], sure[1:]
    over = (who[before] == who[after]) & (left[before] != left[after])
    last = changes[np.searchsorted(changes, after[over]) - 1]  # before it was sure to be over
    share = away[last] / (away[last] - away[last + 1])
    on_line = where[last] + share * (where[last + 1] - where[last])
    met = (on_line >= 0) & (on_line <= length)
    at = moment[last] + share * (moment[last + 1] - moment[last])
    return Passed(at[met], left[before[over]][met])
