"""What a camera shows when nobody is there, and where that has been proven.

Privacy asks the opposite of what counting asks. Counting may miss who stands still; a picture may
not. So a pixel is taken for empty only while it looks as it did when it was proven empty: as it had
looked most of the time, with nobody followed there. What differs stays in doubt for as long as it
differs, however still it stands.
"""

import math
from typing import Final

import cv2
import numpy as np

from edge.vision.frames import Bools, Bytes, Float32s, Image

DIFFERENT: Final = 12.0
"""Difference from which a pixel, a mean of several of the camera's, is not the same any more; in
the channel that differs most. [grey levels]"""
PROVEN: Final = 10.0
"""For how much longer a place must look one way than any other to be proven empty. [s]"""
RELEASED: Final = 300.0
"""How long a place that was proven must look different without a break to be proven anew. [s]"""
MEMORY: Final = 40.0
"""Time constant with which an empty place follows the light. [s]"""
SETTLING: Final = 5.0
"""The same for a place that is to be proven. [s]"""
CREDIT: Final = 1.0
"""What one look adds to that at most: two pictures far apart prove little. [s]"""
MIDDLE: Final = (20.0, 235.0)
"""Brightness between which a pixel tells of the exposure. [grey levels]"""
_EVERY: Final = 3  # the exposure is compared on every n-th pixel of each row and column


class Backdrop:
    """The empty street of one camera, at the size of the pictures it is given."""

    def __init__(self) -> None:
        self._last: int | None = None

    def look(self, image: Image, captured: int, followed: Bools) -> Bools:
        """Say where somebody may be.

        Parameters
        ----------
        image : (h, w, 3) uint8
            Small picture; the first one sets the size.
        captured : int
            Moment of it. [µs]
        followed : (h, w) bool
            Where somebody is known to be: never proven empty meanwhile.

        Returns
        -------
        (h, w) bool
            True where it is not proven that nobody is there.
        """
        given = image.astype(np.float32)
        if self._last is None:
            self._begin(given)
            self._last = captured
        passed = min(max(captured - self._last, 0) / 1e6, MEMORY)
        self._last = captured
        level: Float32s = given * np.float32(1 / self._gain(given))
        self._vote(level, passed, followed)
        changed = _differ(level, self._empty)
        enough = np.where(self._proven, self._still >= RELEASED, self._votes >= PROVEN)
        same = self._proven & ~changed & ~followed
        _follow(self._empty, level, 1 - math.exp(-passed / MEMORY), same)
        fresh = ~same & ~followed & enough
        self._empty[fresh] = self._candidate[fresh]
        self._proven |= fresh
        return ~self._proven | (changed & ~fresh)

    def _begin(self, given: Float32s) -> None:
        self._empty: Float32s = given.copy()
        self._candidate: Float32s = given.copy()
        self._still: Float32s = np.zeros(given.shape[:2], np.float32)  # without break [s]
        self._votes: Float32s = np.zeros(given.shape[:2], np.float32)  # for the candidate [s]
        self._proven: Bools = np.zeros(given.shape[:2], bool)

    def _vote(self, level: Float32s, passed: float, followed: Bools) -> None:
        """Let each place vote for what it shows, against what it was seen to show mostly.

        Of all that passes a place, the empty street is what it comes back to. So what agrees with
        the candidate counts for it, what does not counts against it, and who is followed does not
        count; a candidate that has lost all its votes is followed by what is there then.
        """
        credit = min(passed, CREDIT)
        other = _differ(level, self._candidate)
        agrees = ~other & ~followed
        _follow(self._candidate, level, 1 - math.exp(-passed / SETTLING), agrees)
        self._still += credit
        self._still[~agrees] = 0.0
        self._votes += credit * agrees - credit * (other & ~followed)
        fallen = other & ~followed & (self._votes < 0)
        self._votes[fallen] = 0.0
        np.minimum(self._votes, PROVEN, out=self._votes)
        cv2.copyTo(level, fallen.astype(np.uint8), self._candidate)

    def _gain(self, given: Float32s) -> float:
        """How much brighter the camera's exposure is than it was over the empty street."""
        now, then = (i[::_EVERY, ::_EVERY].mean(axis=2) for i in (given, self._empty))
        low, high = MIDDLE
        fair = (now > low) & (now < high) & (then > low) & (then < high)
        if not fair.any():
            return 1.0
        return float(np.clip(np.median(now[fair] / then[fair]), 0.5, 2.0))


def _differ(one: Float32s, other: Float32s) -> Bools:
    blue, green, red = cv2.split(cv2.absdiff(one, other))
    differ: Bools = np.asarray(cv2.max(cv2.max(blue, green), red)) > DIFFERENT
    return differ


def _follow(slow: Float32s, now: Float32s, share: float, where: Bools) -> None:
    """Move a running mean by a share of the way."""
    cv2.accumulateWeighted(now, slow, share, where.astype(np.uint8))


def joined(doubt: Bools, gap: int, smallest: int) -> Bytes:
    """Close the gaps (`gap` pixels wide) of a mask (h, w) and leave out its smallest specks."""
    side = cv2.getStructuringElement(cv2.MORPH_RECT, (gap, gap))
    closed = cv2.morphologyEx(doubt.astype(np.uint8), cv2.MORPH_CLOSE, side)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(closed, connectivity=8)
    keep = np.zeros(count, np.uint8)
    keep[1:] = stats[1:, cv2.CC_STAT_AREA] >= smallest
    kept: Bytes = keep[labels]
    return kept
