"""Judge each foreign message by itself: whose it is, what of it can be stored, and its name."""

import hashlib
from math import isfinite
from typing import Final, Literal
from uuid import UUID

import msgspec

from contracts.clock import MICROSECONDS
from contracts.messages import State
from contracts.metrics import Quality
from ingest.foreign import posted
from ingest.foreign.formats import adapters
from ingest.foreign.reading import MAX_VALUES, ForeignError, Message, Reading, in_calendar
from ingest.foreign.settings import Foreign, Route, Source
from ingest.foreign.sparkplug import Birth, Births, node_of
from ingest.inbox import Delivery
from ingest.judge import EARLIEST, MAX_WINDOWS, Letter, refuse, unnamed
from ingest.keys import Claim
from ingest.states import Change

MAX_TEXT: Final = 200
"""Characters of a word that is kept as an event."""


class Part(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What one message says of one device: numbers and words, and the name of that."""

    identity: str
    claim: Claim
    t: list[int]  # [us] since the epoch
    names: list[str]
    values: list[float]
    quality: list[int]
    units: list[str]  # UCUM, "" where the message states none
    words: list[tuple[int, str, str]]  # time, name and word of each event
    simulated: bool
    odd: bool  # something in it cannot be used as it is

    @property
    def rows(self) -> int:
        """Rows to store."""
        return len(self.t) + len(self.words)


class Foreigner(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A judged foreign message."""

    delivery: Delivery
    label: str  # {pilot}/{source}: on whose account its dead letters are, until a device is known
    parts: tuple[Part, ...] = ()
    changes: tuple[Change, ...] = ()  # of devices that have come or gone
    letters: tuple[Letter, ...] = ()
    births: tuple[Birth, ...] = ()  # that are to be kept
    ahead: float  # how far what it says may lie in the future [s]
    lacks: str = ""  # whose births are not known here, though they may be in the database

    @property
    def identity(self) -> str:
        """Whose it is, as far as that is known."""
        return self.parts[0].identity if len(self.parts) == 1 else self.label

    @property
    def identities(self) -> list[str]:
        """Devices that it speaks of."""
        return [part.identity for part in self.parts] + [x.identity for x in self.changes]

    @property
    def rows(self) -> int:
        """Rows to store."""
        return sum(part.rows for part in self.parts)


class Interpreter:
    """Judges foreign messages by the configured sources; a single thread's own."""

    def __init__(self, foreign: Foreign, *, ahead: float, session: str = "") -> None:
        self.foreign = foreign
        self.births = Births()
        self._ahead = ahead
        self._session = session
        self._connection = 0  # the newest from which anything came
        self._adapters = adapters(self.births)

    def judge(self, delivery: Delivery) -> Foreigner:
        """Judge one message."""
        if delivery.connection > self._connection:
            self._connection = delivery.connection
            self.births.doubt()  # with QoS 0 nothing is kept for whoever was away
        route = posted.find(delivery.topic) or self.foreign.find(delivery.topic)
        if route is None:
            return self._dead(delivery, "", "unknown-topic", "no source listens to this topic")
        label = f"{route.source.pilot}/{route.source.name}"
        try:
            readings = self.read(delivery, route)
        except ForeignError as fault:
            dead = self._dead(delivery, label, fault.reason, fault.detail)
            lacks = node_of(delivery.topic) if fault.reason == "no-birth" else ""
            return msgspec.structs.replace(dead, lacks=lacks)
        return self._judged(delivery, route, label, readings)

    def read(self, delivery: Delivery, route: Route) -> list[Reading]:
        """Read a message by its source's format.

        Raises
        ------
        ForeignError
            If it cannot be used.
        """
        message = Message(
            delivery.topic,
            delivery.payload,
            delivery.received,
            route.wild,
            delivery.properties.get("content-type", ""),
        )
        try:
            readings = self._adapters[route.source.format](message, route.source)
        except OverflowError as fault:  # whole numbers know no bound, neither in JSON nor in CBOR
            raise ForeignError("bad-number", str(fault)) from fault
        except RecursionError as fault:
            raise ForeignError("bad-payload", "it is nested too deep") from fault
        count = sum(len(reading.values) + len(reading.texts) for reading in readings)
        if count > MAX_VALUES:
            raise ForeignError("too-large", f"{count} values, at most {MAX_VALUES} are taken")
        if not all(map(in_calendar, readings)):
            raise ForeignError("bad-time", "a time lies outside the calendar")
        return posted.named(readings, delivery)

    def _judged(
        self, delivery: Delivery, route: Route, label: str, readings: list[Reading]
    ) -> Foreigner:
        source = route.source
        parts, changes, births, letters = [], [], [], []
        for reading in readings:
            try:
                identity = source.identity(reading.source, route.wild)
            except ForeignError as fault:
                letters = [*self._dead(delivery, label, fault.reason, fault.detail).letters]
                continue
            if reading.values or reading.texts:
                part = self._part(delivery, source, identity, reading)
                if part.rows:
                    parts.append(part)
            if reading.presence is not None:
                changes.append(_change(delivery, identity, reading))
            if reading.birth is not None:
                births.append(reading.birth)
        return Foreigner(
            delivery=delivery,
            label=label,
            parts=tuple(parts),
            changes=tuple(changes),
            letters=tuple(letters),
            births=tuple(births),
            ahead=self._ahead,
        )

    def _dead(self, delivery: Delivery, label: str, reason: str, detail: str) -> Foreigner:
        letters = refuse(unnamed(delivery, label), reason, detail).letters
        return Foreigner(delivery=delivery, label=label, letters=letters, ahead=self._ahead)

    def _part(self, delivery: Delivery, source: Source, identity: str, reading: Reading) -> Part:
        received = delivery.received
        latest = received + round(self._ahead * MICROSECONDS)
        whose = f"{identity}\n{reading.source}" + (f"\n{reading.place}" if reading.place else "")
        part = Part(
            identity=identity,
            claim=self._claim(delivery, whose, reading.key),
            t=[],
            names=[],
            values=[],
            quality=[],
            units=[],
            words=[
                (received if t is None else t, _clean(f"{source.format}.{name}"), _clean(text))
                for t, name, text in reading.texts
                if source.metric(name) is not None
            ],
            simulated=reading.simulated,
            odd=len(reading.values) > MAX_WINDOWS,
        )
        odd = part.odd or any(not EARLIEST <= t <= latest for t, _, _ in part.words)
        for t, name, value, unit, quality in reading.values:
            metric = source.metric(name)
            if metric is None:
                continue
            if t is None:
                part.t.append(received)
                part.quality.append(quality | _RECEPTION)
            else:
                odd = odd or not EARLIEST <= t <= latest
                part.t.append(t)
                part.quality.append(quality)
            scaled = value * metric.factor + metric.offset
            odd = odd or not isfinite(scaled)
            part.names.append(metric.name)
            part.values.append(scaled)
            part.units.append(metric.unit or unit)
        return msgspec.structs.replace(part, odd=True) if odd and not part.odd else part

    def _claim(self, delivery: Delivery, whose: str, key: bytes | None) -> Claim:
        """Name the message for the device by its own name; if nothing in it does, its delivery.

        The broker delivers again under the packet id of the first time, and says so.
        """
        if key is not None:
            return Claim(hashlib.sha256(key + whose.encode()).hexdigest()[:32])
        what = hashlib.sha256(delivery.payload).digest()
        # What needs no acknowledgement has no packet id, and is never delivered again.
        packet = delivery.packet or f"at {delivery.received}"
        name = f"{self._session}\n{packet}\n{delivery.topic}\n{whose}\n".encode()
        return Claim(
            hashlib.sha256(name + what).hexdigest()[:32], True, delivery.again, delivery.received
        )


_RECEPTION: Final = int(Quality.RECEPTION)


def _change(delivery: Delivery, identity: str, reading: Reading) -> Change:
    presence = reading.presence
    assert presence is not None  # noqa: S101  # the caller looked
    boot = presence.boot or UUID(bytes=hashlib.sha256(identity.encode()).digest()[:16])
    since = delivery.received if presence.since is None else presence.since
    status: Literal["online", "offline"] = "online" if presence.online else "offline"
    return Change(delivery, identity, State(status=status, boot=boot, since=since))


def _clean(text: str) -> str:
    return text.replace("\0", " ")[:MAX_TEXT]
