"""Any other JSON: JSONPath says where device, time, the message's name and the values stand."""

from collections.abc import Callable, Hashable, Iterator
from datetime import UTC
from functools import lru_cache, partial
from typing import Any, Final

import jsonpath

from contracts.clock import to_micros
from ingest.foreign.reading import (
    MAX_VALUES,
    SWITCH,
    ForeignError,
    Message,
    Reading,
    Text,
    Value,
    decode_json,
    digest,
    moment,
    stamp,
)
from ingest.foreign.settings import Mapping, Source

Find = Callable[[Any], list[Any]]
Path = jsonpath.JSONPath | jsonpath.CompoundJSONPath

SECONDS: Final = {"s": 1.0, "ms": 1e-3, "us": 1e-6}


def read(message: Message, source: Source) -> list[Reading]:
    """Read a message by its source's paths; what is not there is not said."""
    mapping = source.mapping
    if mapping is None:
        raise ForeignError("no-mapping", f"source {source.name} has no mapping")
    document = decode_json(message.payload)
    records = _all(document, mapping.records) if mapping.records else [document]
    if len(records) * len(mapping.values) > MAX_VALUES:
        detail = f"{len(records)} records of {len(mapping.values)} values, at most {MAX_VALUES}"
        raise ForeignError("too-large", detail)
    return [
        _reading(record, place, mapping, message, source) for place, record in enumerate(records)
    ]


def _reading(
    record: Any, place: int, mapping: Mapping, message: Message, source: Source
) -> Reading:
    device = _one(record, mapping.id) if mapping.id else "/".join(message.wild)
    if mapping.id and device is None:
        raise ForeignError("no-device", f"{mapping.id} finds nothing")
    t = _time(_one(record, mapping.time), mapping, source) if mapping.time else None
    name = _one(record, mapping.message_id) if mapping.message_id else None
    values, texts = _values(record, mapping, t)
    if name is not None:
        key, place = digest("mapping", source.name, str(name)), 0  # wherever it stands
    elif t is not None:
        key = digest("mapping", message.topic, message.payload)
    else:
        key = None
    return Reading(source=str(device), values=values, texts=texts, key=key, place=place)


def _values(record: Any, mapping: Mapping, t: int | None) -> tuple[list[Value], list[Text]]:
    values: list[Value] = []
    texts: list[Text] = []
    for rule in mapping.values:
        for found in _all(record, rule.path):
            number = _number(found)
            if number is not None:
                number = number * rule.factor + rule.offset
                values.append(Value(t, rule.metric, number, rule.unit))
            elif isinstance(found, str):
                texts.append(Text(t, rule.metric, found))
    return values, texts


def _number(found: Any) -> float | None:
    """Read a number, also one that is written as a text, or a switch."""
    match found:
        case bool() | int() | float():
            return float(found)
        case str():
            try:
                return float(found)
            except ValueError:
                return SWITCH.get(found.lower())
        case _:
            return None


def _one(record: Any, path: str | None) -> Any:
    found = _all(record, path) if path else []
    return found[0] if found else None


def _all(record: Any, path: str) -> list[Any]:
    """Find all; in a text there is nothing to find, though the library would read it as JSON."""
    if isinstance(record, dict | list):
        return finder(path)(record)
    return [record] if path == "$" else []


def _time(stated: Any, mapping: Mapping, source: Source) -> int | None:
    if stated is None:
        return None
    if mapping.time_unit == "iso8601":
        said = moment(str(stated))
        if said.tzinfo is None:
            if source.zone is None:
                detail = f"{stated!r} names no zone, and source {source.name} has none"
                raise ForeignError("bad-time", detail)
            said = said.replace(tzinfo=source.time_zone)
        return to_micros(said.astimezone(UTC))
    try:
        return stamp(float(stated) * SECONDS[mapping.time_unit])
    except (TypeError, ValueError) as fault:
        raise ForeignError("bad-time", f"{stated!r} is no number") from fault


@lru_cache(1000)
def finder(path: str) -> Find:
    """Make what finds a path's values; a path that can match once is walked without more ado.

    >>> finder("$.a[1]")({"a": [1, 2]}), finder("$..b")({"a": {"b": 3}})
    ([2], [3])
    """
    compiled = jsonpath.compile(path)
    if isinstance(compiled, jsonpath.JSONPath) and compiled.singular_query():
        steps = tuple(_steps(compiled))
        return lambda document: _walk(document, steps)
    return partial(_find, compiled)


def _find(path: Path, document: Any) -> list[Any]:
    try:
        return path.findall(document)
    except jsonpath.JSONPathError as fault:  # nested too deeply, or compared with what it is not
        raise ForeignError("no-such-path", f"{path}: {fault}") from fault


def _steps(path: jsonpath.JSONPath) -> Iterator[Hashable]:
    for segment in path.segments:
        for selector in segment.selectors:
            name = getattr(selector, "name", None)
            yield selector.index if name is None else name  # type: ignore[attr-defined]


def _walk(document: Any, steps: tuple[Hashable, ...]) -> list[Any]:
    for step in steps:
        try:
            if isinstance(document, dict) != isinstance(step, str) or isinstance(document, str):
                return []
            document = document[step]
        except (KeyError, IndexError, TypeError):
            return []
    return [document]
