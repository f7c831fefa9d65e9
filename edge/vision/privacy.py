"""Nobody is recognisable in a picture that leaves the camera.

Whole boxes of people and vehicles are pixelated, grown by a margin and held for a while after they
were last seen; places that a camera must never show are blacked out first.
"""

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np

from edge.vision.boxes import clip, grow
from edge.vision.frames import Boxes, Image, Integers

VERSION: Final = "pixelate-1"
"""Names the method in a picture's metadata; changes when what it hides changes."""
MARGIN: Final = 0.15
"""Growth of each box on each side, as a share of its width and height."""
BLOCKS: Final = 6
"""Blocks along the shorter side of a box: too few to know a face or read a plate."""
SMALLEST_BLOCK: Final = 8  # [px]
HOLD: Final = 1.0
"""How long a box stays hidden after it was last seen. [s]"""
CAPACITY: Final = 1000  # boxes held; full: the oldest go, they are the least likely still there


def pixelate(image: Image, boxes: Boxes, masks: Sequence[Integers] = ()) -> Image:
    """Copy of an image without what could be recognised.

    Parameters
    ----------
    image : (h, w, 3) uint8
    boxes : (n, 4) float
        What to pixelate. [px]
    masks : sequence of (k, 2) int
        Polygons to black out. [px]
    """
    hidden = image.copy()
    if masks:
        cv2.fillPoly(hidden, [np.asarray(m, np.int32) for m in masks], (0, 0, 0))
    height, width = image.shape[:2]
    outer = clip(grow(boxes, MARGIN), width, height)
    for left, top, right, bottom in np.column_stack(
        (np.floor(outer[:, :2]), np.ceil(outer[:, 2:]))
    ).astype(int).tolist():  # fmt: skip
        w, h = right - left, bottom - top
        if w <= 0 or h <= 0:
            continue
        block = max(SMALLEST_BLOCK, -(-min(w, h) // BLOCKS))
        coarse = (max(1, w // block), max(1, h // block))
        patch = hidden[top:bottom, left:right]
        small = cv2.resize(patch, coarse, interpolation=cv2.INTER_AREA)
        hidden[top:bottom, left:right] = cv2.resize(small, (w, h), interpolation=cv2.INTER_NEAREST)
    return hidden


class Veil:
    """Boxes to hide: those of this frame, and those of a moment ago."""

    def __init__(self) -> None:
        self._boxes: Boxes = np.zeros((0, 4))
        self._seen: Integers = np.zeros(0, np.int64)

    def step(self, boxes: Boxes, captured: int) -> Boxes:
        """Add a frame's boxes (n, 4) [px]; returns all that must be hidden in it."""
        recent = captured - self._seen <= HOLD * 1e6
        self._boxes = np.concatenate((boxes, self._boxes[recent]))[:CAPACITY]
        self._seen = np.concatenate((np.full(len(boxes), captured), self._seen[recent]))[:CAPACITY]
        return self._boxes
