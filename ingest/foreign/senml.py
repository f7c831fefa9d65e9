"""SenML (RFC 8428), JSON and CBOR: a pack of records, resolved."""

import base64
import binascii
import re
from decimal import Decimal
from typing import Any, Final

import cbor2
import msgspec

from ingest.foreign.reading import (
    MAX_VALUES,
    ForeignError,
    Message,
    Reading,
    Text,
    Value,
    digest,
    stamp,
)
from ingest.foreign.settings import Source
from ingest.foreign.units import ucum

JSON_TYPE: Final = "application/senml+json"
CBOR_TYPE: Final = "application/senml+cbor"

VERSION: Final = 10
"""The newest version of SenML that is understood: RFC 8428."""

SECONDARY_UNITS: Final = 1 << 4
"""Flag in the version of packs that use units of RFC 8798's second registry, by RFC 9100."""

ABSOLUTE: Final = 2**28
"""Times below are relative to now, times from here on are seconds since the epoch."""

CBOR_LABELS: Final = {
    -1: "bver", -2: "bn", -3: "bt", -4: "bu", -5: "bv", -6: "bs", 0: "n", 1: "u", 2: "v",
    3: "vs", 4: "vb", 5: "s", 6: "t", 7: "ut", 8: "vd",
}  # fmt: skip
SEPARATORS: Final = ":/._-"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9\-:./_]*")


class Record(msgspec.Struct):
    """A record as it is written; what is not there is None."""

    bn: str | None = None
    bt: float | None = None
    bu: str | None = None
    bv: float | None = None
    bs: float | None = None
    bver: int | None = None
    n: str = ""
    u: str | None = None
    v: float | None = None
    vs: str | None = None
    vb: bool | None = None
    vd: str | None = None
    s: float | None = None
    t: float = 0.0


class Resolved(msgspec.Struct, frozen=True):
    """A record that needs no other one: base name and name are apart, together they are its name.

    A time below 2**28 is relative to when the pack was sent.
    """

    base: str
    name: str
    unit: str
    time: float
    value: float | bool | str | None
    sum: float | None
    data: bytes | None


_json: Final = msgspec.json.Decoder(list[Record])


def read(message: Message, source: Source) -> list[Reading]:
    """Read a pack: one reading for each base name, or each device that the source lists."""
    records = resolve(decode(message.payload, message.content_type))
    groups: dict[str, list[tuple[str, Resolved]]] = {}
    for record in records:
        device, name = split(record, source)
        groups.setdefault(device, []).append((name, record))
    # Relative times alone would make the same pack that is sent again later the same message.
    known = any(record.time >= ABSOLUTE for record in records)
    key = digest("senml", message.payload) if known else None
    return [_reading(device, group, key, message) for device, group in groups.items()]


def decode(payload: bytes, content_type: str = "") -> list[Record]:
    """Read the records of a pack; JSON unless the content type, or the first byte, says CBOR."""
    # An array in CBOR begins with a byte that no text begins with.
    is_json = "json" in content_type if content_type else payload[:1] < b"\x80"
    try:
        if is_json:
            records = _json.decode(payload)
            if b'_"' in payload:
                _refuse_unknown(msgspec.json.decode(payload))
        else:
            records = msgspec.convert(_from_cbor(payload), list[Record])
    except (ValueError, RecursionError, cbor2.CBORDecodeError) as fault:
        raise ForeignError("not-senml", str(fault)) from fault
    if len(records) > MAX_VALUES:
        raise ForeignError("too-large", f"{len(records)} records, at most {MAX_VALUES} are taken")
    return records


def resolve(records: list[Record]) -> list[Resolved]:
    """Apply the base values: to the record that has them and those after it."""
    base, base_time, base_unit, base_sum = "", 0.0, "", None
    base_value: float | None = None
    version: int | None = None
    resolved = []
    for record in records:
        if record.bn is not None:
            base = record.bn
        if record.bt is not None:
            base_time = record.bt
        if record.bu is not None:
            base_unit = record.bu
        if record.bv is not None:
            base_value = record.bv
        if record.bs is not None:
            base_sum = record.bs
        version = _checked_version(record.bver, version)
        if not _NAME.fullmatch(base + record.n):
            raise ForeignError("bad-name", f"{base + record.n!r} is no name of SenML")
        resolved.append(
            Resolved(
                base,
                record.n,
                record.u if record.u is not None else base_unit,
                base_time + record.t,
                _value(record, base_value),
                _total(base_sum, record.s),
                _data(record.vd),
            )
        )
    return resolved


