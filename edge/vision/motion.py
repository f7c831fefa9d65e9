"""What moves: background subtraction, and the blobs of it.

The background is asked on every frame and taught only a few times a second, and never where a
tracked road user stands: so a vehicle that waits at red is still there when it turns green.
"""

import math
from typing import Final, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from edge.vision.background import GREY, Background
from edge.vision.frames import Bools, Boxes, Bytes, Float32s, Floats, Integers
from edge.vision.ghosts import Ghosts, unchanged
from edge.vision.small import Small

MEMORY: Final = 40.0
"""Time constant of the background; what stands untracked is learnt in a tenth of it. [s]"""
TEACH_EVERY: Final = 0.2
"""Time between two lessons of the background. [s]"""
SMALLEST: Final = 0.0004
"""Smallest blob, as a share of the image."""
GHOST_RATE: Final = 0.6
"""Rate at which the background learns what a ghost hides."""
KNOWN: Final = 20
"""Lessons until the background is known; before, each counts for so much that what passes
meanwhile would be taken for background, and is not taught."""
SPARED: Final = 3
"""So many of these lessons a place is spared while something passes; what is wrongly taken for that
is learnt then."""
CHANGED: Final = 0.02
"""Share of a region that changed since the last lesson, from which it passes."""
UPHEAVAL: Final = 0.6
"""Share of the image beyond which not the street moved but the light or the camera."""
ORDINARY_MISFIT: Final = 3.0
"""Median difference from the background that noise alone makes; more is a change of light that the
exposure does not explain, and raises the threshold. [grey levels]"""
DARK: Final = 20.0
"""Brightness below which a pixel says nothing of the exposure, ..."""
BRIGHT: Final = 235.0
"""... and above which it may be clipped."""
_TINY: Final = 8  # the exposure is compared on an image so many times smaller


class Blobs(NamedTuple):
    """Connected moving regions at working size, largest first."""

    pieces: npt.NDArray[
        np.uint16
    ]  # (h, w) number of the connected region of each pixel, small ones too
    total: int  # numbers there are, that of the still part among them
    number: Integers  # (n,) of each region in `pieces`
    boxes: Boxes  # (n, 4) [working px]
    area: Floats  # (n,) [working px²]
    scale: float  # image px per working px

    @property
    def size(self) -> int:
        """Pixels of the working picture."""
        return self.pieces.size

    def pixels(self, rows: Integers, window: tuple[slice, slice]) -> Bools:
        """Where any of some regions is in a window of the working picture."""
        chosen = np.zeros(self.total, bool)
        chosen[self.number[rows]] = True
        return chosen[self.pieces[window]]


class Motion:
    """Background of one camera.

    Parameters
    ----------
    width, height : int
        Size of the small pictures to come. [working px]
    """

    def __init__(self, width: int, height: int) -> None:
        self._background = Background(width, height)
        self._exposure, self._ghosts = Exposure(), Ghosts()
        side = max(3, round(min(width, height) / 60) | 1)
        self._closing = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
        self._taught = 0
        self._lessons = 0
        self._lesson: Bytes = np.zeros((3, height, width), np.uint8)  # picture that was taught last
        self._spared: Bytes = np.zeros((height, width), np.uint8)  # for so many lessons
        self._moving: Bytes = np.zeros((height, width), np.uint8)

    def look(self, small: Small, captured: int, standing: Boxes) -> Blobs:
        """Find what moves.

        Parameters
        ----------
        small : Small
            Picture of the size promised.
        captured : int
            Moment of it. [µs]
        standing : (n, 4) float
            Boxes of known road users, not to be learnt. [px]
        """
        planes = self._exposure.level(small.planes, self._moving, captured)
        doubt = min(max(self._exposure.misfit / ORDINARY_MISFIT, 1.0), 4.0)
        if not self._lessons:
            self._teach(planes, captured, standing / small.scale)
        raw = self._background.differs(planes, doubt)
        moved = cv2.countNonZero(raw) / raw.size
        if moved > UPHEAVAL:
            self._lessons = 0
        closed = cv2.morphologyEx(raw, cv2.MORPH_CLOSE, self._closing)
        self._moving = np.asarray(closed, np.uint8)
        if self._is_time(captured):
            self._teach(planes, captured, standing / small.scale)
        self._exorcise(planes, captured, standing / small.scale)
        return blobs(self._moving, small.scale)

    def _exorcise(self, planes: Bytes, captured: int, standing: Boxes) -> None:
        """Learn at once what a ghost hides: who passes there meanwhile would be part of it."""
        if not self._ghosts.due(captured):
            return
        ghosts = self._ghosts.look(planes, self._moving, captured, self._behind)
        if ghosts is not None:
            # what was seen driving there is no ghost, however sharp the markings under it
            self._background.teach(planes, ghosts & self._outside(standing), GHOST_RATE)

    def _behind(self) -> Bytes:
        return self._background.mean

    def _outside(self, boxes: Boxes) -> Bytes:
        """Mask (h, w) of what lies outside all of the boxes (n, 4) [working px]: 255."""
        mask: Bytes = np.full(self._moving.shape, 255, np.uint8)
        for left, top, right, bottom in np.round(boxes).astype(int).tolist():
            mask[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)] = 0
        return mask

    def _is_time(self, captured: int) -> bool:
        since = captured - self._taught
        # less than nothing: the clock was set back
        return not self._lessons or not 0 <= since < TEACH_EVERY * 1e6

    def _teach(self, planes: Bytes, captured: int, standing: Boxes) -> None:
        """Let the background learn what lies outside the known road users."""
        since = abs(captured - self._taught) / 1e6 if self._lessons else math.inf
        self._taught = captured
        self._lessons += 1
        # the plain mean of what was seen so far, until that is more than there is memory for
        rate = max(1 / self._lessons, 1 - math.exp(-min(since, 1.0) / MEMORY))
        free = self._outside(standing)
        if 1 < self._lessons <= KNOWN:  # the first is all that is known: nothing is spared of it
            passes = passing(self._moving, planes, self._lesson)
            self._spared = (self._spared + 1) * passes
            free[passes & (self._spared <= SPARED)] = 0
        self._lesson = planes
        self._background.teach(planes, free, rate)


