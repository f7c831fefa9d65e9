"""Who passed which line, once."""

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from edge.vision.frames import Bools, Bytes, Floats, Ids, Integers

HYSTERESIS: Final = 0.2
"""Distance behind a line at which somebody has passed it, in own sizes: boxes tremble."""


class Line(NamedTuple):
    """Segment from a to b in the image [px].

    Seen on the picture, looking from a to b, "in" is from the left-hand side to the right-hand
    side. As y points down, the left-hand side of a line drawn from left to right is above it:
    whoever walks down the picture across it goes "in".
    """

    id: str
    a: tuple[float, float]
    b: tuple[float, float]


class Crossing(NamedTuple):
    """One passage of one line by one road user."""

    line: str
    direction: str  # "in" | "out"
    track: int
    kind: int  # RoadUser
    captured: int  # moment of the passage, between frames [µs]
    speed: float  # on the ground, nan where it is not known [m/s]
    confidence: float


class Passages(NamedTuple):
    """What one line saw in one frame: k passages."""

    row: Integers  # (k,) row among the tracks of this frame
    inward: Bools  # (k,)
    captured: Integers  # (k,) [µs]


class Gate:
    """Memory of one line: on which side each track is, and when it last was on the line.

    A track's first position says on which side it comes from, however close. After that it must be
    `HYSTERESIS` of its size beyond the line to have passed it; the passage itself is dated by the
    last change of sign before that.
    """

    def __init__(self, line: Line) -> None:
        self.line = line
        a, b = np.array(line.a, float), np.array(line.b, float)
        self._a, self._length = a, float(np.hypot(*(b - a)))
        self._along = (b - a) / self._length
        self._left = np.array([self._along[1], -self._along[0]])
        self._id = np.zeros(0, np.uint32)
        self._side = np.zeros(0)  # +1 left, -1 right
        self._away = np.zeros(0)  # signed distance at the last position [px]
        self._where = np.zeros(0)  # place along the line then [px]
        self._when = np.zeros(0, np.int64)  # moment of it [µs]
        self._on_at = np.zeros(0, np.int64)  # moment of the last change of sign [µs]
        self._on_where = np.zeros(0)  # place along the line then [px]

    def step(self, ids: Ids, points: Floats, size: Floats, known: Ids, captured: int) -> Passages:
        """Advance by one frame.

        Parameters
        ----------
        ids : (n,) uint32
            Tracks seen in this frame, ascending.
        points : (n, 2) float
            Where each touches the ground. [px]
        size : (n,) float
            Size of each. [px]
        known : (m,) uint32
            All tracks that still live, ascending; others are forgotten.
        captured : int
            Moment of the frame. [µs]
        """
        offset = points - self._a
        away, where = offset @ self._left, offset @ self._along
        old, row = _rows(self._id, ids)
        side = np.where(away >= 0, 1.0, -1.0)
        on_at, on_where = np.full(len(ids), captured), where.copy()
        last, then = self._away[old], self._when[old]
        changed = (last >= 0) != (away[row] >= 0)
        with np.errstate(invalid="ignore", divide="ignore"):
            share = np.where(changed, last / (last - away[row]), 0.0)
        on_at[row] = np.where(changed, then + share * (captured - then), self._on_at[old])
        before = self._where[old]
        on_where[row] = np.where(
            changed, before + share * (where[row] - before), self._on_where[old]
        )
        side[row] = self._side[old]
        beyond = (away * side < 0) & (np.abs(away) > HYSTERESIS * size)
        passed = beyond & (on_where >= 0) & (on_where <= self._length)
        side[beyond] *= -1
        self._remember(
            ids, known, (side, away, where, np.full(len(ids), captured), on_at, on_where)
        )
        return Passages(np.flatnonzero(passed), side[passed] < 0, on_at[passed])

    def _remember(self, ids: Ids, known: Ids, fresh: tuple[npt.NDArray[Any], ...]) -> None:
        stay = ~np.isin(self._id, ids) & np.isin(self._id, known)
        kept: tuple[npt.NDArray[Any], ...] = (
            self._side,
            self._away,
            self._where,
            self._when,
            self._on_at,
            self._on_where,
        )
        every = np.concatenate((self._id[stay], ids))
        order = np.argsort(every)
        self._id = every[order]
        self._side, self._away, self._where, self._when, self._on_at, self._on_where = (
            np.concatenate((old[stay], new))[order] for old, new in zip(kept, fresh, strict=True)
        )


def _rows(old: Ids, new: Ids) -> tuple[Integers, Integers]:
    """Rows in `old` and in `new` of the ids that are in both."""
    _, in_old, in_new = np.intersect1d(old, new, assume_unique=True, return_indices=True)
    return in_old, in_new


class Counter:
    """All lines of one camera; passages of unconfirmed tracks wait for their confirmation."""

    def __init__(self, lines: list[Line]) -> None:
        self._gates = [Gate(line) for line in lines]
        self._waiting: dict[int, list[Crossing]] = {}  # at most the living unconfirmed tracks

    def step(
        self, ids: Ids, seen: Bools, confirmed: Bools, points: Floats, size: Floats,
        kind: Bytes, speed: Floats, score: Floats, captured: int,
    ) -> list[Crossing]:  # fmt: skip
        """Advance by one frame.

        Parameters
        ----------
        ids : (n,) uint32
            All living tracks, ascending.
        seen, confirmed : (n,) bool
            Who was really seen in this frame; who is believed.
        points, size : (n, 2), (n,) float
            Where each touches the ground, how large it is. [px]
        kind, speed, score : (n,)
            Class, speed on the ground [m/s], confidence.
        captured : int
            Moment of the frame. [µs]
        """
        crossings = []
        for gate in self._gates:
            found = gate.step(ids[seen], points[seen], size[seen], ids, captured)
            rows = np.flatnonzero(seen)[found.row]
            for row, inward, when in zip(rows, found.inward, found.captured, strict=True):
                crossing = Crossing(
                    gate.line.id, "in" if inward else "out", int(ids[row]), int(kind[row]),
                    int(when), float(speed[row]), float(score[row]),
                )  # fmt: skip
                if confirmed[row]:
                    crossings.append(crossing)
                else:
                    self._waiting.setdefault(int(ids[row]), []).append(crossing)
        return crossings + self._released(ids, confirmed)

    def _released(self, ids: Ids, confirmed: Bools) -> list[Crossing]:
        """Passages of tracks confirmed by now; those of tracks that are gone are forgotten."""
        if not self._waiting:
            return []
        alive = dict(zip(ids.tolist(), confirmed.tolist(), strict=True))
        ready = [track for track in self._waiting if alive.get(track, False)]
        released = [c for track in ready for c in self._waiting.pop(track)]
        self._waiting = {t: c for t, c in self._waiting.items() if t in alive}
        return released
