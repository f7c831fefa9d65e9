"""Points of the picture as the configuration writes them. Only here is it known how."""

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

from edge.configuration.drawing import LEAST, MOST, DrawnOn
from edge.vision.frames import Floats

SHARE_DECIMALS: Final = 5  # a fiftieth of a pixel of 2,000
PIXEL_DECIMALS: Final = 2


def written(
    points: Iterable[Sequence[float]] | Floats, size: tuple[int, int], drawn_on: DrawnOn
) -> list[list[float]]:
    """Coordinates in the configuration of points [px] of a picture of this size [px].

    >>> written([(10.123, 20)], (640, 360), None)
    [[0.01582, 0.05556]]
    >>> written([(10.123, 20)], (640, 360), (1280, 720))
    [[20.25, 40.0]]
    """
    decimals = SHARE_DECIMALS if drawn_on is None else PIXEL_DECIMALS
    points = np.array([(x, y) for x, y in points], float).reshape(-1, 2)
    found = (points * _whole(size, drawn_on) / size).round(decimals) + 0.0  # no -0.0
    return [[float(x), float(y)] for x, y in found]


def in_pixels(
    points: Iterable[Sequence[float]], size: tuple[int, int], drawn_on: DrawnOn
) -> Floats:
    """Points (n, 2) [px] of a picture of this size [px] by their coordinates in the configuration.

    >>> in_pixels([(0.5, 0.25)], (640, 360), None).tolist()
    [[320.0, 90.0]]
    """
    given = np.array([(x, y) for x, y in points], float).reshape(-1, 2)
    return given / _whole(size, drawn_on) * size


def misplaced(
    points: Iterable[Sequence[float]], size: tuple[int, int], drawn_on: DrawnOn
) -> list[int]:
    """Rows of coordinates that cannot be of such a picture."""
    shares = in_pixels(points, (1, 1), size if drawn_on == "stream" else drawn_on)
    return np.flatnonzero(((shares < LEAST) | (shares > MOST)).any(axis=1)).tolist()


def meaning(drawn_on: DrawnOn) -> str:
    """Say what coordinates are."""
    if drawn_on is None:
        return "shares of the picture, 0 to 1, as camera.drawn_on is not set"
    if drawn_on == "stream":
        return "pixels of the camera's picture"
    return f"pixels of a picture of {drawn_on[0]}x{drawn_on[1]}, as camera.drawn_on says"


def _whole(size: tuple[int, int], drawn_on: DrawnOn) -> Floats:
    whole = size if drawn_on == "stream" else drawn_on or (1, 1)
    return np.array(whole, float)
