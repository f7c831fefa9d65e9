"""What is known of each road user that is followed."""

from dataclasses import dataclass, field, fields
from typing import Final, Self

import numpy as np

from contracts.classes import RoadUser
from edge.vision import kalman
from edge.vision.boxes import grow
from edge.vision.detections import Detections
from edge.vision.frames import Bools, Boxes, Floats, Ids, Integers

SLOW: Final = 0.5
"""Speed below which the background would begin to learn a road user. [own sizes / s]"""
DOUBTED: Final = 2
"""Times in a row that a detector saw others in its place, from which a track claims nothing."""
MATURE_AGE: Final = 0.5
"""Time seen alone with nobody near [s], and ..."""
MATURE_MOVED: Final = 0.7
"""... way made meanwhile, in own sizes, from which a track claims its share of a merged region."""


@dataclass(slots=True)
class Tracks:
    """State of n tracks; row i of each array is one road user. Rows are in order of `id`."""

    id: Ids  # (n,)
    mean: Floats  # (n, 2, 4) see `kalman.BoxState`
    cov: Floats  # (n, 2, 4, 4)
    born: Integers  # (n,) [µs]
    seen: Integers  # (n,) moment of the last detection [µs]
    alone: Integers  # (n,) detections that were not shared out with a neighbour
    alone_now: Bools  # (n,) so in this frame
    free: Floats  # (n,) time for which it was seen alone, with nobody near [s]
    confirmed: Bools  # (n,)
    named: Bools  # (n,) a detector has seen it
    doubt: Integers  # (n,) times in a row that a detector saw others in its place
    votes: Floats  # (n, classes) summed scores per class
    score: Floats  # (n,) smoothed score
    origin: Boxes  # (n, 4) where it was first seen [px]
    moved: Floats  # (n,) longest distance from there so far, in own sizes
    still: Integers  # (n,) since when it stands, or the last moment at which it moved [µs]
    twin: Integers  # (n,) last moment at which it overlapped no older track [µs]
    tiled: Floats  # (n,) time for which it and an older track were like pieces of one thing [s]
    extent: Floats  # (n, 2) width and height where nothing hides it [px]
    whole: Integers  # (n, 2) last moment at which it was that wide and high [µs]
    group: Ids  # (n,) track in whose box it was first seen and has not yet left; 0: none
    met: Bools  # (n,) its box has touched another confirmed one's
    _boxes: Boxes | None = field(default=None, init=False, repr=False, compare=False)

    @classmethod
    def empty(cls) -> Self:
        """No track at all."""
        return cls.start(Detections.empty(), 1, 0)

    @classmethod
    def start(cls, found: Detections, first: int, now: int) -> Self:
        """Tracks of things seen for the first time, numbered from `first`, at a moment [µs]."""
        n = len(found.score)
        state = kalman.start(found.boxes)
        votes = np.zeros((n, len(RoadUser)))
        votes[np.arange(n), found.kind] = np.where(found.kind > 0, found.score, 0)
        return cls(
            id=np.arange(first, first + n, dtype=np.uint32),
            mean=state.mean,
            cov=state.cov,
            born=np.full(n, now),
            seen=np.full(n, now),
            alone=found.alone.astype(np.int64),
            alone_now=found.alone.copy(),
            free=np.zeros(n),
            confirmed=np.zeros(n, bool),
            named=found.kind > 0,
            doubt=np.zeros(n, np.int64),
            votes=votes,
            score=found.score.copy(),
            origin=found.boxes.copy(),
            moved=np.zeros(n),
            still=np.full(n, now),
            twin=np.full(n, now),
            tiled=np.zeros(n),
            extent=found.boxes[:, 2:] - found.boxes[:, :2],
            whole=np.full((n, 2), now),
            group=np.zeros(n, np.uint32),
            met=np.zeros(n, bool),
        )

    def __len__(self) -> int:
        return len(self.id)

    def pick(self, rows: Bools | Integers) -> Self:
        """Rows of it."""
        return type(self)(*(getattr(self, name)[rows] for name in _COLUMNS))

    def __add__(self, other: Self) -> Self:
        """Put both one after the other."""
        if not len(other):
            return self
        return type(self)(
            *(np.concatenate((getattr(self, name), getattr(other, name))) for name in _COLUMNS)
        )

    def move(self, state: kalman.BoxState) -> None:
        """Replace the estimates of all."""
        self.mean, self.cov = state
        self._boxes = None

    @property
    def boxes(self) -> Boxes:
        """Estimated boxes (n, 4) [px]."""
        if self._boxes is None:
            self._boxes = kalman.to_boxes(self.mean)
        return self._boxes

    @property
    def kind(self) -> Integers:
        """Class (n,) with the most votes, unknown where nobody voted."""
        return self.votes.argmax(axis=1) if len(self) else np.zeros(0, int)


_COLUMNS: Final = tuple(f.name for f in fields(Tracks) if f.init)


def standing(tracks: Tracks, now: int, longest: float) -> Boxes:
    """Boxes (k, 4) [px] of road users that the background must not learn.

    Those that came by themselves, so that neither what the first background hid nor what it falsely
    shows is kept; and none that has stood for longer than `longest`. [s]
    """
    if not len(tracks):
        return tracks.boxes
    genuine = tracks.confirmed & ((tracks.moved > 1) | tracks.named)
    recent = now - tracks.still <= longest * 1e6
    slow = np.hypot(tracks.mean[:, 0, 2], tracks.mean[:, 1, 2]) < SLOW * kalman.scale_of(
        tracks.mean
    )
    return grow(tracks.boxes[genuine & recent & slow], 0.08)


def mature(tracks: Tracks) -> Bools:
    """Tracks (n,) that may claim their share of a merged region."""
    alone = (tracks.free >= MATURE_AGE) & (tracks.moved >= MATURE_MOVED)
    claims: Bools = (tracks.named | alone) & (tracks.doubt < DOUBTED)
    return claims
