"""Points of the picture as the configuration writes them. Only here is it known how."""

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

from edge.vision.frames import Floats

DECIMALS: Final = 2


def written(points: Iterable[Sequence[float]] | Floats, size: tuple[int, int]) -> list[list[float]]:
    """Coordinates in the configuration of points [px] of a picture of this size [px].

    >>> written([(10.123, 20)], (640, 360))
    [[10.12, 20.0]]
    """
    del size
    return [[round(float(x), DECIMALS), round(float(y), DECIMALS)] for x, y in points]


def in_pixels(points: Iterable[Sequence[float]], size: tuple[int, int]) -> Floats:
    """Points (n, 2) [px] of a picture of this size [px] by their coordinates in the configuration.

    >>> in_pixels([(10, 20)], (640, 360)).tolist()
    [[10.0, 20.0]]
    """
    del size
    return np.array([(x, y) for x, y in points], float).reshape(-1, 2)
