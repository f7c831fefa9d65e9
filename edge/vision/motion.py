"""What moves: background subtraction, and the blobs of it.

The background (MOG2) is asked on every frame and taught only a few times a second, and never where
a tracked road user stands: so a vehicle that waits at red is still there when it turns green.
"""

import math
from typing import Final, NamedTuple

import cv2
import numpy as np

from edge.vision.frames import Boxes, Bytes, Float32s, Floats, Frame, Image, Integers
from edge.vision.ghosts import Ghosts

WORKING_WIDTH: Final = 480
"""Width the background is kept at; a smaller image is taken as it is. [px]"""
MEMORY: Final = 40.0
"""Time constant of the background; what stands untracked is learnt in a tenth of it. [s]"""
TEACH_EVERY: Final = 0.2
"""Time between two lessons of the background. [s]"""
BACKGROUND_SHARE: Final = 0.75
"""Share of the time that what a pixel shows most often makes up, and with it the background."""
VARIANCE_THRESHOLD: Final = 16.0
"""Squared Mahalanobis distance from which a pixel is no background."""
SHADOW: Final = 0.5
"""Darkest share of the background's brightness that may be a shadow."""
SMALLEST: Final = 0.0004
"""Smallest blob, as a share of the image."""
GHOST_RATE: Final = 0.6
"""Rate at which the background learns what a ghost hides."""
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

    labels: Integers  # (h, w) int32: row in `boxes` + 1, 0 where nothing moves
    boxes: Boxes  # (n, 4) [working px]
    area: Floats  # (n,) [working px²]
    scale: float  # image px per working px


class Motion:
    """Background of one camera.

    Parameters
    ----------
    width, height : int
        Size of the frames to come. [px]
    """

    def __init__(self, width: int, height: int) -> None:
        self.scale = max(width / WORKING_WIDTH, 1.0)
        self._size = (round(width / self.scale), round(height / self.scale))
        self._mixture = cv2.createBackgroundSubtractorMOG2(500, VARIANCE_THRESHOLD, True)
        self._mixture.setShadowThreshold(SHADOW)
        self._mixture.setBackgroundRatio(BACKGROUND_SHARE)
        self._exposure, self._ghosts = Exposure(), Ghosts()
        side = max(3, round(min(self._size) / 60) | 1)
        self._closing = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
        self._opening = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
        self._taught = 0
        self._lessons = 0
        self._moving: Bytes = np.zeros(self._size[::-1], np.uint8)

    def look(self, frame: Frame, standing: Boxes) -> Blobs:
        """Find what moves.

        Parameters
        ----------
        frame : Frame
            Picture of the size promised.
        standing : (n, 4) float
            Boxes of known road users, not to be learnt. [px]
        """
        small = frame.image
        if self.scale > 1:
            resized = cv2.resize(small, self._size, interpolation=cv2.INTER_AREA)
            small = np.asarray(resized, np.uint8)
        small = self._exposure.level(small, self._moving, frame.captured)
        doubt = min(max(self._exposure.misfit / ORDINARY_MISFIT, 1.0), 4.0)
        self._mixture.setVarThreshold(VARIANCE_THRESHOLD * doubt**2)
        raw = self._mixture.apply(small, learningRate=0.0)
        self._teach(small, frame.captured, standing, float((raw == 255).mean()))  # noqa: PLR2004
        moving = cv2.threshold(raw, 254, 255, cv2.THRESH_BINARY)[1]
        moving = cv2.morphologyEx(moving, cv2.MORPH_OPEN, self._opening)
        closed = cv2.morphologyEx(moving, cv2.MORPH_CLOSE, self._closing)
        self._moving = np.asarray(closed, np.uint8)
        if (
            ghosts := self._ghosts.look(small, self._moving, frame.captured, self._background)
        ) is not None:
            # what was seen driving there is no ghost, however sharp the markings under it
            ghosts &= ~self._inside(standing)
            # at once: whoever passes there meanwhile would be taken for part of it
            self._mixture.apply(small, knownForegroundMask=~ghosts, learningRate=GHOST_RATE)
        return blobs(self._moving, self.scale)

    def _background(self) -> Image:
        return np.asarray(self._mixture.getBackgroundImage(), np.uint8)

    def _inside(self, boxes: Boxes) -> Bytes:
        """Mask (h, w) of what lies inside any of the boxes (n, 4) [px]: 255."""
        mask: Bytes = np.zeros(self._size[::-1], np.uint8)
        for left, top, right, bottom in np.round(boxes / self.scale).astype(int).tolist():
            mask[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)] = 255
        return mask

    def _teach(self, small: Image, captured: int, standing: Boxes, moved: float) -> None:
        """Let the background learn what lies outside the known road users."""
        since = (captured - self._taught) / 1e6 if self._lessons else math.inf
        if 0 <= since < TEACH_EVERY:  # less than nothing: the clock was set back
            return
        self._taught = captured
        self._lessons = 1 if moved > UPHEAVAL else self._lessons + 1
        # the plain mean of what was seen so far, until that is more than there is memory for
        rate = max(1 / self._lessons, 1 - math.exp(-min(abs(since), 1.0) / MEMORY))
        self._mixture.apply(small, knownForegroundMask=self._inside(standing), learningRate=rate)


