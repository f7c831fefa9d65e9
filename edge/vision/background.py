"""How the street looks when nobody is there: a mixture of two normal distributions a pixel [1]_.

A pixel's *usual* look and one *other* are kept. Whatever is near enough to the usual one is
background, and near the other one too while that makes up so much of the time (wet leaves, a lamp
that flickers, what has just come to stand). What differs from the usual look in being darker alone
is a shadow. Both looks become ranges of bytes when the background is taught, so that a question is
a few comparisons of bytes; the arithmetic is done for the few pixels that fall out of them.

References
----------
.. [1] C. Stauffer, W. E. L. Grimson, "Adaptive background mixture models for real-time tracking,"
   CVPR 1999.
"""

from typing import Final

import cv2
import numpy as np

from edge.vision.frames import Bools, Bytes, Float32s, Integers

SHARE: Final = 0.75
"""Share of the time up to which the usual look of a pixel needs the other one to explain it."""
REACH: Final = 5.0
"""Standard deviations from which a look is another one."""
SHADOW_REACH: Final = 4.0
"""Standard deviations of the luma up to which the colour in a shadow is the same."""
LEAST_VARIANCE: Final = 2.0
FIRST_VARIANCE: Final = 5.0
MOST_VARIANCE: Final = 25.0
"""Of each plane. [grey levels²]"""
DARKEST: Final = 0.5
"""Darkest share of the background's brightness that may be a shadow."""
GREY: Final = 128
"""Chroma of what has no colour."""
_USUAL, _OTHER = 0, 1


