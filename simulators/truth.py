"""What really happened: who passed which count line, when, which way and how fast.

The point that passes is the middle of the road user's box on the ground. A camera sees the foot
of its box instead, half a vehicle earlier or later: the moments differ by tenths of a second, the
counts do not.
"""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from contracts.classes import RoadUser
from contracts.clock import MICROSECONDS
from contracts.site import CountLine
from simulators.world import Scene


class Passage(NamedTuple):
    """One road user passed one line."""

    time: float  # [s] of the run, interpolated within the step
    line: str
    direction: int  # +1 in: from the left of a->b to its right, -1 out
    kind: RoadUser
    ident: int
    speed: float  # [m/s]
    signal: str = ""  # of the line's approach at that moment: green, yellow, red, red-amber


SIGNALS: Final = {"G": "green", "y": "yellow", "r": "red", "u": "red-amber"}


def passages(before: Scene, after: Scene, lines: Sequence[CountLine]) -> list[Passage]:
    """Who passed a line between two scenes, in order of time."""
    _, i, j = np.intersect1d(before.ident, after.ident, assume_unique=True, return_indices=True)
    start = np.column_stack([before.x[i], before.y[i]])
    end = np.column_stack([after.x[j], after.y[j]])
    found = []
    for line in lines:
        share, side = _cut(start, end, np.array(line.a), np.array(line.b))
        for k in np.flatnonzero(side):
            speed = before.speed[i[k]] * (1 - share[k]) + after.speed[j[k]] * share[k]
            found.append(
                Passage(
                    float(before.time + share[k] * (after.time - before.time)),
                    line.id,
                    int(side[k]),
                    RoadUser(int(after.kind[j[k]])),
                    int(after.ident[j[k]]),
                    float(speed),
                )
            )
    return sorted(found)


def _cut(
    start: NDArray[np.float64],
    end: NDArray[np.float64],
    a: NDArray[np.float64],
    b: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.int8]]:
    """Where the paths start-end (N, 2) cut the segment a-b.

    Returns the share of the path before the cut and the direction: +1, -1, or 0 for no cut.
    A point on the line is taken to be on its right, so no path is counted twice.
    """
    along = b - a
    left_before = _cross(along, start - a)
    left_after = _cross(along, end - a)
    passed = (left_before > 0) != (left_after > 0)
    with np.errstate(invalid="ignore", divide="ignore"):  # parallel paths: masked by `passed`
        share = left_before / (left_before - left_after)
        at = start + share[:, None] * (end - start)
        position = (at - a) @ along / (along @ along)
    within = passed & (position >= 0) & (position <= 1)
    side = np.where(left_before > 0, 1, -1) * within
    return share, side.astype(np.int8)


def _cross(u: NDArray[np.float64], v: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(u[0] * v[:, 1] - u[1] * v[:, 0])


class TruthFile:
    """Passages of a run as JSON lines; a context manager. Without a path nothing is written.

    A line is whole when it is seen: the file may be read while the run goes on.
    """

    def __init__(self, path: Path | None, start: int) -> None:
        self._start = start
        self._file = path.open("w", encoding="utf-8", buffering=1) if path is not None else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file is not None:
            self._file.close()

    def write(self, found: Iterable[Passage]) -> None:
        """Append passages."""
        if self._file is None:
            return
        for passage in found:
            line = {
                "t": self._start + round(passage.time * MICROSECONDS),
                "line": passage.line,
                "direction": "in" if passage.direction > 0 else "out",
                "class": passage.kind.name.lower(),
                "road_user": passage.ident,
                "speed": round(passage.speed, 3),
            }
            if passage.signal:
                line["signal"] = passage.signal
            self._file.write(json.dumps(line) + "\n")
