"""Which things belong together when it is known which pairs do."""

from collections.abc import Iterable

import numpy as np

from edge.vision.frames import Integers


def groups(count: int, pairs: Iterable[tuple[int, int]]) -> Integers:
    """Give each thing its group; a chain of pairs makes one.

    Parameters
    ----------
    count : int
        Number of things.
    pairs
        Things that belong together, each below `count`.

    Returns
    -------
    (count,) int
        Groups are numbered in order of their first things.

    >>> groups(5, [(4, 2), (2, 0)])
    array([0, 1, 0, 2, 0])
    """
    root = list(range(count))
    for one, other in pairs:
        low, high = sorted((_top(root, one), _top(root, other)))
        root[high] = low
    number: dict[int, int] = {}
    return np.array([number.setdefault(_top(root, i), len(number)) for i in range(count)], int)


def _top(root: list[int], thing: int) -> int:
    while root[thing] != thing:
        root[thing] = root[root[thing]]
        thing = root[thing]
    return thing
