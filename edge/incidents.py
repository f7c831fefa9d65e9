"""Incidents of the camera on their way out, and those that nobody can see the end of any more."""

from typing import Final

from msgspec import structs

from contracts.clock import MICROSECONDS
from contracts.events import BLINDING, OVER
from contracts.incidents import Reason, from_text, to_text
from edge.batches import Event
from edge.wire import Happened

MOST: Final = 1000  # incidents that are going on; full: the end of the oldest may stay unsaid


class GoingOn:
    """Incidents that have begun and not ended."""

    def __init__(self) -> None:
        self._open: dict[str, Happened] = {}

    @property
    def blind(self) -> bool:
        """Whether the camera shows nothing that could be observed."""
        return any(one.kind in BLINDING for one in self._open.values())

    def take(self, incidents: list[Happened]) -> list[Event]:
        """Give the events of incidents that begin or end."""
        for one in incidents:
            if one.phase == "begins":
                self._open[str(one.id)] = one
                while len(self._open) > MOST:
                    self._open.pop(next(iter(self._open)))
            else:
                self._open.pop(str(one.id), None)
        return [_event(one) for one in incidents]

    def abandon(self, now: int) -> list[Event]:
        """End what goes on, as the process that watched it is no more; at a moment [us]."""
        left, self._open = self._open, {}
        events = []
        for one in left.values():
            detail = from_text(one.detail)
            lasted = max(now - detail.began, 0) / MICROSECONDS
            why = [Reason("watched", 0.0, 1.0)]
            ended = one._replace(
                phase="ends",
                captured=max(now, one.captured),
                value=lasted,
                detail=to_text(structs.replace(detail, phase="ends", why=why)),
            )
            events.append(_event(ended))
        return events


def _event(one: Happened) -> Event:
    kind = one.kind + (OVER if one.phase == "ends" else "")
    return Event(
        kind, one.captured, one.place, 0, one.cls, one.track, one.value, one.confidence, one.detail
    )
