"""How the street looks when nobody is there: OpenCV's mixture of Gaussians [1]_, asked and taught.

Most of a picture looks as usual most of the time, and to ask a mixture about each of its pixels
costs more than all else that is done with them. So the picture is laid out in tiles, each with a
mixture of its own, and only those are asked that show more than noise.

References
----------
.. [1] Z. Zivkovic, F. van der Heijden, "Efficient adaptive density estimation per image pixel for
   the task of background subtraction," Pattern Recognition Letters 27, 2006.
"""

from itertools import pairwise, product
from typing import Final

import cv2
import numpy as np

from edge.vision.frames import Bytes, Image

VARIANCE_THRESHOLD: Final = 16.0
"""Squared distance from which a pixel is no background, in variances of its noise."""
LEARNT: Final = 9.0
"""The same from which it tells nothing of that noise."""
VARIANCE: Final = (4.0, 15.0, 75.0)
"""Least, first and largest variance of noise, all channels together; OpenCV's own. [grey levels²]
"""
SHARE: Final = 0.75
"""Share of the time that what a pixel shows most often makes up, and with it the background."""
DARKEST: Final = 0.5
"""Darkest share of the background's brightness that may be a shadow."""
GREY: Final = 128
"""Chroma of what has no colour."""
TILE: Final = 48
"""Width and height of a tile, about. [px]"""
AT_ONCE: Final = 5
"""A tile that shows nothing unusual is given so many lessons as one, ..."""
SMALL: Final = 0.05
"""... if they are small: of a rate below this."""
_LOOKS: Final = 500  # pictures that the mixture would remember, were it not told a rate
_SPECK: Final = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))


class Background:
    """Looks of each pixel of one camera.

    Parameters
    ----------
    width, height : int
        Size of the pictures to come. [px]
    """

    def __init__(self, width: int, height: int) -> None:
        self._tops, self._lefts = _edges(height), _edges(width)
        spans = product(pairwise(self._tops), pairwise(self._lefts))
        self._tiles = [_Tile(slice(*rows), slice(*columns)) for rows, columns in spans]
        self._lessons = 0
        self._usual: Image = np.zeros((height, width, 3), np.uint8)
        self._noise: Bytes = np.zeros((height, width), np.uint8)  # differs so much at most

    @property
    def mean(self) -> Bytes:
        """Usual look (3, h, w), see `Small.planes`."""
        y, v, u = cv2.split(cv2.cvtColor(self._usual, cv2.COLOR_BGR2YCrCb))
        return np.asarray((y, u, v), np.uint8)

    def differs(self, planes: Bytes, doubt: float) -> Bytes:
        """Where a picture shows neither the background nor its shadow (h, w): 255; specks left out.

        Parameters
        ----------
        planes : (3, h, w) uint8
            See `Small.planes`.
        doubt : float
            How many times more than usual a pixel must differ.
        """
        image = _colours(planes)
        differs: Bytes = np.zeros(image.shape[:2], np.uint8)
        for tile in self._unusual(image, doubt):
            tile.differs(image, doubt, differs)
        return np.asarray(cv2.morphologyEx(differs, cv2.MORPH_OPEN, _SPECK), np.uint8)

    def teach(self, planes: Bytes, free: Bytes, rate: float) -> None:
        """Take in a picture.

        Parameters
        ----------
        planes : (3, h, w) uint8
            See `Small.planes`.
        free : (h, w) uint8
            Where to learn: 255, else 0.
        rate : float
            Share of what is known that this picture takes the place of.
        """
        image, held = _colours(planes), np.asarray(cv2.bitwise_not(free), np.uint8)
        self._lessons += 1
        for number, tile in enumerate(self._tiles):
            turn = (self._lessons + number) % AT_ONCE == 0
            if tile.is_due(rate, at_once=turn or rate > SMALL):
                tile.teach(image, held, self._usual, self._noise)

    def _unusual(self, image: Image, doubt: float) -> list["_Tile"]:
        """Tiles that show more than noise."""
        blue, green, red = cv2.split(cv2.absdiff(image, self._usual))
        most = cv2.max(cv2.max(blue, green), red)
        noise = self._noise if doubt == 1 else cv2.convertScaleAbs(self._noise, None, doubt)
        more = cv2.morphologyEx(cv2.compare(most, noise, cv2.CMP_GT), cv2.MORPH_OPEN, _SPECK)
        of_rows = np.maximum.reduceat(more, self._tops[:-1], axis=0)
        of_tiles = np.maximum.reduceat(of_rows, self._lefts[:-1], axis=1)
        return [self._tiles[number] for number in np.flatnonzero(of_tiles).tolist()]


class _Tile:
    """A part of the picture: its mixture, and the noise of its pixels."""

    def __init__(self, rows: slice, columns: slice) -> None:
        self._where = rows, columns
        self._mixture = cv2.createBackgroundSubtractorMOG2(_LOOKS, VARIANCE_THRESHOLD, True)
        self._mixture.setShadowThreshold(DARKEST)
        self._mixture.setBackgroundRatio(SHARE)
        size = rows.stop - rows.start, columns.stop - columns.start
        self._variance = np.full(size, VARIANCE[1], np.float32)
        self._asked = False  # since it was taught
        self._kept = 1.0  # share of what is known that the lessons owed will leave

    def differs(self, image: Image, doubt: float, into: Bytes) -> None:
        """Mark in a mask (h, w) where the picture shows neither background nor shadow: 255."""
        self._asked = True
        self._mixture.setVarThreshold(VARIANCE_THRESHOLD * doubt**2)
        raw = self._mixture.apply(image[self._where], learningRate=0.0)
        cv2.threshold(raw, 254, 255, cv2.THRESH_BINARY, into[self._where])

    def is_due(self, rate: float, *, at_once: bool) -> bool:
        """Owe it a lesson; say whether it is to be given now."""
        self._kept *= 1 - rate
        return at_once or self._asked

    def teach(self, image: Image, held: Bytes, usual: Image, noise: Bytes) -> None:
        """Give all lessons owed as one; note how it looks usually (h, w, 3), and noise (h, w)."""
        seen, held = image[self._where], held[self._where]
        rate, self._kept, self._asked = 1 - self._kept, 1.0, False
        off = cv2.absdiff(seen, usual[self._where]).astype(np.float32)
        square = cv2.transform(off * off, np.ones((1, 3), np.float32))
        told = (square < LEARNT * self._variance) & (held == 0)
        cv2.accumulateWeighted(square, self._variance, rate, told.view(np.uint8))
        np.clip(self._variance, VARIANCE[0], VARIANCE[2], out=self._variance)
        # so much in each channel is near enough in all of them together
        noise[self._where] = cv2.sqrt(self._variance * np.float32(VARIANCE_THRESHOLD / 3))
        self._mixture.apply(seen, knownForegroundMask=held, learningRate=rate)
        usual[self._where] = self._mixture.getBackgroundImage()


def _colours(planes: Bytes) -> Image:
    """Picture (h, w, 3) in blue, green, red: shadows are told by colours."""
    y, u, v = planes
    return np.asarray(cv2.cvtColor(cv2.merge((y, v, u)), cv2.COLOR_YCrCb2BGR), np.uint8)


def _edges(length: int) -> list[int]:
    """Where tiles begin, and where the last one ends."""
    count = max(round(length / TILE), 1)
    return [length * number // count for number in range(count + 1)]
