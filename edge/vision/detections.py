"""What one frame shows, before anything is known of earlier frames."""

from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from edge.vision.frames import Bools, Boxes, Bytes, Floats, Integers


class Detections(NamedTuple):
    """Things seen in one frame."""

    boxes: Boxes  # (n, 4) [px]
    seen: Bools  # (n, 4) edges really seen; the others hide behind a neighbour
    score: Floats  # (n,) in [0, 1]
    kind: Bytes  # (n,) RoadUser; 0 where nothing named it
    owner: Integers  # (n,) row of the track it was parted for, -1 if of none
    alone: Bools  # (n,) neither shared out nor left over: surely one thing of its own

    @classmethod
    def of(cls, boxes: Boxes, score: Floats, kind: Bytes | None = None) -> Self:
        """Fully seen boxes of no track."""
        n = len(boxes)
        kind = np.zeros(n, np.uint8) if kind is None else kind
        return cls(boxes, np.ones((n, 4), bool), score, kind, np.full(n, -1), np.ones(n, bool))

    @classmethod
    def empty(cls) -> Self:
        """No thing at all."""
        return cls.of(np.zeros((0, 4)), np.zeros(0))

    def __add__(self, other: Self) -> Self:  # type: ignore[override]
        """Put both one after the other."""
        mine: tuple[npt.NDArray[Any], ...] = self
        theirs: tuple[npt.NDArray[Any], ...] = other
        pairs = zip(mine, theirs, strict=True)
        return type(self)(*(np.concatenate(pair) for pair in pairs))

    def pick(self, rows: Bools | Integers) -> Self:
        """Rows of it."""
        columns: tuple[npt.NDArray[Any], ...] = self
        return type(self)(*(column[rows] for column in columns))
