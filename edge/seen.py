"""What a frame showed, as the events and scalars that the platform gets."""

from collections.abc import Iterator

from contracts import metrics
from contracts.classes import RoadUser
from contracts.events import CROSSING, DWELL, TURN
from edge.batches import Event, Scalar
from edge.wire import Seen


def events_of(seen: Seen) -> Iterator[Event]:
    """Yield passages, turning movements and visits."""
    for crossed in seen.crossings:
        yield Event(CROSSING, *crossed[:7])  # events have no column for the speed's standard error
    for t in seen.turns:
        yield Event(TURN, t.captured, t.gates, 0, t.cls, t.track, t.duration, t.confidence)
    for v in seen.visits:
        yield Event(DWELL, v.left, v.zone, 0, v.cls, v.track, v.duration, v.confidence)


def occupancy_of(seen: Seen) -> Iterator[Scalar]:
    """Yield how many of each class are in each zone."""
    for o in seen.occupancy:
        yield Scalar(o.captured, metrics.zone_occupancy(o.zone, RoadUser(o.cls)), o.number)
