"""What seems to stand and is not there: the background was wrong.

A road user that stood in the first picture leaves, when it drives off, a hole in the background
that looks like a standing one. The two are told apart by their outline [1]_: that of somebody is an
edge of the picture, that of a ghost is an edge of the background.

References
----------
.. [1] R. Cucchiara et al., "Detecting moving objects, ghosts, and shadows in video streams,"
   IEEE Trans. PAMI 25(10), 2003.
"""

from collections.abc import Callable
from typing import Final

import cv2
import numpy as np

from edge.vision.frames import Bytes, Floats

LOOK_EVERY: Final = 0.5
"""Time between two looks; what changed less in between stands. [s]"""
STANDS: Final = 12
"""Largest change of a pixel that stands. [grey levels]"""
SMALLEST: Final = 0.0008
"""Smallest ghost that is dealt with, as a share of the image."""
SHARPER: Final = 1.3
"""How much sharper the outline is in the background than in the picture."""


class Ghosts:
    """Memory of one camera: how it looked a moment ago, and what seemed to move then."""

    def __init__(self) -> None:
        self._looked: int | None = None
        self._planes: Bytes | None = None
        self._moving: Bytes | None = None

    def due(self, captured: int) -> bool:
        """Whether it is time for another look."""
        return self._looked is None or not 0 <= captured - self._looked < LOOK_EVERY * 1e6

    def look(
        self, planes: Bytes, moving: Bytes, captured: int, background: Callable[[], Bytes]
    ) -> Bytes | None:
        """Find the ghosts (h, w), 255 where one is; None if there is none or it is not yet time.

        Parameters
        ----------
        planes : (3, h, w) uint8
            Picture; it is kept, not copied.
        moving : (h, w) uint8
            255 where the picture differs from the background.
        captured : int
            Moment of the picture. [µs]
        background : callable
            Gives the background (3, h, w), which costs time.
        """
        if not self.due(captured):
            return None
        self._looked = captured
        before, moved = self._planes, self._moving
        self._planes, self._moving = planes, moving
        if before is None or moved is None:
            return None
        stands = cv2.bitwise_and(cv2.bitwise_and(moving, moved), unchanged(planes, before))
        if cv2.countNonZero(stands) < SMALLEST * moving.size:
            return None
        count, labels, stats, _ = cv2.connectedComponentsWithStats(stands, connectivity=4)
        large = np.flatnonzero(stats[1:, cv2.CC_STAT_AREA] >= SMALLEST * moving.size) + 1
        if count == 1 or not len(large):
            return None
        behind = background()
        ghosts: Bytes = np.zeros_like(moving)
        for label in large.tolist():
            x, y, w, h = stats[label, :4].tolist()
            around = np.s_[max(y - 3, 0) : y + h + 3, max(x - 3, 0) : x + w + 3]
            piece = (labels[around] == label).astype(np.uint8)
            if _is_ghost(planes[:, *around], behind[:, *around], piece):
                ghosts[around][piece > 0] = 255
        return ghosts if ghosts.any() else None


def unchanged(planes: Bytes, before: Bytes) -> Bytes:
    """Where a picture (3, h, w) looks as an earlier one did (h, w): 255."""
    still: Bytes = np.full(planes.shape[1:], 255, np.uint8)
    for plane, earlier in zip(planes, before, strict=True):
        change = cv2.blur(cv2.absdiff(plane, earlier), (3, 3))
        still &= cv2.threshold(change, STANDS - 1, 255, cv2.THRESH_BINARY_INV)[1]
    return still


def _is_ghost(picture: Bytes, background: Bytes, piece: Bytes) -> bool:
    """Whether the outline of a piece (h, w) is sharper in the background than in the picture."""
    square = np.ones((5, 5), np.uint8)
    outline = (cv2.dilate(piece, square) > 0) & (cv2.erode(piece, square) == 0)
    return bool(
        _sharpness(background)[outline].mean() > SHARPER * _sharpness(picture)[outline].mean()
    )


def _sharpness(planes: Bytes) -> Floats:
    """Gradient (h, w), summed over the planes (3, h, w)."""
    smooth = cv2.blur(cv2.merge([*planes]), (3, 3))
    x, y = cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1)
    return np.asarray((np.abs(x) + np.abs(y)).sum(axis=2), np.float64)
