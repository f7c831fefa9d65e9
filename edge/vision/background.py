"""How the street looks when nobody is there: OpenCV's mixture of Gaussians [1]_, asked and taught.

References
----------
.. [1] Z. Zivkovic, F. van der Heijden, "Efficient adaptive density estimation per image pixel for
   the task of background subtraction," Pattern Recognition Letters 27, 2006.
"""

from typing import Final

import cv2
import numpy as np

from edge.vision.frames import Bytes, Image

VARIANCE_THRESHOLD: Final = 16.0
"""Squared Mahalanobis distance from which a pixel is no background."""
SHARE: Final = 0.75
"""Share of the time that what a pixel shows most often makes up, and with it the background."""
DARKEST: Final = 0.5
"""Darkest share of the background's brightness that may be a shadow."""
GREY: Final = 128
"""Chroma of what has no colour."""
_LOOKS: Final = 500  # pictures that the mixture would remember, were it not told a rate


class Background:
    """Looks of each pixel of one camera."""

    def __init__(self) -> None:
        self._mixture = cv2.createBackgroundSubtractorMOG2(_LOOKS, VARIANCE_THRESHOLD, True)
        self._mixture.setShadowThreshold(DARKEST)
        self._mixture.setBackgroundRatio(SHARE)

    @property
    def mean(self) -> Bytes:
        """Usual look (3, h, w), see `Small.planes`."""
        colours = self._mixture.getBackgroundImage()
        y, v, u = cv2.split(cv2.cvtColor(colours, cv2.COLOR_BGR2YCrCb))
        return np.asarray((y, u, v), np.uint8)

    def differs(self, planes: Bytes, doubt: float) -> Bytes:
        """Where a picture shows neither the background nor its shadow (h, w): 255.

        Parameters
        ----------
        planes : (3, h, w) uint8
            See `Small.planes`.
        doubt : float
            How many times more than usual a pixel must differ.
        """
        self._mixture.setVarThreshold(VARIANCE_THRESHOLD * doubt**2)
        raw = self._mixture.apply(_colours(planes), learningRate=0.0)
        return np.asarray(cv2.threshold(raw, 254, 255, cv2.THRESH_BINARY)[1], np.uint8)

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
        held = cv2.bitwise_not(free)
        self._mixture.apply(_colours(planes), knownForegroundMask=held, learningRate=rate)


def _colours(planes: Bytes) -> Image:
    """Picture (h, w, 3) in blue, green, red: shadows are told by colours."""
    y, u, v = planes
    return np.asarray(cv2.cvtColor(cv2.merge((y, v, u)), cv2.COLOR_YCrCb2BGR), np.uint8)
