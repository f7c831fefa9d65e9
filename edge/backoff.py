"""How long to wait before trying again."""

import random


class Backoff:
    """Waits that double up to a bound, with jitter: a fleet must not knock all at once."""

    def __init__(self, first: float, most: float) -> None:
        self._first = first  # [s]
        self._most = most  # [s]
        self._tries = 0

    def next(self) -> float:
        """Give the next wait, between half of what it may be and all of it. [s]."""
        bound = min(self._most, self._first * 2.0**self._tries)
        self._tries = min(self._tries + 1, 30)
        return bound * random.uniform(0.5, 1.0)  # noqa: S311  # spreads load, keeps no secret

    def reset(self) -> None:
        """Begin with the first wait again: it worked."""
        self._tries = 0
