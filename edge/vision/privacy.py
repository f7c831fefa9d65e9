"""Nobody is recognisable in a picture that leaves the camera.

A picture is divided into cells, and each cell is either shown or pixelated. It is shown only if,
from a moment before the picture to a moment after it, nobody was followed there and it was proven
that nobody is there (`edge.vision.backdrop`). So whoever is noticed late is hidden from the start,
and who stands still stays hidden.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

import cv2
import numpy as np

from edge.vision.backdrop import Backdrop, joined
from edge.vision.boxes import clip, grow
from edge.vision.frames import Bools, Boxes, Bytes, Frame, Image, Integers

VERSION: Final = "pixelate-2"
"""Names the method in a picture's proof; changes when what it hides changes."""
MARGIN: Final = 0.15
"""Growth of each box on each side, as a share of its width and height."""
BLOCKS: Final = 6
"""Blocks along the shorter side of what is hidden: too few to know a face or read a plate."""
CELLS: Final = 48
"""Cells along the longer side of a picture, ..."""
SMALLEST_CELL: Final = 8
"""... none of which is smaller than this. [px]"""
FINENESS: Final = 4
"""Pixels of the backdrop along the side of a cell."""
GAP: Final = 5
"""Gaps in what is in doubt up to which it is one thing. [px of the backdrop]"""
SPECK: Final = 2
"""What is smaller is noise. [px² of the backdrop]"""
HOLD: Final = 1.0
"""How long a cell stays hidden after somebody was there. [s]"""
AHEAD: Final = 1.0
"""How long before somebody is noticed a cell is hidden already: pictures wait for so long. [s]"""
LOOK_EVERY: Final = 0.2
"""Time between two looks at the backdrop; each frame that is to be shown is looked at, too. [s]"""
_SPAN: Final = 100_000  # what is found within this time is kept as one finding [us]


def blackened(
    frames: Iterator[Frame], masks: Callable[[int, int], Sequence[Integers]]
) -> Iterator[Frame]:
    """Black out polygons in each frame before anybody sees it.

    Parameters
    ----------
    masks
        Gives the polygons (k, 2) [px] for pictures of this width and height [px].
    """
    size, polygons = (0, 0), list[Integers]()
    for frame in frames:
        if size != (frame.width, frame.height):
            size = frame.width, frame.height
            polygons = [*masks(*size)]
        yield frame.masked(polygons)


class Hidden(NamedTuple):
    """What must not be seen of one frame."""

    cells: Bools  # (rows, columns)
    boxes: int  # that were followed in the frame itself

    @property
    def share(self) -> float:
        """Share of the picture."""
        return float(self.cells.mean())


class _Finding(NamedTuple):
    first: int  # [us]
    last: int  # [us]
    cells: Bools


class Veil:
    """What to hide in the frames of one camera.

    Parameters
    ----------
    width, height : int
        Size of the frames. [px]
    """

    def __init__(self, width: int, height: int) -> None:
        cell = max(SMALLEST_CELL, max(width, height) / CELLS)
        self.columns, self.rows = max(1, round(width / cell)), max(1, round(height / cell))
        self._size = width, height
        self._small = self.columns * FINENESS, self.rows * FINENESS
        self._backdrop = Backdrop()
        self._looked: int | None = None
        # Bounded by time: HOLD and AHEAD, one for each _SPAN.
        self._findings: deque[_Finding] = deque()

    def step(self, frame: Frame, boxes: Boxes, *, shown: bool) -> None:
        """Take in a frame and the boxes (n, 4) [px] of whom it shows; `shown` if it is wanted."""
        cells, captured = self._inside(boxes), frame.captured
        since = None if self._looked is None else captured - self._looked
        if since is None or shown or not 0 <= since < LOOK_EVERY * 1e6:
            self._looked = captured
            np.logical_or(cells, self._doubted(frame.image, captured, cells), out=cells)
        self._keep(cells, captured)

    def hidden(self, captured: int, boxes: int) -> Hidden:
        """Say what to hide in the frame of a moment, by all that is known by now."""
        low, high = captured - HOLD * 1e6, captured + AHEAD * 1e6
        near = [f.cells for f in self._findings if f.last >= low and f.first <= high]
        if not near:  # nothing is known of it
            return Hidden(np.ones((self.rows, self.columns), bool), boxes)
        return Hidden(np.asarray(np.any(near, axis=0), bool), boxes)

    def _inside(self, boxes: Boxes) -> Bools:
        """Cells that any of the grown boxes touches."""
        cells = np.zeros((self.rows, self.columns), bool)
        width, height = self._size
        outer = clip(grow(boxes, MARGIN), width, height)
        outer *= np.tile([self.columns / width, self.rows / height], 2)
        low, high = np.floor(outer[:, :2]).astype(int), np.ceil(outer[:, 2:]).astype(int)
        for (left, top), (right, bottom) in zip(low.tolist(), high.tolist(), strict=True):
            cells[top:bottom, left:right] = True
        return cells

    def _doubted(self, image: Image, captured: int, followed: Bools) -> Bools:
        """Cells in which somebody may be whom nobody follows."""
        small = np.asarray(cv2.resize(image, self._small, interpolation=cv2.INTER_AREA), np.uint8)
        fine = followed.repeat(FINENESS, axis=0).repeat(FINENESS, axis=1)
        doubt = joined(self._backdrop.look(small, captured, fine), GAP, SPECK)
        parts = doubt.reshape(self.rows, FINENESS, self.columns, FINENESS)
        cells: Bools = np.asarray(parts.any(axis=(1, 3)), bool)
        return cells

    def _keep(self, cells: Bools, captured: int) -> None:
        findings = self._findings
        if findings and not 0 <= captured - findings[-1].last <= (HOLD + AHEAD) * 1e6:
            findings.clear()  # a gap, or a clock that was set: nothing before tells of now
        if findings and captured - findings[-1].first < _SPAN:
            first, _, before = findings.pop()
            findings.append(_Finding(first, captured, before | cells))
        else:
            findings.append(_Finding(captured, captured, cells))
        while captured - findings[0].last > (HOLD + AHEAD) * 1e6 + _SPAN:
            findings.popleft()


def pixelate(image: Image, cells: Bools) -> Image:
    """Copy of an image (h, w, 3) in which some cells (rows, columns) are pixelated.

    A cell is one block, and of what is large the blocks are larger: it has at most about `BLOCKS`
    along its shorter side.
    """
    height, width = image.shape[:2]
    rows, columns = cells.shape
    count, labels, stats, _ = cv2.connectedComponentsWithStats(
        cells.astype(np.uint8), connectivity=8
    )
    sides = stats[:, [cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT]].min(axis=1)
    block = np.maximum(1, -(-sides // BLOCKS))
    block[0] = 0  # shown as it is
    hidden = image.copy()
    for size in sorted(set(block.tolist()) - {0}) if count > 1 else []:
        coarse = (max(1, columns // size), max(1, rows // size))
        small = cv2.resize(image, coarse, interpolation=cv2.INTER_AREA)
        blocks = cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST)
        cv2.copyTo(blocks, over((block == size)[labels], width, height), hidden)
    return hidden


def over(cells: Bools, width: int, height: int) -> Bytes:
    """Mask (height, width) of the pixels of some cells (rows, columns): 255."""
    mask = cells.astype(np.uint8) * np.uint8(255)
    wide = cv2.resize(mask, (width, height), interpolation=cv2.INTER_NEAREST)
    return np.asarray(wide, np.uint8)
