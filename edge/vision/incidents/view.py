"""What a camera looks at, kept small: its light, and the edges of what does not move."""

import math
from typing import Final, NamedTuple

import cv2
import numpy as np

from edge.vision.frames import Bools, Bytes, Float32s

WIDTH: Final = 160
"""Width at which the view is looked at. [px]"""
EDGES: Final = 0.12
"""Share of the picture whose gradients are strongest: its edges."""
AGREEMENT: Final = 0.9
"""Cosine of the angle between two gradients from which they are of one edge."""
CHANCE: Final = 2 * math.acos(AGREEMENT) / math.pi
"""Share of the edges that agree with a picture that has nothing to do with them."""
FLOOR: Final = 3.0
"""Gradient below which a learnt one is noise and no edge. [grey levels / px]"""
FAINT: Final = 0.25
"""Steepness down to which a learnt edge is still there, as a share of what was learnt."""
FEWEST: Final = 0.005
"""Share of the picture that must be edges: an empty road is not recognised."""
TREMBLE: Final = 0.015
"""Shift that a mast makes in the wind. [share of the width]"""
ROTATIONS: Final = tuple(range(-20, 21, 2))
"""Rotations that are tried. [degrees]"""
CLEARLY: Final = 0.5
"""Share of the learnt edges from which a shift or rotation explains a picture."""
LESSONS: Final = 15
"""Glances whose median is the view: who passes is in few of them. Full: the oldest goes."""
LESSON: Final = 10.0
"""Time between two of them, once there are enough: so the view follows the day. [s]"""


class Glance(NamedTuple):
    """One small picture."""

    grey: Float32s  # (h, w) [grey levels]
    x: Float32s  # (h, w) gradient to the right [grey levels / px]
    y: Float32s  # (h, w) gradient downwards [grey levels / px]
    mean: float  # [grey levels]
    spread: float  # standard deviation [grey levels]


class Comparison(NamedTuple):
    """How a glance differs from the view that was learnt."""

    kept: float  # share of the learnt edges that are there, 0 as by chance, 1 all
    edges: float  # number of edges of its own, as a share of the learnt number
    sharpness: float  # steepness where the learnt edges are, 1 as learnt


class Turn(NamedTuple):
    """A shift and a rotation that would explain a glance."""

    shift: tuple[float, float]  # to the right and downwards [share of the width]
    rotation: float  # clockwise [degrees]
    kept: float  # share of the learnt edges that are there if it is taken back

    @property
    def far(self) -> float:
        """Length of the shift [share of the width]."""
        return math.hypot(*self.shift)


def glance(luma: Bytes) -> Glance:
    """Look at the luma (h, w) of a picture."""
    height, width = luma.shape
    size = (WIDTH, max(round(WIDTH * height / width), 8))
    small = cv2.resize(luma, size, interpolation=cv2.INTER_AREA)
    return _glance(np.asarray(small, np.float32))


def _glance(grey: Float32s) -> Glance:
    soft = cv2.GaussianBlur(grey, (0, 0), 1.0)
    x = cv2.Sobel(soft, cv2.CV_32F, 1, 0, scale=1 / 8)
    y = cv2.Sobel(soft, cv2.CV_32F, 0, 1, scale=1 / 8)
    return Glance(
        grey,
        np.asarray(x, np.float32),
        np.asarray(y, np.float32),
        float(grey.mean()),
        float(grey.std()),
    )


