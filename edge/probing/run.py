"""Probes the link of a running agent: as often as the budget allows, and when nothing is behind."""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from math import isnan
from pathlib import Path
from typing import Final, Protocol

from contracts import metrics
from contracts.chrony import ClockQuality
from contracts.clock import Clock
from edge.batches import Scalar
from edge.probing.allowance import Allowance
from edge.probing.cost import Costs
from edge.probing.figures import Jitter
from edge.probing.prober import Prober
from edge.probing.settings import Probes
from edge.threads import Failed, start_thread

log = logging.getLogger(__name__)

TICK: Final = 1.0
"""How often it is looked whether a probe may go: none goes more often. [s]"""
PATIENCE: Final = 5.0
"""How long the end of the last probe may take. [s]"""
MBIT: Final = 1e6 / 8
"""[byte]"""
MS: Final = 1e3
"""A second in the unit of the metrics. [ms]"""


class Link(Protocol):
    """The uplink, as probes see it."""

    def probe(self, what: str, payload: bytes, *, qos: int) -> int | None: ...  # noqa: D102
    def spare(self, size: int, *, quiet: bool) -> bool: ...  # noqa: D102


class Probing:
    """Measures in a thread of its own, one probe after the other.

    Parameters
    ----------
    link
        Over which they go, and which says whether they would be in the way.
    path
        File of what the budget has left.
    add
        Takes what was measured.
    quality
        How well this box's clock is known.
    """

    def __init__(
        self,
        settings: Probes,
        costs: Costs,
        link: Link,
        path: Path,
        *,
        add: Callable[[Iterable[Scalar]], None],
        quality: Callable[[], ClockQuality],
        clock: Clock,
    ) -> None:
        self._link = link
        self._add = add
        self._quality = quality
        self._clock = clock
        self._most = costs.most()
        if not settings.throughput:
            del self._most["train"]
        self._allowance = Allowance(path, settings.bytes_per_day, self._most)
        self._measures = {"echo": self._round_trip, "time": self._one_way, "train": self._rate}
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._jitter = Jitter()
        self._unclear = ""  # why one-way delays are not known, as was said last
        self.prober = Prober(link.probe, costs, lost_after=settings.lost_after_s, clock=clock)

    def start(self, failed: Failed) -> None:
        """Probe from now on."""
        self._thread = start_thread("probes", self._run, failed)

    def close(self) -> None:
        """Probe no more, and wait for nothing that is out."""
        self._stopping.set()
        self.prober.close()
        if self._thread is not None:
            self._thread.join(PATIENCE)

    def turn(self) -> None:
        """Send what has been saved up for and is in nobody's way; add what it says."""
        for kind, size in self._most.items():
            if self._stopping.is_set() or not self._allowance.has(kind):
                continue
            if self._may_go(kind, size) and self._allowance.take(kind):
                at = self._clock()
                found = dict(self._measures[kind]())
                found[metrics.PROBE_BYTES] = self.prober.take_bytes()
                self._add(Scalar(at, name, x) for name, x in found.items() if not isnan(x))

    def _run(self) -> None:
        while not self._stopping.wait(TICK):
            self.turn()

    def _may_go(self, kind: str, size: int) -> bool:
        return self._link.spare(size, quiet=kind == "train")

    def _round_trip(self) -> Iterator[tuple[str, float]]:
        trip = self.prober.round_trip()
        if trip is not None:
            yield metrics.PROBE_LOST, float(isnan(trip))
            yield metrics.PROBE_ROUND_TRIP, MS * trip
        if trip is not None and not isnan(trip):
            yield metrics.PROBE_JITTER, MS * self._jitter.add(trip)

    def _one_way(self) -> Iterator[tuple[str, float]]:
        delays = self.prober.one_way(self._quality())
        if delays is None:
            return
        if delays.reason != self._unclear:
            log.info("one-way delays: %s", delays.reason or "known again")
            self._unclear = delays.reason
        yield metrics.PROBE_DELAY_UP, MS * delays.up
        yield metrics.PROBE_DELAY_DOWN, MS * delays.down
        yield metrics.PROBE_DELAY_ERROR, MS * delays.error

    def _rate(self) -> Iterator[tuple[str, float]]:
        found = self.prober.rate(lambda: self._may_go("train", 0))
        if found is not None:
            yield metrics.PROBE_UPLINK, found.rate / MBIT
            yield metrics.PROBE_UPLINK_SD, found.sd / MBIT
