"""Sparkplug B: births, data and deaths of edge nodes and their devices, ``spBv1.0/#``.

A birth says what the names and aliases of the data that follow mean, so births are remembered, and
kept in the database for the next process. They count in the order in which they came, for a node's
clock may be set; only what came late is told by the node's times.
"""

from collections import OrderedDict
from typing import Any, Final, NamedTuple
from uuid import UUID

from contracts.metrics import Quality
from ingest.foreign.reading import (
    ForeignError,
    Message,
    Presence,
    Reading,
    Text,
    Value,
    digest,
    stamp,
)
from ingest.foreign.settings import Source
from ingest.foreign.sparkplug_payload import parse
from ingest.foreign.units import spoken

MAX_BIRTHS: Final = 4
"""Births of one node or device that are remembered: data may come late by so many."""

MAX_NODES: Final = 2_000
"""Nodes and devices whose births are remembered; others are read from the database again."""

SIGNED: Final = {1: 8, 2: 16, 3: 32, 4: 64}
"""Bits of Int8, Int16, Int32 and Int64, which travel as unsigned numbers."""

GOOD: Final = 192
"""OPC's code of a good value, in the property `Quality`."""

NOT_MEASURED: Final = ("bdSeq", "Node Control/", "Device Control/")


class Meaning(NamedTuple):
    """What a name or an alias stands for."""

    name: str
    datatype: int
    unit: str


class Birth(NamedTuple):
    """A birth certificate of a node, `{group}/{node}`, or a device, `{group}/{node}/{device}`."""

    who: str
    born: int  # [ms] since the epoch
    number: int | None  # the node's bdSeq
    aliases: dict[int, Meaning]
    names: dict[str, Meaning]  # all of them, whether they have an alias or not
    received: int  # [us] since the epoch, by whoever heard it first

    @property
    def since(self) -> int:
        """From when on it holds [us]: no later than it came, whatever the node's clock showed."""
        return min(self.born * 1000, self.received)

    @property
    def boot(self) -> UUID:
        """Name of the connection that began with it."""
        return UUID(bytes=digest("sparkplug", self.who, str(self.born), str(self.number))[:16])


class Births:
    """The births that are known, of each node and device the one that came last at the end."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, list[Birth]] = OrderedDict()
        self._doubted: set[str] = set()

    def doubt(self) -> None:
        """Trust no node's births until the database is asked: some may have passed unheard."""
        self._doubted = {"/".join(who.split("/")[:2]) for who in self._known}

    def trust(self, node: str) -> None:
        """Take what is known of a node and its devices for all there is."""
        self._doubted.discard(node)

    def is_doubted(self, node: str) -> bool:
        """Tell whether the database knows better."""
        return node in self._doubted

    def add(self, birth: Birth) -> None:
        """Remember a birth."""
        known = self._known.setdefault(birth.who, [])
        for place, one in enumerate(known):
            if one.born == birth.born:
                birth = that_holds(known.pop(place), birth)
                break
        known.append(birth)
        known.sort(key=lambda one: one.received)
        del known[:-MAX_BIRTHS]
        self._known.move_to_end(birth.who)
        while len(self._known) > MAX_NODES:
            self._known.popitem(last=False)

    def known(self, who: str) -> list[Birth]:
        """Find the births that are known, the one that came last at the end."""
        return self._known.get(who, [])

    def of(self, who: str, at: int, received: int) -> Birth | None:
        """Find the birth of what was sent at a time [ms] and came at another [us]; None: unknown.

        It is the last one that came before, unless what was sent is older than that, and late.
        """
        known = self.known(who)
        before = [one for one in known if one.received <= received]
        for one in reversed(before):
            if one.since <= at * 1000:
                return one
        if before and len(known) < MAX_BIRTHS:  # no other is forgotten: the clock was set back
            return before[-1]
        return next((one for one in reversed(known) if one.born <= at), None)  # it was overtaken

    def devices(self, node: str) -> list[Birth]:
        """Find the last birth of each device of a node."""
        return [known[-1] for who, known in self._known.items() if who.startswith(f"{node}/")]


def that_holds(one: Birth, other: Birth) -> Birth:
    """Say which of two births in one millisecond holds: the later, but of the same the earlier."""
    earlier, later = sorted((one, other), key=lambda birth: birth.received)
    return earlier if earlier == later._replace(received=earlier.received) else later


def node_of(topic: str) -> str:
    """Name the edge node of a topic, "" for none: whose births may be needed."""
    levels = topic.split("/")
    return f"{levels[1]}/{levels[3]}" if len(levels) in {4, 5} else ""