class View:
    """The view of one camera: the median of some glances, in which nobody is who moves."""

    def __init__(self, first: Glance) -> None:
        self._lessons: list[tuple[Float32s, Float32s, Float32s]] = []
        self._hann = cv2.createHanningWindow(first.grey.shape[::-1], cv2.CV_32F)
        self._waited = 0.0
        self._take(first)

    def learn(self, seen: Glance, seconds: float) -> None:
        """Take in a glance that shows the view, so long after the one before."""
        self._waited += seconds
        if len(self._lessons) < LESSONS or self._waited >= LESSON:
            self._take(seen)

    def _take(self, seen: Glance) -> None:
        self._waited = 0.0
        # brightness is no part of the view: edges are taken as if the light were as ever
        gain = np.float32(self._gain(seen) if self._lessons else 1.0)
        lesson = (gain * seen.grey, gain * seen.x, gain * seen.y)
        self._lessons = [*self._lessons, lesson][-LESSONS:]
        self._grey, self._x, self._y = (
            np.median(part, axis=0) for part in zip(*self._lessons, strict=True)
        )
        self._steepness = np.hypot(self._x, self._y)
        least = max(float(np.quantile(self._steepness, 1 - EDGES)), FLOOR)
        self._edges: Bools = self._steepness >= least
        self._steep = float(self._steepness[self._edges].mean()) if self._edges.any() else 1.0

    def _gain(self, seen: Glance) -> float:
        """Brightness of the view over that of a glance; who fills a third of it does not count."""
        return float(np.median(np.maximum(self._grey, 1.0) / np.maximum(seen.grey, 1.0)))

    @property
    def has_edges(self) -> bool:
        """Whether there is enough to recognise it by."""
        return float(self._edges.mean()) >= FEWEST

    def compare(self, seen: Glance) -> Comparison:
        """Say how a glance differs."""
        gain = self._gain(seen)
        steep = np.hypot(seen.x, seen.y) * gain
        own = float((steep >= self._steep / 2).sum())
        learnt = float((self._steepness >= self._steep / 2).sum())
        kept = self._kept(seen, 0, 0, gain)
        dx, dy = self._shift(seen)
        if 0 < math.hypot(dx, dy) <= TREMBLE * WIDTH:
            kept = max(kept, self._kept(seen, round(dx), round(dy), gain))
        sharp = float(steep[self._edges].mean()) / self._steep
        return Comparison(kept, own / max(learnt, 1.0), sharp)

    def turned(self, seen: Glance) -> Turn | None:
        """Find the shift and rotation that explain a glance; None if there is none."""
        straight = self._turn(seen, 0)
        if straight.kept >= CLEARLY:
            return straight
        best = max((self._turn(seen, angle) for angle in ROTATIONS), key=lambda turn: turn.kept)
        return best if best.kept >= CLEARLY else None

    def _turn(self, seen: Glance, rotation: float) -> Turn:
        height, width = seen.grey.shape
        if rotation:  # taken back
            back = cv2.getRotationMatrix2D((width / 2, height / 2), rotation, 1.0)
            turned = cv2.warpAffine(
                seen.grey, back, (width, height), borderMode=cv2.BORDER_REPLICATE
            )
            seen = _glance(np.asarray(turned, np.float32))
        dx, dy = self._shift(seen)
        kept = self._kept(seen, round(dx), round(dy), self._gain(seen))
        return Turn((dx / WIDTH, dy / WIDTH), rotation, kept)

    def _kept(self, seen: Glance, dx: int, dy: int, gain: float) -> float:
        """Share of the learnt edges that a glance shows, so much brighter and shifted so. [px]."""
        height, width = self._edges.shape
        if abs(dx) >= width // 2 or abs(dy) >= height // 2:
            return 0.0
        ours = np.s_[max(-dy, 0) : height - max(dy, 0), max(-dx, 0) : width - max(dx, 0)]
        theirs = np.s_[max(dy, 0) : height - max(-dy, 0), max(dx, 0) : width - max(-dx, 0)]
        edges = self._edges[ours]
        if edges.sum() < self._edges.sum() / 4:  # too few are left to tell
            return 0.0
        own, steep = self._steepness[ours], np.hypot(seen.x[theirs], seen.y[theirs])
        along = np.abs(self._x[ours] * seen.x[theirs] + self._y[ours] * seen.y[theirs])
        there = (along >= AGREEMENT * own * steep) & (steep * gain >= FAINT * own)
        return (float(there[edges].mean()) - CHANCE) / (1 - CHANCE)

    def _shift(self, seen: Glance) -> tuple[float, float]:
        """Where the edges went: phase correlation of how steep they are. [px]."""
        # copies: the correlation windows its arguments in place
        one = self._steepness.astype(np.float32)
        other = np.hypot(seen.x, seen.y).astype(np.float32)
        (dx, dy), _ = cv2.phaseCorrelate(one, other, self._hann)
        return float(dx), float(dy)
