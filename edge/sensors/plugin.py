"""What every kind of sensor is made of; another package's plugin needs nothing else."""

import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Generator, Sequence
from math import isfinite
from typing import Annotated, Any, ClassVar, Final, NamedTuple

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from contracts import ucum
from contracts.clock import MICROSECONDS, Clock
from contracts.metrics import METRICS
from edge.batches import Scalar, SignalEvent

log = logging.getLogger(__name__)

Positive = Annotated[float, Field(gt=0)]

TICK: Final = 0.5
"""How often a reader that waits for its device looks whether it is to stop. [s]"""
END_OF_TIME: Final = 1 << 62
"""No device is believed that says it is later. [us]"""


class Reading(NamedTuple):
    """A value, when it was captured and in which unit it is."""

    t: int  # captured [us] since the epoch, UTC
    metric: str
    value: float
    unit: str  # UCUM


Sample = Reading | Scalar | SignalEvent
"""A `Scalar` is in the unit that its metric has at Tepna."""

Pieces = Generator[Sequence[Sample] | None, None, None]
"""What a reader yields: samples, or nothing but a sign of life; None is not even that."""


def known(t: int, metric: str, value: float) -> Reading:
    """Make the reading of a metric of Tepna's own, in the unit that it has there.

    Raises
    ------
    ValueError
        If the value is too large for any quantity.
    """
    try:
        return Reading(t, metric, float(value), METRICS[metric].unit)
    except OverflowError as fault:
        msg = f"{metric}: {fault}"
        raise ValueError(msg) from fault


def units_of(*metrics: str) -> dict[str, str]:
    """Units of metrics of Tepna's own."""
    return {metric: METRICS[metric].unit for metric in metrics}


class Watch:
    """What a reader is given: the clock, the wish that it stops, a place for what was bad."""

    def __init__(self, place: str, clock: Clock) -> None:
        self.bad = 0
        """What could not be read: lines, frames, registers, values."""
        self.stopping = threading.Event()
        self.clock = clock
        self._place = place

    def wait(self, seconds: float) -> bool:
        """Wait; say whether it is time to stop."""
        return self.stopping.wait(seconds)

    def wait_for_turn(self, period: float) -> bool:
        """Wait for the next multiple of a period [s]; say whether it is time to stop.

        So quarters of an hour are those of the clock, and nothing drifts.
        """
        return self.wait(period - self.clock() / MICROSECONDS % period)

    def refuse(self, reason: object) -> None:
        """Count something unreadable; the first of them is said."""
        self.bad += 1
        if self.bad == 1:
            log.warning("sensor %s has unreadable lines: %s", self._place, reason)


class Sensor(BaseModel, ABC):
    """Settings of one source of samples, and the way to read it.

    A plugin is a class derived from this one, with its settings as fields. The entry point that
    names the class is the ``kind`` by which a configuration asks for it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
    ends: ClassVar[bool] = False
    """Whether it may have nothing more to say, as a file; all others are read until the agent
    stops."""

    kind: str

    @property
    @abstractmethod
    def place(self) -> str:
        """What it is called in the log: its port or address, no secrets."""

    @abstractmethod
    def units(self) -> dict[str, str]:
        """Name the metrics that it may give, with their units; none if only the device knows."""

    @abstractmethod
    def read(self, watch: Watch) -> Pieces:
        """Open the device and yield what it says, until it is told to stop or all is said.

        Yields
        ------
        Sequence[Sample] or None
            Samples as they come; an empty sequence is a sign of life, None is none. Whoever waits
            for a device yields None every `TICK`: after `silence` seconds it is opened anew.

        Raises
        ------
        OSError, SourceError
            If the device or its link is gone: it is opened anew after a while.
        """

    @property
    def silence(self) -> float:
        """How long a reader may yield None until the device counts as lost. [s]."""
        return 30.0

    @property
    def longest_wait(self) -> float:
        """How long to wait at most until a lost device is tried again. [s]."""
        return 30.0


class Polled(Sensor):
    """A sensor that is asked now and then."""

    period_s: Annotated[float, Field(ge=1, le=86_400)] = 10.0
    timeout_s: Annotated[float, Field(gt=0, le=60)] = 3.0

    @property
    def longest_wait(self) -> float:
        """A device that is asked every hour is not pestered when it fails. [s]."""
        return max(30.0, self.period_s)


class Quantity(BaseModel):
    """What a number of the device means: ``metric = number * scale + offset``, in ``unit``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    metric: str = Field(pattern=r"^[a-z][a-z0-9_-]*(\.[a-z0-9_-]+)+$", max_length=63)
    unit: str = Field(description="UCUM; may be left out where the metric is one of Tepna's")
    scale: float = 1.0
    offset: float = 0.0

    @model_validator(mode="before")
    @classmethod
    def _knows_the_unit(cls, table: Any) -> Any:
        if isinstance(table, dict) and "unit" not in table and table.get("metric") in METRICS:
            return table | {"unit": METRICS[table["metric"]].unit}
        return table

    @field_validator("unit")
    @classmethod
    def _is_a_unit(cls, unit: str, info: ValidationInfo) -> str:
        ucum.check(unit)
        own = METRICS.get(info.data.get("metric", ""))
        if own is not None and own.unit != unit:
            msg = f"{own.name} is kept in {own.unit!r}; write that, and convert with scale"
            raise ValueError(msg)
        return unit

    @field_validator("scale", "offset")
    @classmethod
    def _is_finite(cls, value: float) -> float:
        if not isfinite(value):
            msg = "not a number to calculate with"
            raise ValueError(msg)
        return value

    def reading(self, t: int, number: float) -> Reading:
        """Make the reading of what the device says."""
        return Reading(t, self.metric, number * self.scale + self.offset, self.unit)
