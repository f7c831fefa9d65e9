"""From what a camera says that happens to what the platform is told."""

import logging
import re
from itertools import islice
from typing import Final, NamedTuple
from uuid import UUID, uuid4

from contracts.clock import MICROSECONDS
from contracts.events import INCIDENTS, OVER
from contracts.incidents import Detail, Reason, to_text
from edge.batches import Event, Scalar
from edge.onvif.events import Notification
from edge.onvif.meanings import Meaning, meaning

log = logging.getLogger(__name__)

MOST: Final = 100
"""States that may go on, inputs, and topics that are said to be unknown; more are counted only."""
_BOOLEAN: Final = {"true": True, "1": True, "false": False, "0": False}  # xs:boolean
_NAME: Final = 60  # characters of a source or rule; the rest is left out


class _Begun(NamedTuple):
    id: UUID
    kind: str
    place: str
    began: int  # [us]


class Said:
    """Remembers what goes on at one camera; what means nothing is counted, and said once."""

    def __init__(self) -> None:
        self.unmapped = 0
        """What could not be used: nobody knows what it means, or it cannot be read."""
        self._begun: dict[tuple[str, ...], _Begun] = {}
        self._inputs: set[str] = set()
        self._unknown: set[str] = set()

    def take(self, said: Notification, captured: int) -> list[Event | Scalar]:
        """Give what is to be told of an event that was captured at a moment [us]."""
        known = meaning(said.topic)
        if known is None:
            return self._leave(said.topic, "nobody knows what it means")
        place = _place(said)
        if not known.state:
            # Initialized: so it was before anybody listened.
            return [] if said.operation == "Initialized" else [Event(known.kind, captured, place)]
        on = _BOOLEAN.get(said.data.get(known.state, "").lower())
        if said.operation == "Deleted":
            on = False
        if on is None:
            return self._leave(said.topic, f"{known.state} is not told")
        if known.is_metric:
            return self._read(said.topic, f"{known.kind}.{_slug(place)}", captured, on=on)
        return self._change(said, known, place, captured, on=on)

    def abandon(self, now: int) -> list[Event]:
        """End what goes on, as nobody hears of its end any more; at a moment [us]."""
        left, self._begun = self._begun, {}
        why = [Reason("listened", 0.0, 1.0)]
        return [_ends(one, max(now, one.began), why) for one in left.values()]

    def _read(self, topic: str, metric: str, captured: int, *, on: bool) -> list[Event | Scalar]:
        if metric not in self._inputs and len(self._inputs) == MOST:
            return self._leave(topic, f"more than {MOST} inputs")
        self._inputs.add(metric)
        return [Scalar(captured, metric, float(on))]

    def _change(
        self, said: Notification, known: Meaning, place: str, captured: int, *, on: bool
    ) -> list[Event | Scalar]:
        key = (_plain(said.topic), *map(_plain, islice(said.source.values(), 5)))
        begun = self._begun.get(key)
        if on == (begun is not None):
            return []
        if begun is not None:
            del self._begun[key]
            _log(known.kind, "ends")
            return [_ends(begun, max(captured, begun.began), [Reason(known.state, 0.0, 1.0)])]
        if len(self._begun) == MOST:
            return self._leave(said.topic, f"more than {MOST} go on")
        begun = self._begun[key] = _Begun(uuid4(), known.kind, place, captured)
        _log(known.kind, "begins")
        why = [Reason(known.state, 1.0, 1.0)]
        detail = Detail(incident=begun.id, phase="begins", began=captured, why=why)
        return [Event(known.kind, captured, place, value=0.0, detail=to_text(detail))]

    def _leave(self, topic: str, why: str) -> list[Event | Scalar]:
        self.unmapped += 1
        shown = _plain(topic)
        if shown not in self._unknown and len(self._unknown) < MOST:
            self._unknown.add(shown)
            log.info("the camera's event %s is not used: %s", shown or "without a topic", why)
        return []


def _ends(one: _Begun, captured: int, why: list[Reason]) -> Event:
    detail = Detail(incident=one.id, phase="ends", began=one.began, why=why)
    lasted = (captured - one.began) / MICROSECONDS
    return Event(one.kind + OVER, captured, one.place, value=lasted, detail=to_text(detail))


def _log(kind: str, phase: str) -> None:
    if kind in INCIDENTS:
        log.warning("%s %s, says the camera itself", kind, phase)


def _place(said: Notification) -> str:
    """Name who says it: its rule has a name of its own, else it is the first token."""
    names = [said.source.get("Rule", ""), *said.source.values()]
    return _plain(next(filter(None, names), "")) or "camera itself"


def _plain(text: str) -> str:
    """Text of a stranger, fit for a log and for a name."""
    return "".join(char for char in text if char.isprintable())[:_NAME]


def _slug(place: str) -> str:
    return re.sub(r"[^a-z0-9_-]+", "-", place.lower()).strip("-")[:40] or "0"
