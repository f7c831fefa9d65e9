"""Turning movements: who came in over which line and went out over which."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from edge.vision.counting import Crossing
from edge.vision.frames import Ids

MOST: Final = 1_000
"""Entries that wait for an exit. Full: the oldest is told without one."""


class Turn(NamedTuple):
    """One movement of one road user; one of its ends may be unknown."""

    entry: str | None  # line
    exit: str | None
    track: int
    kind: int  # RoadUser
    captured: int  # of the exit, of the entry where no exit was seen [µs]
    duration: float  # from entry to exit, nan where one of them is unknown [s]
    confidence: float


class Turns:
    """Pairs passages of the same confirmed track.

    Parameters
    ----------
    enters
        Direction ("in" or "out") in which each gate is entered; passing it the other way is the
        exit. Lines that are not here are no gates.
    """

    def __init__(self, enters: Mapping[str, str]) -> None:
        self._enters = enters
        self._entered: dict[int, Crossing] = {}  # at most MOST

    def step(self, ids: Ids, crossings: list[Crossing]) -> list[Turn]:
        """Advance by one frame: all living tracks, and the passages that became certain."""
        turns = []
        for crossing in sorted(crossings, key=lambda one: one.captured):
            if crossing.line not in self._enters:
                continue
            before = self._entered.pop(crossing.track, None)
            if crossing.direction != self._enters[crossing.line]:
                turns.append(_turn(before, crossing))
                continue
            if before is not None:  # it came in twice: how it went out was not seen
                turns.append(_turn(before, None))
            self._entered[crossing.track] = crossing
        living = set(ids.tolist()) if self._entered else set()
        gone = [track for track in self._entered if track not in living]
        more = max(len(self._entered) - len(gone) - MOST, 0)
        gone += [track for track in self._entered if track in living][:more]
        return turns + [_turn(self._entered.pop(track), None) for track in gone]


def _turn(entry: Crossing | None, leave: Crossing | None) -> Turn:
    ends = [end for end in (entry, leave) if end is not None]
    first, last = ends[0], ends[-1]
    whole = len(ends) == 2  # noqa: PLR2004
    return Turn(
        entry.line if entry else None, leave.line if leave else None,
        last.track, last.kind, last.captured,
        (last.captured - first.captured) / 1e6 if whole else float("nan"),
        min(end.confidence for end in ends),
    )  # fmt: skip