def passing(moving: Bytes, planes: Bytes, before: Bytes) -> Bools:
    """Regions of a mask (h, w) that changed since an earlier picture (3, h, w)."""
    count, pieces, stats, _ = cv2.connectedComponentsWithStats(moving, connectivity=8)
    still = unchanged(planes, before)
    changed = np.bincount(pieces[(still == 0) & (moving > 0)], minlength=count)
    passes = changed >= CHANGED * stats[:, cv2.CC_STAT_AREA]
    passes[0] = False
    where: Bools = passes[pieces]
    return where


def blobs(moving: Bytes, scale: float) -> Blobs:
    """Find the connected regions of a mask (h, w) that are not too small for a road user."""
    total, pieces, stats, _ = cv2.connectedComponentsWithStatsWithAlgorithm(
        moving, 8, cv2.CV_16U, cv2.CCL_BBDT
    )
    pixels = stats[1:, cv2.CC_STAT_AREA]
    keep = np.flatnonzero(pixels >= SMALLEST * moving.size)
    keep = keep[np.argsort(-pixels[keep], kind="stable")] + 1
    found = stats[keep].astype(float)
    boxes = found[:, :4]
    boxes[:, 2:] += boxes[:, :2]
    return Blobs(np.asarray(pieces, np.uint16), total, keep, boxes, found[:, 4], scale)


def _middle(values: Float32s) -> float:
    """Upper median, at a tenth of the time that NumPy's takes."""
    middle = len(values) // 2
    return float(np.partition(values, middle)[middle])


class Exposure:
    """Keeps the brightness of a camera that adjusts itself in jumps."""

    def __init__(self) -> None:
        self._reference: Float32s | None = None
        self._seen = 0
        self.misfit = 0.0  # median difference that is left after levelling [grey levels]

    def level(self, planes: Bytes, moving: Bytes, captured: int) -> Bytes:
        """Picture scaled to the brightness of the background so far.

        Parameters
        ----------
        planes : (3, h, w) uint8
            See `Small.planes`.
        moving : (h, w) uint8
            Where something moved in the previous frame: not compared.
        captured : int
            Moment of the picture. [µs]
        """
        tiny = planes[0, _TINY // 2 :: _TINY, _TINY // 2 :: _TINY].astype(np.float32)
        if self._reference is None:
            self._reference, self._seen = tiny, captured
            return planes
        fair = (tiny > DARK) & (tiny < BRIGHT) & (self._reference > DARK)
        still = fair & (moving[_TINY // 2 :: _TINY, _TINY // 2 :: _TINY] == 0)
        # when nearly all seems to move it is the light that changed, and the median is fair enough
        fair = still if still.sum() > fair.sum() / 3 else fair
        now, usual = tiny[fair], self._reference[fair]
        gain = _middle(now / usual) if len(now) else 1.0
        share = 1 - math.exp(-max(captured - self._seen, 0) / 1e6 / MEMORY)
        self._reference += share * (tiny - self._reference)
        self._seen = captured
        self.misfit = _middle(np.abs(now / gain - usual)) if len(now) else 0.0
        if abs(gain - 1) < 0.02:  # noqa: PLR2004 - less is noise and not worth the copy
            return planes
        level = np.empty_like(planes)
        for row, grey in enumerate((0, GREY, GREY)):
            cv2.convertScaleAbs(planes[row], level[row], 1 / gain, grey - grey / gain)
        return level
