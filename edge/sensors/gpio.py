"""Pulses on a GPIO line: energy and water meters, rain gauges, loop detectors.

The kernel numbers the edges of a line, so none is missed even if nobody reads for a while.
"""

import errno
import os
import select
import struct
import time
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from periphery.gpio_cdev2 import Cdev2GPIO
from pydantic import Field, model_validator

from contracts.clock import MICROSECONDS
from edge.errors import SourceError
from edge.sensors.plugin import TICK, Pieces, Quantity, Sensor, Watch

EVENT: Final = struct.Struct("=QIIII24x")
"""`struct gpio_v2_line_event`: time [ns], edge, line, number of the edge among all, of the line."""

TOGETHER: Final = 64
"""Edges that are read at once, at most."""


class GpioSensor(Sensor, Quantity):
    """A line whose edges are counted; the metric is the edges of a period, times `scale`."""

    chip: str = Field("/dev/gpiochip0", pattern="^/dev/gpiochip[0-9]+$")
    line: Annotated[int, Field(ge=0, lt=1 << 16)]
    edge: Literal["rising", "falling", "both"] = "rising"
    bias: Literal["default", "pull_up", "pull_down", "disable"] = "default"
    period_s: Annotated[float, Field(ge=1, le=3600)] = 60.0

    @model_validator(mode="after")
    def _counts(self) -> "GpioSensor":
        if self.offset:
            msg = "offset: what counts has none; remove it"
            raise ValueError(msg)
        return self

    @property
    def place(self) -> str:
        """The chip and the line."""
        return f"{self.chip} line {self.line}"

    def units(self) -> dict[str, str]:
        """Name the one metric."""
        return {self.metric: self.unit}

    def read(self, watch: Watch) -> Pieces:
        """Count until the period is over; what a lost line had counted is said first."""
        if not Path(self.chip).exists():
            msg = f"there is no {self.chip}; `gpioinfo` lists chips and lines, as root"
            raise SourceError(msg)
        opened: Any = Cdev2GPIO  # it has no annotations
        with opened(
            self.chip, self.line, "in", edge=self.edge, bias=self.bias, label="tepna"
        ) as line:
            yield from self.count(line.fd, watch)

    def count(self, descriptor: int, watch: Watch) -> Pieces:
        """Count the edges that an opened line tells of."""
        yield []
        edges = Edges(descriptor)
        while not watch.stopping.is_set():
            turn = self.period_s - watch.clock() / MICROSECONDS % self.period_s
            end = time.monotonic() + turn
            try:
                while (left := end - time.monotonic()) > 0 and not watch.stopping.is_set():
                    edges.wait(min(left, TICK))
            except OSError:
                yield [self.reading(watch.clock(), edges.take())]
                raise
            # The count is of the period that ends here: a microsecond earlier it is still in it.
            yield [self.reading(watch.clock() - 1, edges.take())]


class Edges:
    """Counts edges by the numbers that the kernel gives them.

    It keeps 16 that nobody has read, then drops the oldest; their numbers are missing, and count.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLIN)
        self._newest = 0  # number of the last edge; the first one's is 1
        self._taken = 0

    def wait(self, seconds: float) -> None:
        """Wait for edges, but not for longer than this."""
        if not self._poll.poll(seconds * 1e3):
            return
        events = os.read(self._descriptor, EVENT.size * TOGETHER)
        if len(events) < EVENT.size:
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
        *_, self._newest = EVENT.unpack(events[-EVENT.size :])

    def take(self) -> int:
        """Say how many there were since this was asked last."""
        count = (self._newest - self._taken) % (1 << 32)
        self._taken = self._newest
        return count
