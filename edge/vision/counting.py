"""Who passed which line, once."""

from typing import Final, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from edge.vision.frames import Bools, Bytes, Floats, Ids, Integers

HYSTERESIS: Final = 0.2
"""Distance behind a line at which somebody has passed it, in own sizes: boxes tremble."""
EDGE: Final = 0.02
"""An end of a line so near the picture's border is on it, as a share of the longer side."""
NOBODY: Final = np.zeros((0, 2), np.uint32)


class Line(NamedTuple):
    """Segment from a to b in the image [px].

    Seen on the picture, looking from a to b, "in" is from the left-hand side to the right-hand
    side. As y points down, the left-hand side of a line drawn from left to right is above it:
    whoever walks down the picture across it goes "in".
    """

    id: str
    a: tuple[float, float]
    b: tuple[float, float]

    def beyond_borders(self, width: int, height: int) -> Self:
        """Line whose ends on the border of a picture [px] go on outside: there may be the feet."""
        size, ends = np.array([width, height]), np.array([self.a, self.b], float)
        margin = EDGE * size.max()
        out = np.any((ends <= margin) | (ends >= size - margin), axis=1)
        along = (ends[1] - ends[0]) / np.hypot(*(ends[1] - ends[0]))
        ends += np.where(out, size.sum(), 0)[:, None] * np.array([-along, along])
        return self._replace(a=tuple(ends[0].tolist()), b=tuple(ends[1].tolist()))


class Crossing(NamedTuple):
    """One passage of one line by one road user."""

    line: str
    direction: str  # "in" | "out"
    track: int
    kind: int  # RoadUser
    captured: int  # moment of the passage, between frames [µs]
    speed: float  # on the ground, nan where it is not known [m/s]
    confidence: float
    speed_sd: float = np.nan  # standard error of the speed [m/s]


class Passages(NamedTuple):
    """What one line saw in one frame: k passages."""

    row: Integers  # (k,) row among the tracks of this frame
    inward: Bools  # (k,)
    captured: Integers  # (k,) [µs]


_NO_PASSAGE: Final = Passages(np.zeros(0, int), np.zeros(0, bool), np.zeros(0, int))
_MEMORY: Final = np.dtype(
    [
        ("id", np.uint32),
        ("first", float),  # side on which it was first seen: +1 left, -1 right
        ("side", float),  # side on which it is
        ("away", float),  # signed distance at the last position [px]
        ("where", float),  # place along the line then [px]
        ("when", np.int64),  # moment of it [µs]
        ("on_at", np.int64),  # moment of the last change of sign [µs]
        ("on_where", float),  # place along the line then [px]
    ]
)


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
        self._memory = np.zeros(0, _MEMORY)  # ascending by id

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
        now = np.zeros(len(ids), _MEMORY)
        now["id"], now["away"], now["where"], now["when"] = ids, away, where, captured
        now["side"] = now["first"] = np.where(away >= 0, 1.0, -1.0)
        now["on_at"], now["on_where"] = captured, where
        in_memory, row = _rows(self._memory["id"], ids)
        old = self._memory[in_memory]
        changed = (old["away"] >= 0) != (away[row] >= 0)
        with np.errstate(invalid="ignore", divide="ignore"):
            share = np.where(changed, old["away"] / (old["away"] - away[row]), 0.0)
        on_at = old["when"] + share * (captured - old["when"])
        on_where = old["where"] + share * (where[row] - old["where"])
        now["on_at"][row] = np.where(changed, on_at, old["on_at"])
        now["on_where"][row] = np.where(changed, on_where, old["on_where"])
        now["first"][row], now["side"][row] = old["first"], old["side"]
        beyond = (away * now["side"] < 0) & (np.abs(away) > HYSTERESIS * size)
        passed = beyond & self._on_line(now)
        now["side"][beyond] *= -1
        found = Passages(np.flatnonzero(passed), now["side"][passed] < 0, now["on_at"][passed])
        hidden = _is_in(self._memory["id"], known)
        hidden[in_memory] = False
        if hidden.any():
            now = np.concatenate((self._memory[hidden], now))
            now = now[np.argsort(now["id"])]
        self._memory = now
        return found

    def parted(self, pairs: Ids, ids: Ids) -> Passages:
        """Passages of those who were hidden in a group while it passed.

        Parameters
        ----------
        pairs : (k, 2) uint32
            Who came out of a group, and the track that the group was.
        ids : (n,) uint32
            Tracks, ascending, to whose rows the answer refers.
        """
        if not len(pairs):
            return _NO_PASSAGE
        known = self._memory["id"]
        pairs = pairs[np.isin(pairs, known).all(axis=1) & np.isin(pairs[:, 0], ids)]
        who, group = (self._memory[np.searchsorted(known, side)] for side in pairs.T)
        passed = (who["first"] != group["first"]) & self._on_line(group)
        row = np.searchsorted(ids, who["id"][passed])
        return Passages(row, who["first"][passed] < 0, group["on_at"][passed])

    def _on_line(self, memory: npt.NDArray[np.void]) -> Bools:
        where = memory["on_where"]
        on_line: Bools = (where >= 0) & (where <= self._length)
        return on_line


def _rows(old: Ids, new: Ids) -> tuple[Integers, Integers]:
    """Rows in `old` and in `new` of the ids that are in both; both ascend."""
    place = np.searchsorted(old, new)
    in_new = np.flatnonzero(_is_in(new, old, place))
    return place[in_new], in_new


def _is_in(ids: Ids, known: Ids, place: Integers | None = None) -> Bools:
    """Which ids are among some that ascend; `place` is where they are or would be."""
    if not len(known):
        return np.zeros(len(ids), bool)
    place = np.searchsorted(known, ids) if place is None else place
    found: Bools = known[np.minimum(place, len(known) - 1)] == ids
    return found


class Counter:
    """All lines of one camera; passages of unconfirmed tracks wait for their confirmation."""

    def __init__(self, lines: list[Line]) -> None:
        self._gates = [Gate(line) for line in lines]
        self._waiting: dict[int, list[Crossing]] = {}  # at most the living unconfirmed tracks

    def step(
        self, ids: Ids, seen: Bools, confirmed: Bools, points: Floats, size: Floats,
        kind: Bytes, speed: Floats, score: Floats, captured: int,
        parted: Ids = NOBODY, speed_sd: Floats | None = None,
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
        parted : (k, 2) uint32
            Confirmed tracks that came out of a group, and the track that the group was.
        speed_sd : (n,) float or None
            Standard error of the speed. [m/s]
        """
        crossings = []
        error = np.full(len(ids), np.nan) if speed_sd is None else speed_sd
        for gate in self._gates:
            found = gate.step(ids[seen], points[seen], size[seen], ids, captured)
            hidden = gate.parted(parted, ids)
            if not len(found.row) + len(hidden.row):
                continue
            rows = np.concatenate((np.flatnonzero(seen)[found.row], hidden.row))
            inward = np.concatenate((found.inward, hidden.inward))
            when = np.concatenate((found.captured, hidden.captured))
            for row, inwards, moment in zip(rows, inward, when, strict=True):
                crossing = Crossing(
                    gate.line.id, "in" if inwards else "out", int(ids[row]), int(kind[row]),
                    int(moment), float(speed[row]), float(score[row]), float(error[row]),
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