class Background:
    """Looks of each pixel of one camera.

    Parameters
    ----------
    width, height : int
        Size of the pictures to come. [working px]
    """

    def __init__(self, width: int, height: int) -> None:
        self._shape = (height, width)
        tall = (2, 3 * height, width)  # planes one below the other: one call does for all three
        self._mean = np.zeros(tall, np.float32)
        self._variance = np.full(tall, FIRST_VARIANCE, np.float32)
        self._weight = np.zeros((2, height, width), np.float32)  # share of the time
        self._doubt = 1.0
        self._bound()

    @property
    def mean(self) -> Bytes:
        """Usual look (3, h, w)."""
        mean: Bytes = self._mean[_USUAL].round().astype(np.uint8)
        return mean.reshape(3, *self._shape)

    def differs(self, planes: Bytes, doubt: float) -> Bytes:
        """Where a picture shows neither the background nor its shadow (h, w): 255.

        Parameters
        ----------
        planes : (3, h, w) uint8
            See `Small.planes`.
        doubt : float
            How many times more than usual a pixel must differ.
        """
        if doubt != self._doubt:
            self._doubt = doubt
            self._bound()
        unlike = self._unlike(planes)
        pixels = planes.reshape(3, -1)
        if len(self._both):
            two = pixels[:, self._both]
            within = ((two >= self._other_low) & (two <= self._other_high)).all(axis=0)
            unlike.reshape(-1)[self._both[within]] = 0
        darker = cv2.inRange(planes[0], self._darkest, self._usual_luma)
        rows = _where(np.asarray(cv2.bitwise_and(darker, unlike), np.uint8))
        unlike.reshape(-1)[rows[self._is_shadow(pixels[:, rows], rows)]] = 0
        return unlike

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
        if rate >= 1:
            self._begin(planes, free > 0)
        else:
            self._learn(planes, free, rate)
        self._bound()

    def _begin(self, planes: Bytes, free: Bools) -> None:
        mean, variance = (part.reshape(2, 3, *self._shape) for part in (self._mean, self._variance))
        np.copyto(mean[_USUAL], planes, where=free)
        np.copyto(variance[_USUAL], np.float32(FIRST_VARIANCE), where=free)
        self._weight[_USUAL][free], self._weight[_OTHER][free] = 1, 0

    def _learn(self, planes: Bytes, free: Bytes, rate: float) -> None:
        now = planes.reshape(-1, self._shape[1])
        unlike = np.asarray(cv2.bitwise_and(self._unlike(planes), free), np.uint8)
        like = cv2.bitwise_xor(unlike, free)
        tall = np.concatenate((like, like, like))
        mean, variance = self._mean[_USUAL], self._variance[_USUAL]
        off = cv2.subtract(now, mean, dtype=cv2.CV_32F)
        cv2.accumulateWeighted(now, mean, rate, tall)
        cv2.accumulateWeighted(cv2.multiply(off, off, dst=off), variance, rate, tall)
        rows = _where(unlike)
        cv2.accumulateWeighted(np.ones_like(off[: len(like)]), self._weight[_USUAL], rate, like)
        cv2.accumulateWeighted(np.zeros_like(off[: len(like)]), self._weight[_OTHER], rate, like)
        self._learn_other(now.reshape(3, -1)[:, rows], rows, np.float32(rate))

    def _learn_other(self, now: Bytes, rows: Integers, rate: np.float32) -> None:
        """Take in pixels (3, k) that look unusual; what is more usual by now becomes so."""
        means, variances = (part.reshape(2, 3, -1) for part in (self._mean, self._variance))
        weights = self._weight.reshape(2, -1)
        mean, variance = means[_OTHER][:, rows], variances[_OTHER][:, rows]
        usual_weight, weight = weights[:, rows] * (1 - rate)
        off = now - mean
        off_square = off * off
        again = (off_square < REACH**2 * variance).all(axis=0) & (weight > 0)
        weight = np.where(again, weight, 0) + rate
        share = rate / weight  # 1 for what is new
        mean += share * off
        variance = np.where(again, variance + share * (off_square - variance), FIRST_VARIANCE)
        means[_OTHER][:, rows], variances[_OTHER][:, rows] = mean, variance
        weights[_USUAL, rows], weights[_OTHER, rows] = usual_weight, weight
        won = rows[weight > usual_weight]
        for looks in (means, variances):
            looks[:, :, won] = looks[::-1][:, :, won]
        weights[:, won] = weights[::-1][:, won]

    def _bound(self) -> None:
        """Find the bytes between which a pixel is background."""
        self._low, self._high = _range(self._mean[_USUAL], self._variance[_USUAL], self._doubt)
        height = self._shape[0]
        self._usual_luma = self._mean[_USUAL, :height].astype(np.uint8)
        self._darkest = cv2.convertScaleAbs(self._usual_luma, None, DARKEST)
        usual, other = self._weight
        self._both = np.flatnonzero(usual * (1 - SHARE) < SHARE * other)
        if not len(self._both):
            return
        mean, variance = (
            part[_OTHER].reshape(3, -1)[:, self._both] for part in (self._mean, self._variance)
        )
        self._other_low, self._other_high = _range(mean, variance, self._doubt)

    def _unlike(self, planes: Bytes) -> Bytes:
        """Where a picture (3, h, w) shows anything but the usual look (h, w): 255."""
        tall = planes.reshape(-1, planes.shape[2])
        inside = np.asarray(cv2.inRange(tall, self._low, self._high), np.uint8)
        y, u, v = inside.reshape(planes.shape)
        usual = cv2.bitwise_and(cv2.bitwise_and(y, u), v)
        return np.asarray(cv2.bitwise_not(usual), np.uint8)

    def _is_shadow(self, pixels: Bytes, rows: Integers) -> Bools:
        """Whether pixels (3, k) darker than usual have the same colour (k,)."""
        was = self._mean[_USUAL].reshape(3, -1)[:, rows]
        left = pixels[0] / np.maximum(was[0], 1)
        off = (pixels[1:] - np.float32(GREY)) - left * (was[1:] - GREY)
        off *= off
        reach = left * (SHADOW_REACH * self._doubt)
        variance = self._variance[_USUAL].reshape(3, -1)[0, rows]
        variance = np.clip(variance, LEAST_VARIANCE, MOST_VARIANCE)
        shadow: Bools = off[0] + off[1] < reach * reach * variance
        return shadow


def _where(mask: Bytes) -> Integers:
    """Find the pixels (k,) that are 255 in a mask; NumPy is quick with booleans alone."""
    return np.flatnonzero((mask & np.uint8(1)).view(bool))


def _range(mean: Float32s, variance: Float32s, doubt: float) -> tuple[Bytes, Bytes]:
    """Least and largest bytes that are within reach."""
    likely = np.clip(variance, LEAST_VARIANCE, MOST_VARIANCE)
    reach = np.asarray(cv2.sqrt(likely), np.float32)
    reach *= np.float32(REACH * doubt)
    low = cv2.subtract(mean, reach, dtype=cv2.CV_8U)
    return np.asarray(low, np.uint8), np.asarray(cv2.add(mean, reach, dtype=cv2.CV_8U), np.uint8)
