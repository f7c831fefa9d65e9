"""What an adapter makes of a foreign payload: whose it is by its own name, and what it says."""

import hashlib
from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec

from contracts.clock import MICROSECONDS, to_micros
from ingest.errors import IngestError

MAX_DEPTH: Final = 8
"""Nested objects and lists that are looked into; what lies deeper is no measurement."""

MAX_VALUES: Final = 10_000
"""Values that one message may carry."""

FAR: Final = 250_000_000_000.0
"""Nobody has a calendar that goes so far from 1970. [s]"""

SWITCH: Final = {"on": 1.0, "off": 0.0, "true": 1.0, "false": 0.0}
"""Words that are values."""

PRESENCE: Final = {"online": True, "offline": False, "true": True, "false": False}


class ForeignError(IngestError):
    """The message cannot be used; `reason` is the dead letter's, the text says what is wrong."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail[:500]}")
        self.reason = reason
        self.detail = detail[:500]


class Message(NamedTuple):
    """A message on a topic that a source listens to."""

    topic: str
    payload: bytes
    received: int  # [us] since the epoch
    wild: tuple[str, ...] = ()  # what the topic has where the source's filter has wildcards
    content_type: str = ""


class Value(NamedTuple):
    """One number."""

    t: int | None  # [us] since the epoch, None: the message does not say
    name: str
    value: float
    unit: str = ""  # UCUM
    quality: int = 0  # contracts.metrics.Quality


class Text(NamedTuple):
    """One word that is no number: it is kept as an event."""

    t: int | None
    name: str
    text: str


class Presence(NamedTuple):
    """What the message says of the device's connection."""

    online: bool
    boot: UUID | None = None  # of which connection, None: the format tells none from another
    since: int | None = None  # [us] since the epoch, None: since now


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What one message says of one device."""

    source: str  # the device by its own name
    values: list[Value] = []
    texts: list[Text] = []
    presence: Presence | None = None
    # What tells this message from each other one of the device, for ever; None: nothing does.
    key: bytes | None = None
    place: int = 0  # tells apart what one message says of one device several times
    simulated: bool = False
    birth: Any = None  # a birth certificate that is to be kept, of a format that has them


def in_calendar(reading: Reading) -> bool:
    """Tell whether a database can hold every time of a reading, believable or not."""
    times = [t for t, *_ in reading.values] + [t for t, *_ in reading.texts]
    times.append(reading.presence.since if reading.presence is not None else None)
    return all(t is None or -FAR < t / MICROSECONDS < FAR for t in times)


def decode_json(payload: bytes) -> Any:
    """Decode JSON, whatever it is.

    Raises
    ------
    ForeignError
        If it is none.
    """
    try:
        return msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        raise ForeignError("not-json", str(fault)) from fault


def decode_object(payload: bytes) -> dict[str, Any]:
    """Decode a JSON object."""
    found = decode_json(payload)
    if not isinstance(found, dict):
        raise ForeignError("not-an-object", f"a JSON {type(found).__name__}, not an object")
    return found


def numbers(found: Any, skip: Collection[str] = ()) -> Iterator[tuple[str, str, float]]:
    """Yield the numbers in nested objects and lists: path, field and number; switches are 1 and 0.

    The field is the last name in the path, which lists put their indices behind; `skip` are fields
    that are not looked into.

    >>> list(numbers({"SCD40": {"Temperature": 23.8, "State": "ON"}, "Id": "x"}))
    [('SCD40.Temperature', 'Temperature', 23.8), ('SCD40.State', 'State', 1.0)]
    >>> list(numbers({"Power": [0, 26]}))
    [('Power.0', 'Power', 0.0), ('Power.1', 'Power', 26.0)]

    Raises
    ------
    ForeignError
        If there are more than a message may carry.
    """
    for count, number in enumerate(_numbers(found, "", "", skip, 0)):
        if count == MAX_VALUES:
            raise ForeignError("too-large", f"at most {MAX_VALUES} values are taken")
        yield number


def _numbers(
    found: Any, path: str, field: str, skip: Collection[str], depth: int
) -> Iterator[tuple[str, str, float]]:
    match found:
        case bool() | int() | float():
            yield path, field, float(found)
        case str() if (value := SWITCH.get(found.lower())) is not None:
            yield path, field, value
        case dict() if depth < MAX_DEPTH:
            for key, value in found.items():
                if key not in skip:
                    yield from _numbers(
                        value, f"{path}.{key}" if path else key, key, skip, depth + 1
                    )
        case list() if depth < MAX_DEPTH:
            for place, value in enumerate(found):
                yield from _numbers(value, f"{path}.{place}", field, skip, depth + 1)
        case _:
            pass


def stamp(seconds: float) -> int:
    """Microseconds of a time in seconds since the epoch.

    Raises
    ------
    ForeignError
        If no calendar goes so far.
    """
    if not -FAR < seconds < FAR:  # NaN is neither
        raise ForeignError("bad-time", f"{seconds!r} s lies outside the calendar")
    return round(seconds * MICROSECONDS)


def moment(text: str) -> datetime:
    """Read an ISO 8601 time, with or without a zone; fractions beyond microseconds are cut off.

    >>> moment("2020-02-12T15:15:46.014773143Z").isoformat()
    '2020-02-12T15:15:46.014773+00:00'

    Raises
    ------
    ForeignError
        If it is none.
    """
    try:
        return datetime.fromisoformat(text)
    except (ValueError, TypeError) as fault:
        raise ForeignError("bad-time", f"{text!r} is no ISO 8601 time") from fault


def zoned(text: str) -> int:
    """Microseconds of an ISO 8601 time that has a zone."""
    try:
        return to_micros(moment(text))
    except (ValueError, OverflowError) as fault:
        raise ForeignError("bad-time", str(fault)) from fault


def digest(*parts: bytes | str) -> bytes:
    """SHA-256 of parts, each with its length, so that no two lists of parts are the same.

    >>> digest("ab", "c") == digest("a", "bc")
    False
    """
    raw = [part.encode() if isinstance(part, str) else part for part in parts]
    return hashlib.sha256(b"".join(b"%d:" % len(part) + part for part in raw)).digest()
