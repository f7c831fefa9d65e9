"""Which faults a run has, and when: all of it follows from its seed."""

import itertools
import random
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

YEAR: Final = 365 * 24 * 3600

AGENTS: Final = ("cam-1", "cam-2", "cam-3")
WORKERS: Final = ("ingest-1", "ingest-2")
LINKS: Final = (*AGENTS, "meter", "broker", "database")
"""Links: of each device to the broker, of ingest to the broker, of ingest to the database."""


class Fault(NamedTuple):
    """One thing that goes wrong for a while."""

    kind: str
    victim: str
    hold: float  # [s]
    amount: float = 0.0  # what that is depends on the kind
    overlaps: bool = False  # the next fault begins before this one ends

    def __str__(self) -> str:
        """Say it in a line."""
        amount = f" {self.amount:+g}" if self.amount else ""
        then = ", and meanwhile" if self.overlaps else ""
        return f"{self.kind} {self.victim}{amount} for {self.hold:.2f} s{then}"


Draw = Callable[[random.Random], tuple[str, float]]  # a victim and an amount


def _one(*victims: str) -> Draw:
    return lambda dice: (dice.choice(victims), 0.0)


def _clock(dice: random.Random) -> tuple[str, float]:
    jumps = (-40 * YEAR, -YEAR, -3 * 3600, -600, 120, 1800, YEAR, 20 * YEAR)
    return dice.choice((*AGENTS, *WORKERS)), dice.choice(jumps)


KINDS: Final[dict[str, Draw]] = {
    "kill agent": _one(*AGENTS),
    "kill broker": _one("broker"),
    "kill database": _one("database"),
    "kill worker": _one(*WORKERS),
    "kill analytics": _one("analytics"),
    "pause": _one(*WORKERS, *WORKERS, *AGENTS, "analytics"),
    "power cut": _one("server"),
    "power cut while the database is away": _one("server"),
    "power cut at a commit": _one("server"),
    "workers killed at a commit": _one("workers"),
    "cut": _one(*LINKS),
    "half-open": lambda dice: (dice.choice(LINKS), dice.choice((-1.0, 0.0, 1.0))),
    "slow": lambda dice: (dice.choice(LINKS), dice.uniform(0.05, 0.3)),
    "bad radio": lambda dice: ("cam-1", dice.uniform(0.02, 0.3)),
    "silent radio": _one("cam-1"),
    "commit lost": _one("database"),
    "commit's answer lost": _one("database"),
    "outbox's disk full": _one("cam-3"),
    "database's disk full": _one("database"),
    "database read-only": _one("database"),
    "clock": _clock,
}

OFTEN: Final = ("power cut at a commit", "workers killed at a commit")
"""What finds most: it comes twice as often."""

CYCLE: Final = 10
"""So many seeds that follow each other share the kinds out among them, all of them twice."""


def draw(seed: int, steps: int) -> list[Fault]:
    """Draw the faults of a run."""
    dice = random.Random(seed)  # noqa: S311
    first = seed % CYCLE * steps
    kinds = itertools.islice(_deal(seed // CYCLE), first, first + steps)
    return [
        Fault(
            kind,
            *_drawn(KINDS[kind](dice), hold=dice.uniform(0.3, 1.2)),
            overlaps=dice.random() < 0.35 and step < steps - 1,
        )
        for step, kind in enumerate(kinds)
    ]


def _deal(cycle: int) -> Iterator[str]:
    """Deal out the kinds, all of them before any comes again."""
    dice = random.Random(cycle)  # noqa: S311
    while True:
        yield from dice.sample([*KINDS, *OFTEN], len(KINDS) + len(OFTEN))


def _drawn(drawn: tuple[str, float], hold: float) -> tuple[str, float, float]:
    victim, amount = drawn
    return victim, hold, amount
