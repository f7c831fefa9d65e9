"""Samples become batches: columns, sorted, cut to size, with the header that all of them share."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import attrgetter
from typing import Any, Final, NamedTuple, TypeVar
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from contracts.batch import SCHEMAS, Batch, Columns
from contracts.chrony import ClockQuality
from contracts.classes import RoadUser
from contracts.clock import Clock
from contracts.metrics import Quality, explain

TRACK_ROWS: Final = 5_000
"""Rows of a batch of tracks: less than half of what a batch may take, however incompressible."""

NAMED_ROWS: Final = 4096
"""Rows of any other batch, each of which may bring a name of its own."""

DETAILED_ROWS: Final = 250
"""Rows of a batch of events with details, each of which is a text of its own: half of what a batch
may take, if all are as long as they may be."""

WAITING: Final = 200_000
"""Rows that may wait to be batched. Full: who adds waits, so a slow disk slows the camera."""

PATIENT: Final = (
    "agent.", "camera.", "meter.", "modem.", "pictures.", "uplink.", "zone.occupancy."
)  # fmt: skip
"""Beginnings of the names of scalars that nobody waits for: minutes are computed from them, or
the page shows them. Together they take a third of what they take each by itself."""

_NIL: Final = UUID(int=0)


class Scalar(NamedTuple):
    """A reading of a scalar metric."""

    t: int  # captured [us] since the epoch, UTC
    metric: str
    value: float


class SignalEvent(NamedTuple):
    """An event of the signal controller, by the Indiana enumerations."""

    t: int  # captured [us] since the epoch, UTC
    code: int
    parameter: int


class Event(NamedTuple):
    """A discrete happening."""

    kind: str  # of contracts.events
    t: int  # captured [us] since the epoch, UTC
    object: str
    direction: int = 0  # +1 in, -1 out, 0 none
    cls: int = RoadUser.UNKNOWN
    track: int = 0
    value: float = float("nan")  # speed of a crossing [m/s]
    confidence: float = 1.0
    detail: str = ""  # contracts.incidents.Detail as JSON; with one it goes as events/2


class Batcher:
    """Collects samples from any thread and hands over batches.

    Parameters
    ----------
    device, simulated
        Of every header.
    sink
        Takes the batches of one flush, to be numbered and kept.
    monotonic
        Seconds that only go forward.
    """

    def __init__(
        self,
        device: str,
        *,
        simulated: bool,
        sink: Callable[[Sequence[Batch]], None],
        clock: Clock,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.clock_quality = ClockQuality()
        self._device = device
        self._simulated = simulated
        self._sink = sink
        self._clock = clock
        self._room = threading.Condition()
        self._flushing = threading.Lock()
        self._monotonic = monotonic
        self._closed = False
        self._patient: list[Scalar] = []
        self._patient_since = 0.0  # when the first of them came [s]
        self._clear()

    def _clear(self) -> None:
        self._scalars: list[Scalar] = []
        self._signals: list[SignalEvent] = []
        self._events: list[Event] = []
        self._tracks: list[Columns] = []
        self._rows = len(self._patient)

    def add(self, samples: Iterable[Scalar | SignalEvent | Event]) -> None:
        """Add readings and events; waits while too many rows wait."""
        with self._room:
            for sample in samples:
                self._wait_for_room()
                match sample:
                    case Scalar() if sample.metric.startswith(PATIENT):
                        if not self._patient:
                            self._patient_since = self._monotonic()
                        self._patient.append(sample)
                    case Scalar():
                        self._scalars.append(sample)
                    case SignalEvent():
                        self._signals.append(sample)
                    case Event():
                        self._events.append(sample)
                self._rows += 1

    def add_tracks(self, columns: Columns) -> None:
        """Add points of trajectories, as the columns of `tracks/2`; `v_sd` may be left out."""
        with self._room:
            self._wait_for_room()
            self._tracks.append(columns)
            self._rows += len(columns["t"])

    def flush(self, patience: float = 0.0) -> int:
        """Hand what was added to the sink; say how many batches that made.

        Parameters
        ----------
        patience
            Scalars of `PATIENT` stay until the first of them has waited for so long [s], or
            until they fill a batch.
        """
        with self._flushing:  # batches of two flushes must not overtake each other
            with self._room:
                waited = self._monotonic() - self._patient_since
                if waited >= patience or len(self._patient) >= NAMED_ROWS:
                    self._scalars += self._patient
                    self._patient = []
                batches = list(self._take())
                self._clear()
                self._room.notify_all()
            if batches:
                self._sink(batches)
            return len(batches)

    def close(self) -> None:
        """Let those go who wait for room: the sink is gone."""
        with self._room:
            self._closed = True
            self._room.notify_all()

    def empty(self) -> Batch:
        """Batch without rows, for what only a header says."""
        return self._batch("obs/3", SCHEMAS["obs/3"].empty(), [])

    def _wait_for_room(self) -> None:
        self._room.wait_for(lambda: self._rows < WAITING or self._closed)

    def _take(self) -> Iterator[Batch]:
        """Yield what waits as batches."""
        for events in _cut([e for e in self._events if e.detail], DETAILED_ROWS):
            yield self._batch("events/2", *_named(events, "kind", "object", "detail"))
        for events in _cut([e for e in self._events if not e.detail]):
            columns, names = _named(events, "kind", "object", "detail")
            del columns["detail"]
            yield self._batch("events/1", columns, names)
        for signals in _cut(self._signals):
            yield self._batch("signal/1", *_named(signals))
        for scalars in _cut(sorted(self._scalars, key=attrgetter("metric"))):
            columns, names = _named(scalars, "metric")
            columns["quality"] = np.array([_quality(s) for s in scalars], np.uint8)
            yield self._batch("obs/3", columns, names)
        if self._tracks:
            columns = {
                name: np.concatenate([_column(part, name, dtype) for part in self._tracks])
                for name, dtype in SCHEMAS["tracks/2"].dtypes.items()
            }
            order = np.lexsort((columns["t"], columns["track"]))
            for start in range(0, len(order), TRACK_ROWS):
                rows = order[start : start + TRACK_ROWS]
                yield self._batch("tracks/2", {n: c[rows] for n, c in columns.items()}, [])

    def _batch(self, schema_id: str, columns: dict[str, NDArray[Any]], names: list[str]) -> Batch:
        return Batch(
            schema=schema_id,
            device=self._device,
            boot=_NIL,  # the outbox numbers it
            seq=0,
            sent_at=self._clock(),
            columns=columns,
            names=names,
            clock_offset=self.clock_quality.offset,
            clock_error=self.clock_quality.error,
            simulated=self._simulated,
        )


Row = TypeVar("Row", Scalar, SignalEvent, Event)


def _cut(rows: list[Row], size: int = NAMED_ROWS) -> Iterator[list[Row]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def _named(
    rows: Sequence[Scalar] | Sequence[SignalEvent] | Sequence[Event], *text: str
) -> tuple[dict[str, NDArray[Any]], list[str]]:
    """Columns of rows; text becomes an index into the names."""
    columns = dict(zip(rows[0]._fields, zip(*rows, strict=True), strict=True))
    index: dict[str, int] = {}
    arrays: dict[str, NDArray[Any]] = {}
    for name, values in columns.items():
        if name in text:
            arrays[name] = np.array([index.setdefault(v, len(index)) for v in values], np.uint16)
        else:
            arrays[name] = np.array(values)
    return arrays, list(index)


def _column(part: Columns, name: str, dtype: np.dtype[Any]) -> NDArray[Any]:
    values = part.get(name)
    return np.full(len(part["t"]), np.nan, dtype) if values is None else np.asarray(values, dtype)


def _quality(scalar: Scalar) -> Quality:
    metric = explain(scalar.metric)
    return Quality.GOOD if metric is None else metric.quality(scalar.value)
