"""Reads one sensor for as long as the agent runs, whatever becomes of the device."""

import logging
import time
from collections.abc import Callable
from contextlib import closing
from math import isfinite
from typing import Final

from contracts.clock import Clock
from contracts.metrics import METRICS
from edge.backoff import Backoff
from edge.batches import Scalar, SignalEvent
from edge.errors import EndedError, SourceError
from edge.sensors.plugin import END_OF_TIME, Pieces, Reading, Sample, Sensor, Watch

log = logging.getLogger(__name__)

TOGETHER: Final = 500
"""Samples that are handed on at once, at most."""


class SensorRun:
    """Keeps one sensor open and hands on its samples.

    Parameters
    ----------
    sink
        Takes samples in order; while it waits, so does the sensor.
    """

    def __init__(
        self, sensor: Sensor, sink: Callable[[list[Scalar | SignalEvent]], None], clock: Clock
    ) -> None:
        self.sensor = sensor
        self._sink = sink
        self._watch = Watch(sensor.place, clock)
        self._backoff = Backoff(1.0, sensor.longest_wait)
        self._lost = False  # said to be
        self._over = False

    @property
    def bad(self) -> int:
        """What could not be read so far."""
        return self._watch.bad

    @property
    def over(self) -> bool:
        """Whether there is nothing (more) to wait for."""
        return self._over or not self.sensor.ends

    def run(self, *, until_done: bool) -> None:
        """Read until `stop`; a stream that ends is over with `until_done`, else opened anew."""
        while not self._watch.stopping.is_set():
            try:
                with closing(self.sensor.read(self._watch)) as pieces:
                    self._take(pieces)
                break
            except (OSError, SourceError) as fault:
                if until_done and isinstance(fault, EndedError):
                    break
                reason = str(fault)
            except (ValueError, ArithmeticError, LookupError, RecursionError) as fault:
                # The device said what its plugin did not expect: that is no reason to stop all.
                self._watch.refuse(fault)
                reason = f"it cannot be understood: {fault!r}"
            self._change(lost=True, reason=reason)
            self._watch.wait(self._backoff.next())
        self._over = True

    def stop(self) -> None:
        """End `run` soon."""
        self._watch.stopping.set()

    def _take(self, pieces: Pieces) -> None:
        heard = time.monotonic()
        for piece in pieces:
            if piece is None:
                if time.monotonic() - heard > self.sensor.silence:
                    msg = f"nothing readable came for {self.sensor.silence:.0f} s"
                    raise SourceError(msg)
                continue
            self._change(lost=False)
            good = [taken for sample in piece if (taken := self._checked(sample)) is not None]
            if good:
                self._backoff.reset()
            for start in range(0, len(good), TOGETHER):
                self._sink(good[start : start + TOGETHER])
            heard = time.monotonic()

    def _checked(self, sample: Sample) -> Scalar | SignalEvent | None:
        if not isinstance(sample, Reading):
            return sample
        own = METRICS.get(sample.metric)
        if not 0 <= sample.t < END_OF_TIME:
            self._watch.refuse(f"{sample.metric} is of {sample.t} us since the epoch")
        elif not isfinite(sample.value):
            self._watch.refuse(f"{sample.metric} is {sample.value}")
        elif own is not None and own.unit != sample.unit:
            self._watch.refuse(f"{sample.metric} comes in {sample.unit!r}, not in {own.unit!r}")
        else:
            return Scalar(sample.t, sample.metric, sample.value)
        return None

    def _change(self, *, lost: bool, reason: str = "") -> None:
        if lost and not self._lost and not self._watch.stopping.is_set():
            log.warning("sensor %s lost: %s", self.sensor.place, reason)
        elif self._lost and not lost:
            log.info("sensor %s recovered", self.sensor.place)
        self._lost = lost
