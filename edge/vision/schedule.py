"""When the detector is asked: every n-th frame, n as small as the budget allows.

The budget of live pictures is a share of a core, and what the other work on a frame leaves of the
time until the next one. Both are compared with what the detector was seen to need. A recording that
is read as fast as it goes has no such time, and must be counted alike on each machine: it is asked
at a stated rate of the recording's own time.
"""

from collections import deque
from math import ceil
from statistics import median
from typing import Final, Literal

from contracts.clock import MICROSECONDS

NOMINAL: Final = 10.0
"""How often the detector is asked in a second of a recording that is read as fast as it goes."""
HEADROOM: Final = 0.8
"""Share of the time between two frames that may be planned; the rest is for what varies."""
FLOOR: Final = 0.1
"""Share of that time which is the detector's, even where all else takes longer than there is."""
SELDOM: Final = 10.0
"""The detector is asked this often at least, whatever it costs. [s]"""
RECENT: Final = 10 * MICROSECONDS
"""Requests from before that time say nothing of now, but for the last few. [us]"""
SETTLE: Final = 2 * MICROSECONDS
"""Time between two changes of the schedule. [us]"""
SLACK: Final = 1.1
"""A change leaves so much room, so that the next measurement does not undo it, ..."""
SPARE: Final = 1.3
"""... and the detector is asked more often only where it could need so much more time."""
FEWEST: Final = 5
"""Frames after which the first schedule is made; until then the first one alone is asked about."""
_LAST: Final = 3  # requests that count however old they are
_REMEMBERED: Final = 15  # requests of which the median counts, so an outlier changes nothing
_FRAMES: Final = 31  # the same of frames


class Schedule:
    """Decides about each frame of one source.

    Parameters
    ----------
    every : int or "auto"
        A fixed n, or as small a one as the budget allows.
    share : float
        Of a core, that the detector may use on average.
    live : bool
        Whether frames come in their own time.
    threads : int
        That one request may use.
    """

    def __init__(
        self, every: int | Literal["auto"], share: float, *, live: bool, threads: int = 1
    ) -> None:
        self.every = 1 if every == "auto" else every
        self._fixed, self._share, self._live = every != "auto", share, live
        self._threads = threads
        # when, and what it took: on the wall and of processor time [us, s, s]
        self._requests: deque[tuple[int, float, float]] = deque(maxlen=_REMEMBERED)
        self._intervals: deque[float] = deque(maxlen=_FRAMES)  # [s]
        self._rests: deque[float] = deque(maxlen=_FRAMES)  # processor time of all else [s]
        self._last: int | None = None
        self._waited = 0  # frames since the detector was asked
        self._changed: int | None = None

    @property
    def rate(self) -> float:
        """How often the detector is asked [1/s]; nan until a second frame has come."""
        return 1 / (self.every * median(self._intervals)) if self._intervals else float("nan")

    def due(self, captured: int, rest: float) -> bool:
        """Whether the detector is to be asked about this frame.

        Parameters
        ----------
        captured : int
            Moment of the frame. [us]
        rest : float
            Processor time that was used since the frame before, the detector's own left out. [s]
        """
        first = self._last is None
        if self._last is not None and captured > self._last:
            self._intervals.append((captured - self._last) / MICROSECONDS)
            self._rests.append(rest)
        self._last = captured
        if not self._fixed and self._intervals:
            self._adapt(captured)
        self._waited += 1
        measuring = self._live and not self._fixed and self._changed is None
        if not first and (measuring or self._waited < self.every):
            return False
        self._waited = 0
        return True

    def took(self, wall: float, core: float) -> None:
        """Note what a request took: time on the wall, and processor time. [s]."""
        now = self._last or 0
        self._requests.append((now, wall, core))
        while len(self._requests) > _LAST and now - self._requests[0][0] > RECENT:
            self._requests.popleft()

    def _adapt(self, captured: int) -> None:
        if not self._live:
            self.every = max(round(1 / (NOMINAL * median(self._intervals))), 1)
            return
        if self._changed is None:
            wait = len(self._rests) < FEWEST or not self._requests
        else:
            wait = 0 <= captured - self._changed < SETTLE  # less: the clock was set back
        if wait:
            return
        if self._changed is None or self._wanted(1.0) > self.every:
            wanted = self._wanted(SLACK)
        elif self._wanted(SPARE) < self.every:
            wanted = self._wanted(SPARE)
        else:
            return
        self.every, self._changed = wanted, captured

    def _wanted(self, slack: float) -> int:
        """Smallest n that holds the budget if the detector needed `slack` times what it does."""
        interval = median(self._intervals)
        wall = median(wall for _, wall, _ in self._requests)
        core = median(core for _, _, core in self._requests)
        # What else runs on the machine makes everything as much slower as it makes requests.
        stretch = max(self._threads * wall / core, 1.0) if core > 0 else 1.0
        left = max(HEADROOM * interval - stretch * median(self._rests), FLOOR * interval)
        by_time = slack * wall / left
        by_share = slack * core / (self._share * interval)
        return max(min(ceil(max(by_time, by_share)), int(SELDOM / interval)), 1)
