"""The signal plan, and the events of the controller that runs it.

Codes are those of the Indiana Traffic Signal Hi Resolution Data Logger Enumerations.
"""

import itertools
import tomllib
from collections.abc import Iterator
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

import msgspec

from simulators.errors import SignalPlanError


class Code(IntEnum):
    """Event codes of a high-resolution controller log."""

    BEGIN_GREEN = 1
    BEGIN_YELLOW = 8
    BEGIN_RED_CLEARANCE = 10
    END_RED_CLEARANCE = 11
    BEGIN_WALK = 21
    BEGIN_PEDESTRIAN_CLEARANCE = 22
    BEGIN_DO_NOT_WALK = 23
    DETECTOR_OFF = 81
    DETECTOR_ON = 82


class SignalEvent(NamedTuple):
    """One entry of the controller's log."""

    at: float  # [s] of the run
    code: int
    parameter: int  # phase, or detector channel


class Phase(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When the vehicles of one edge may go."""

    number: int
    edge: str
    green: tuple[float, float]
    yellow_s: float
    red_clearance_s: float
    red_amber_s: float

    def switches(self) -> list[tuple[float, Code]]:
        """Events of one cycle, seconds from the first second of the cycle, unwrapped."""
        begin, end = self.green
        red = end + self.yellow_s
        return [
            (begin, Code.BEGIN_GREEN),
            (end, Code.BEGIN_YELLOW),
            (red, Code.BEGIN_RED_CLEARANCE),
            (red + self.red_clearance_s, Code.END_RED_CLEARANCE),
        ]


class Walk(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When pedestrians may cross one arm."""

    phase: int
    arm: str  # edge towards the junction that the crossing lies over
    walk: tuple[float, float]
    clearance_s: float

    def switches(self) -> list[tuple[float, Code]]:
        """Events of one cycle, seconds from the first second of the cycle, unwrapped."""
        begin, end = self.walk
        return [
            (begin, Code.BEGIN_WALK),
            (end, Code.BEGIN_PEDESTRIAN_CLEARANCE),
            (end + self.clearance_s, Code.BEGIN_DO_NOT_WALK),
        ]


class SignalPlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Fixed-time plan of one junction."""

    junction: str
    cycle_s: float
    detector_length_m: float
    phase: list[Phase]
    walk: list[Walk]

    def phase_of(self, edge: str) -> int:
        """Give the number of the phase that lets the vehicles of an edge go."""
        for phase in self.phase:
            if phase.edge == edge:
                return phase.number
        msg = f"no phase for edge {edge!r}"
        raise SignalPlanError(msg)

    def colour(self, number: int, at: float) -> str:
        """SUMO's letter of a phase at a second from the start of the plan: G, y, r or u."""
        phase = next(p for p in self.phase if p.number == number)
        since = (at - phase.green[0]) % self.cycle_s
        green = phase.green[1] - phase.green[0]
        if since < green:
            return "G"
        if since < green + phase.yellow_s:
            return "y"
        return "u" if since >= self.cycle_s - phase.red_amber_s else "r"

    def walks(self, arm: str, at: float) -> bool:
        """Whether pedestrians may start to cross an arm at a second from the start of the plan."""
        walk = next((w for w in self.walk if w.arm == arm), None)
        if walk is None:
            msg = f"no walk for the crossing over {arm!r}"
            raise SignalPlanError(msg)
        return (at - walk.walk[0]) % self.cycle_s < walk.walk[1] - walk.walk[0]

    def switch_times(self) -> list[float]:
        """Seconds of the cycle at which any signal changes, the first 0."""
        times = {0.0}
        for phase in self.phase:
            times |= {at % self.cycle_s for at, _ in phase.switches()}
            times.add((phase.green[0] - phase.red_amber_s) % self.cycle_s)
        for walk in self.walk:
            times |= {at % self.cycle_s for at, _ in walk.switches()}
        return sorted(times)

    def log(self) -> Iterator[SignalEvent]:
        """Yield what the controller logs from second 0 on, in order of time, without end."""
        switches = [(p.number, p.switches()) for p in self.phase]
        switches += [(w.phase, w.switches()) for w in self.walk]
        cycle = sorted((at % self.cycle_s, code, n) for n, each in switches for at, code in each)
        for start in itertools.count(0.0, self.cycle_s):
            for at, code, number in cycle:
                yield SignalEvent(start + at, code, number)


def read_plan(path: Path) -> SignalPlan:
    """Read a signal plan.

    Raises
    ------
    SignalPlanError
        If the file is missing or does not say what a plan must say.
    """
    try:
        text = path.read_text(encoding="utf-8")
        return msgspec.convert(tomllib.loads(text), SignalPlan)
    except (OSError, tomllib.TOMLDecodeError, msgspec.ValidationError) as fault:
        msg = f"{path}: {fault}"
        raise SignalPlanError(msg) from fault
