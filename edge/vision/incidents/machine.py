"""The state machine of all incidents: a table of rules, applied to many subjects at once.

A subject is whoever may cause an incident: a track, a zone, the camera itself. For each frame it is
said whether the conditions of the incident hold for it; the rules make states of that.
"""

from enum import IntEnum
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from edge.vision.frames import Bools, Ids, Integers

GAP: Final = 2_000_000
"""Between frames that are further apart nobody knows whether a condition held. [µs]"""
LAPSE: Final = 0.3
"""A condition that fails for less, while it is suspected, has not failed: boxes tremble. [s]"""


class State(IntEnum):
    """Of a subject."""

    CLEAR = 0
    SUSPECTED = 1  # the conditions hold, not yet for long enough
    ACTIVE = 2  # it is an incident


class Timing(NamedTuple):
    """How long conditions must hold, or not hold; in seconds."""

    after: float  # until it is an incident
    clear: float  # until it is over
    cool: float  # after that, until the same may be said again; `cases.Cases` sees to it
    lapse: float = LAPSE


class Rule(NamedTuple):
    """From a state to another, once the conditions have (not) held for a time of `Timing`."""

    state: State
    holds: bool
    lasting: str  # field of Timing; empty: at once
    counted_from: str  # "since": the begin of the state; "turned": when the conditions changed
    to: State


RULES: Final = (
    Rule(State.CLEAR, True, "", "turned", State.SUSPECTED),
    Rule(State.SUSPECTED, True, "after", "since", State.ACTIVE),
    Rule(State.SUSPECTED, False, "lapse", "turned", State.CLEAR),
    Rule(State.ACTIVE, False, "clear", "turned", State.CLEAR),
)
"""Those of one state exclude each other; at most two follow each other in one frame."""

MEMORY: Final = np.dtype(
    [
        ("id", np.uint32),
        ("state", np.uint8),
        ("since", np.int64),  # when it came to the state [µs]
        ("holds", bool),  # the conditions, when they were last known
        ("turned", np.int64),  # when that changed [µs]
        ("began", np.int64),  # when it was first suspected [µs]
        ("held", np.int64),  # last moment at which they held [µs]
        ("asked", np.int64),  # frames since it was suspected, ...
        ("yes", np.int64),  # ... and those of them in which they held
        ("case", np.int64),  # number that `cases.Cases` gave it, 0 none
    ]
)


class Machine:
    """Subjects of one incident at one place; only those that are not clear are remembered."""

    def __init__(self, timing: Timing) -> None:
        self.timing = timing
        self.memory: npt.NDArray[np.void] = np.zeros(0, MEMORY)  # ascending by id
        self._last: int | None = None

    def state(self, ids: Ids) -> Integers:
        """State (n,) of each subject before this frame."""
        states = np.full(len(ids), State.CLEAR, np.int64)
        _, new, old = np.intersect1d(ids, self.memory["id"], True, return_indices=True)
        states[new] = self.memory["state"][old]
        return states

    def rename(self, old: Ids, new: Ids) -> None:
        """Give subjects that are gone (k,) the ids of those that they turned out to be."""
        row = np.searchsorted(self.memory["id"], old)
        self.memory["id"][row] = new
        self.memory = self.memory[np.argsort(self.memory["id"])]

    def step(
        self, ids: Ids, holds: Bools, known: Bools, captured: int
    ) -> tuple[npt.NDArray[np.void], npt.NDArray[np.void]]:
        """Advance by one frame.

        Parameters
        ----------
        ids : (n,) uint32
            Subjects that are there, ascending; for all others the conditions do not hold.
        holds, known : (n,) bool
            Whether the conditions hold, and whether that can be told in this frame.
        captured : int
            Moment of the frame. [µs]

        Returns
        -------
        began, ended
            Memories of subjects that became active, and of those that are no more.
        """
        blind = self._last is not None and not 0 <= captured - self._last <= GAP
        self._last = captured
        now = self._with(ids, holds, known, captured)
        if blind:  # a suspicion is not kept alive by time in which nobody looked
            now = now[now["state"] == State.ACTIVE]
            now["turned"] = captured
        before = now["state"].copy()
        self._apply(now, captured)
        began = now[(before != State.ACTIVE) & (now["state"] == State.ACTIVE)]
        ended = now[(before == State.ACTIVE) & (now["state"] != State.ACTIVE)]
        self.memory = now[now["state"] != State.CLEAR]
        return began, ended

    def assign(self, ids: Ids, case: int) -> None:
        """Put down which case these subjects are."""
        self.memory["case"][np.isin(self.memory["id"], ids)] = case

    def _with(self, ids: Ids, holds: Bools, known: Bools, captured: int) -> npt.NDArray[np.void]:
        """Memories of everybody: who is gone does not hold, who cannot be told does as before."""
        every: Ids = np.union1d(self.memory["id"], ids[holds & known])
        now = np.zeros(len(every), MEMORY)
        now["id"], now["turned"], now["since"] = every, captured, captured
        now[np.searchsorted(every, self.memory["id"])] = self.memory
        holding = np.zeros(len(every), bool)
        _, here, row = np.intersect1d(every, ids, True, return_indices=True)
        holding[here] = np.where(known[row], holds[row], now["holds"][here])
        now["turned"] = np.where(holding != now["holds"], captured, now["turned"])
        now["holds"] = holding
        now["held"] = np.where(holding, captured, now["held"])
        now["asked"] += 1
        now["yes"] += holding
        return now

    def _apply(self, now: npt.NDArray[np.void], captured: int) -> None:
        for rule in RULES:
            lasting = getattr(self.timing, rule.lasting) if rule.lasting else 0.0
            passed = captured - now[rule.counted_from] >= lasting * 1e6
            due = (now["state"] == rule.state) & (now["holds"] == rule.holds) & passed
            now["state"][due], now["since"][due] = rule.to, captured
            if rule.to is State.SUSPECTED:
                now["began"][due] = captured
                now["asked"][due] = now["yes"][due] = 1


def carry(
    old_ids: Ids, values: npt.NDArray[Any], ids: Ids, empty: npt.NDArray[Any]
) -> npt.NDArray[Any]:
    """Values of these ids, ascending and unique: those they had, else those of `empty`."""
    moved = empty.copy()
    _, old, new = np.intersect1d(old_ids, ids, True, return_indices=True)
    moved[new] = values[old]
    return moved