def split(record: Resolved, source: Source | None = None) -> tuple[str, str]:
    """Name of the device and name of the measurement.

    The longest name that the source lists wins, but only where a name ends: `meter-1` is not in
    `meter-10:power`. Where none is listed the base name is the device. A record whose
    base name is all of its name is told by its unit, as one sensor's records may differ in it only.
    """
    if source is not None:
        full = record.base + record.name
        for listed in source.longest_first:
            if full.startswith(listed):
                rest = full[len(listed) :]
                if not rest or rest[0] in SEPARATORS or listed[-1:] in SEPARATORS:
                    return listed, rest.strip(SEPARATORS) or record.unit or "value"
    return record.base.rstrip(SEPARATORS), record.name or record.unit or "value"


def _reading(
    device: str, group: list[tuple[str, Resolved]], key: bytes | None, message: Message
) -> Reading:
    values: list[Value] = []
    texts: list[Text] = []
    for name, record in group:
        t = _time(record.time, message.received)
        unit = ucum(record.unit)
        if isinstance(record.value, str):
            texts.append(Text(t, name, record.value))
        elif record.value is not None:
            values.append(Value(t, name, float(record.value), unit))
        if record.data is not None:
            texts.append(Text(t, name, base64.b64encode(record.data).decode()))
        if record.sum is not None:
            values.append(Value(t, f"{name}.sum", record.sum, f"{unit}.s" if unit else "s"))
    return Reading(source=device, values=values, texts=texts, key=key)


def _time(time: float, received: int) -> int | None:
    if time >= ABSOLUTE:
        return stamp(time)
    return received + stamp(time) if time else None


def _checked_version(stated: int | None, before: int | None) -> int | None:
    if stated is None:
        return before
    if not 1 <= stated <= VERSION and stated != VERSION | SECONDARY_UNITS:
        detail = f"version {stated}; {VERSION} is the newest that is understood"
        raise ForeignError("unknown-version", detail)
    if before not in {None, stated}:
        raise ForeignError("not-senml", f"versions {before} and {stated} in one pack")
    return stated


def _value(record: Record, base: float | None) -> float | bool | str | None:
    given = [x for x in (record.v, record.vs, record.vb, record.vd) if x is not None]
    if len(given) > 1:
        raise ForeignError("not-senml", f"{record.n!r} has {len(given)} values")
    if record.vs is not None:
        return record.vs
    if record.vb is not None:
        return record.vb
    if record.vd is not None:
        return None
    if record.v is None and base is None:
        if record.s is None:
            raise ForeignError("not-senml", f"{record.n!r} has neither a value nor a sum")
        return None
    return (base or 0.0) + (record.v or 0.0)


def _total(base: float | None, own: float | None) -> float | None:
    return None if base is None and own is None else (base or 0.0) + (own or 0.0)


def _data(text: str | None) -> bytes | None:
    if text is None:
        return None
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as fault:
        raise ForeignError("not-senml", f"vd is no base64: {fault}") from fault


def _from_cbor(payload: bytes) -> list[dict[str, Any]]:
    pack = cbor2.loads(payload)
    if not isinstance(pack, list) or not all(isinstance(record, dict) for record in pack):
        raise ForeignError("not-senml", "the CBOR is no array of maps")
    records = [
        {CBOR_LABELS.get(label, str(label)): _plain(value) for label, value in record.items()}
        for record in pack
    ]
    _refuse_unknown(records)
    return records


def _plain(value: Any) -> Any:
    """Numbers as JSON has them, and data as base64url."""
    match value:
        case Decimal():
            return float(value)
        case bytes():
            return base64.urlsafe_b64encode(value).decode().rstrip("=")
        case _:
            return value


def _refuse_unknown(records: Any) -> None:
    """Refuse what must be understood and is not: fields whose names end in ``_``."""
    for record in records:
        for name in record:
            if isinstance(name, str) and name.endswith("_"):
                raise ForeignError("not-senml", f"the field {name!r} must be understood and is not")