def blobs(moving: Bytes, scale: float) -> Blobs:
    """Find the connected regions of a mask (h, w) that are not too small for a road user."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(moving, connectivity=8)
    keep = np.flatnonzero(stats[1:, cv2.CC_STAT_AREA] >= SMALLEST * moving.size) + 1
    keep = keep[np.argsort(-stats[keep, cv2.CC_STAT_AREA], kind="stable")]
    renumber = np.zeros(count, np.int32)
    renumber[keep] = np.arange(1, len(keep) + 1)
    corner = stats[keep, :2].astype(float)
    boxes = np.hstack((corner, corner + stats[keep, 2:4]))
    return Blobs(renumber[labels], boxes, stats[keep, 4].astype(float), scale)


class Exposure:
    """Keeps the brightness of a camera that adjusts itself in jumps."""

    def __init__(self) -> None:
        self._reference: Float32s | None = None
        self._seen = 0
        self.misfit = 0.0  # median difference that is left after levelling [grey levels]

    def level(self, image: Image, moving: Bytes, captured: int) -> Image:
        """Image scaled to the brightness of the background so far.

        Parameters
        ----------
        image : (h, w, 3) uint8
        moving : (h, w) uint8
            Where something moved in the previous frame: not compared.
        captured : int
            Moment of the image. [µs]
        """
        tiny = image[_TINY // 2 :: _TINY, _TINY // 2 :: _TINY].mean(axis=2, dtype=np.float32)
        if self._reference is None:
            self._reference, self._seen = tiny, captured
            return image
        fair = (tiny > DARK) & (tiny < BRIGHT) & (self._reference > DARK)
        still = fair & (moving[_TINY // 2 :: _TINY, _TINY // 2 :: _TINY] == 0)
        # when nearly all seems to move it is the light that changed, and the median is fair enough
        fair = still if still.sum() > fair.sum() / 3 else fair
        gain = float(np.median(tiny[fair] / self._reference[fair])) if fair.any() else 1.0
        share = 1 - math.exp(-max(captured - self._seen, 0) / 1e6 / MEMORY)
        self._reference += share * (tiny - self._reference)
        self._seen = captured
        residual = np.abs(tiny[fair] / gain - self._reference[fair])
        self.misfit = float(np.median(residual)) if fair.any() else 0.0
        if abs(gain - 1) < 0.02:  # noqa: PLR2004 - less is noise and not worth the copy
            return image
        return np.asarray(cv2.convertScaleAbs(image, alpha=1 / gain), np.uint8)