def read(message: Message, _: Source, births: Births) -> list[Reading]:
    """Read a message of an edge node; commands and the hosts' own state are not measured."""
    levels = message.topic.split("/")
    if len(levels) not in {4, 5} or levels[2][1:] not in {"BIRTH", "DATA", "DEATH"}:
        return []
    who = "/".join([levels[1], *levels[3:]])
    found = parse(message.payload)
    if births.is_doubted(node := node_of(message.topic)) and levels[2][1:] != "BIRTH":
        raise ForeignError("no-birth", f"a birth of {node} may have passed unheard")
    key = digest("sparkplug", message.topic, message.payload)
    match levels[2]:
        case "NBIRTH" | "DBIRTH":
            birth = _birth(who, found, message)
            births.add(birth)
            values, texts = _measured(found, birth)
            presence = Presence(online=True, boot=birth.boot, since=birth.since)
            reading = Reading(
                source=who, values=values, texts=texts, key=key, presence=presence, birth=birth
            )
            return [reading]
        case "NDEATH" | "DDEATH":
            return _deaths(who, found, births)
        case _:
            at = _sent(found, message)
            values, texts = _measured(found, births.of(who, at, message.received))
            return [Reading(source=who, values=values, texts=texts, key=key)]


def _birth(who: str, found: Any, message: Message) -> Birth:
    names = {m.name: Meaning(m.name, m.datatype, _unit(m)) for m in found.metrics if m.name}
    aliases = {m.alias: names[m.name] for m in found.metrics if m.HasField("alias") and m.name}
    born = _sent(found, message)
    stamp(born / 1000)  # what no calendar has is refused, not remembered
    return Birth(who, born, _connection(found), aliases, names, message.received)


def _sent(found: Any, message: Message) -> int:
    """Find when a message was sent [ms], by the node's clock."""
    return found.timestamp if found.HasField("timestamp") else message.received // 1000


def _connection(found: Any) -> int | None:
    """Find the number of the connection, which the node's birth and its death have in common."""
    return next((m.long_value or m.int_value for m in found.metrics if m.name == "bdSeq"), None)


def _deaths(who: str, found: Any, births: Births) -> list[Reading]:
    """Read a death: of the connection that it belongs to, and of no later one."""
    known = births.known(who)
    number = _connection(found)
    own = [birth for birth in known if number is None or birth.number in {None, number}]
    if not own:
        which = "" if number is None else f" with bdSeq {number}"
        raise ForeignError("no-birth", f"the death of {who}, whose birth{which} is not known")
    if own[-1] is not known[-1]:
        return []  # the will of a connection before
    dead = [own[-1], *births.devices(who)]
    return [
        Reading(source=one.who, presence=Presence(online=False, boot=one.boot, since=one.since))
        for one in dead
    ]


def _measured(found: Any, birth: Birth | None) -> tuple[list[Value], list[Text]]:
    values: list[Value] = []
    texts: list[Text] = []
    for metric in found.metrics:
        if metric.is_null:
            continue
        meaning = _meaning(metric, birth)
        if meaning.name.startswith(NOT_MEASURED):
            continue
        at = metric.timestamp if metric.HasField("timestamp") else found.timestamp
        t = at * 1000 if at else None
        if metric.HasField("string_value"):
            texts.append(Text(t, meaning.name, metric.string_value))
        elif (value := _number(metric, meaning.datatype)) is not None:
            values.append(Value(t, meaning.name, value, meaning.unit, _quality(metric)))
    return values, texts


def _meaning(metric: Any, birth: Birth | None) -> Meaning:
    """Say what a metric stands for; data leave out what the birth has said, whatever it can be."""
    known = None
    if birth is not None and metric.name:
        known = birth.names.get(metric.name)
    elif birth is not None and metric.HasField("alias"):
        known = birth.aliases.get(metric.alias)
    if known is None and not _is_clear(metric):
        which = repr(metric.name) if metric.name else f"alias {metric.alias}"
        raise ForeignError("no-birth", f"{which}, which no birth that came before explains")
    if known is None:
        return Meaning(metric.name, metric.datatype, _unit(metric))
    return Meaning(known.name, metric.datatype or known.datatype, _unit(metric) or known.unit)


def _is_clear(metric: Any) -> bool:
    """Tell whether a metric can be read without a birth: by the type alone a number has a sign."""
    is_whole = metric.HasField("int_value") or metric.HasField("long_value")
    return bool(metric.name and (metric.datatype or not is_whole))


def _number(metric: Any, datatype: int) -> float | None:
    if metric.HasField("boolean_value"):
        return float(metric.boolean_value)
    if metric.HasField("float_value"):
        return float(metric.float_value)
    if metric.HasField("double_value"):
        return float(metric.double_value)
    for field in ("int_value", "long_value"):
        if metric.HasField(field):
            return float(_signed(getattr(metric, field), SIGNED.get(datatype)))
    return None  # data sets, templates, files and arrays are no numbers


def _signed(number: int, bits: int | None) -> int:
    if bits is None:
        return number
    sign = 1 << (bits - 1)
    return ((number & ((1 << bits) - 1)) ^ sign) - sign


def _properties(metric: Any) -> dict[str, Any]:
    return dict(zip(metric.properties.keys, metric.properties.values, strict=False))


def _unit(metric: Any) -> str:
    stated = _properties(metric).get("engUnit")
    return spoken(stated.string_value) if stated is not None else ""


def _quality(metric: Any) -> int:
    stated = _properties(metric).get("Quality")
    return Quality.GOOD if stated is None or stated.int_value == GOOD else Quality.DOUBTED
