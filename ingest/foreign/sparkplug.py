"""Sparkplug B: births, data and deaths of edge nodes and their devices, ``spBv1.0/#``.

A birth says what the names and aliases of the data that follow mean, so births are remembered, and
kept in the database for the next process. Which birth data belong to is told by their times.
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

    @property
    def boot(self) -> UUID:
        """Name of the connection that began with it."""
        return UUID(bytes=digest("sparkplug", self.who, str(self.born), str(self.number))[:16])


class Births:
    """The births that are known, the newest of each last."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, list[Birth]] = OrderedDict()

    def add(self, birth: Birth) -> None:
        """Remember a birth; one that is known is the same."""
        known = self._known.setdefault(birth.who, [])
        if all(one.born != birth.born for one in known):
            known.append(birth)
            known.sort(key=lambda one: one.born)
            del known[:-MAX_BIRTHS]
        self._known.move_to_end(birth.who)
        while len(self._known) > MAX_NODES:
            self._known.popitem(last=False)

    def of(self, who: str, at: int | None = None) -> Birth | None:
        """Find the birth that was the last one at a time [ms]; None: it is not known."""
        known = self._known.get(who, [])
        return next((one for one in reversed(known) if at is None or one.born <= at), None)

    def devices(self, node: str) -> list[Birth]:
        """Find the newest birth of each device of a node."""
        return [known[-1] for who, known in self._known.items() if who.startswith(f"{node}/")]


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
    key = digest("sparkplug", message.topic, message.payload)
    match levels[2]:
        case "NBIRTH" | "DBIRTH":
            birth = _birth(who, found, message)
            births.add(birth)
            values, texts = _measured(found, birth)
            presence = Presence(online=True, boot=birth.boot, since=birth.born * 1000)
            reading = Reading(
                source=who, values=values, texts=texts, key=key, presence=presence, birth=birth
            )
            return [reading]
        case "NDEATH" | "DDEATH":
            return _deaths(who, found, births)
        case _:
            at = found.timestamp if found.HasField("timestamp") else None
            values, texts = _measured(found, births.of(who, at))
            return [Reading(source=who, values=values, texts=texts, key=key)]


def _birth(who: str, found: Any, message: Message) -> Birth:
    numbers = [m.long_value or m.int_value for m in found.metrics if m.name == "bdSeq"]
    names = {m.name: Meaning(m.name, m.datatype, _unit(m)) for m in found.metrics if m.name}
    aliases = {m.alias: names[m.name] for m in found.metrics if m.HasField("alias") and m.name}
    born = found.timestamp if found.HasField("timestamp") else message.received // 1000
    stamp(born / 1000)  # what no calendar has is refused, not remembered
    return Birth(who, born, numbers[0] if numbers else None, aliases, names)


def _deaths(who: str, found: Any, births: Births) -> list[Reading]:
    """Read a death: of the connection that it belongs to, and of no later one."""
    birth = births.of(who)
    if birth is None:
        raise ForeignError("no-birth", f"the death of {who}, whose birth is not known")
    numbers = [m.long_value or m.int_value for m in found.metrics if m.name == "bdSeq"]
    if numbers and birth.number is not None and numbers[0] != birth.number:
        return []  # the will of a connection before
    dead = [birth, *births.devices(who)]
    return [
        Reading(
            source=one.who, presence=Presence(online=False, boot=one.boot, since=one.born * 1000)
        )
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
