"""The table `batch`: the four times and the digest of everything that was committed."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from contracts.clock import from_micros
from ingest.foreign.join import Arrival, recipe
from ingest.judge import Judged
from storage.literals import array, binary, plain
from storage.pool import Connection
from storage.registry import Device

MAX_OFFSET: Final = 1e9
"""A clock that is more seconds off has no offset worth keeping."""

_EPOCH: Final = "timestamptz 'epoch' + INTERVAL '1 microsecond' *"
INSERT: Final = f"""
INSERT INTO batch (stored, received, sent, captured, device, boot, seq, stream, rows, bytes,
                   digest, clock_offset, clock_error, simulated)
SELECT %(stored)s, {_EPOCH} received, {_EPOCH} sent,
       CASE WHEN rows = 0 THEN 'empty'
            ELSE tstzrange({_EPOCH} first, {_EPOCH} last, '[]') END,
       device, boot, seq, stream, rows, bytes, digest, clock_offset, clock_error, simulated
FROM unnest(%(received)s::int8[], %(sent)s::int8[], %(first)s::int8[], %(last)s::int8[],
            %(device)s::int[], %(boot)s::uuid[], %(seq)s::int8[], %(stream)s::text[],
            %(rows)s::int[], %(bytes)s::int[], %(digest)s::bytea[], %(clock_offset)s::float4[],
            %(clock_error)s::float4[], %(simulated)s::bool[])
    AS i(received, sent, first, last, device, boot, seq, stream, rows, bytes, digest,
         clock_offset, clock_error, simulated)"""  # noqa: S608  # our own constants

NUMBERS: Final = (
    "received", "sent", "first", "last", "device", "seq", "rows", "bytes", "simulated"
)  # fmt: skip
"""Columns of a batch that are never null, which have a faster way to the database."""


def write_batches(
    connection: Connection,
    committed: Sequence[tuple[Device, Judged]],
    foreign: Sequence[Arrival],
    now: int,
) -> None:
    """Write down what is committed at this moment [us], batches and foreign messages."""
    stored = {"stored": from_micros(now)}
    if committed:
        connection.execute(INSERT, {**_columns(committed), **stored})
    if foreign:
        connection.execute(INSERT, {**recipe(foreign), **stored})


def _columns(committed: Sequence[tuple[Device, Judged]]) -> dict[str, Any]:
    rows = [_row(device, message) for device, message in committed]
    columns: dict[str, Any] = {name: [row[name] for row in rows] for name in rows[0]}
    columns |= {name: array(columns[name]) for name in NUMBERS}
    columns["boot"] = plain(map(str, columns["boot"]))
    columns["digest"] = binary(columns["digest"])
    return columns


def _row(device: Device, message: Judged) -> dict[str, object]:
    batch = message.batch
    t = batch.columns["t"] if batch is not None and batch.rows else np.zeros(1, np.int64)
    return {
        "received": message.delivery.received,
        "sent": batch.sent_at if batch is not None else message.delivery.received,
        "first": int(t.min()),
        "last": int(t.max()),
        "device": device.device,
        "boot": message.boot,
        "seq": message.seq,
        "stream": message.stream,
        "rows": message.rows,
        "bytes": len(message.delivery.payload),
        "digest": message.digest,
        "clock_offset": _offset(batch.clock_offset) if batch is not None else None,
        "clock_error": _offset(batch.clock_error) if batch is not None else None,
        "simulated": batch is not None and batch.simulated,
    }


def _offset(seconds: float | None) -> float | None:
    if seconds is None or not abs(seconds) < MAX_OFFSET:  # NaN is not less either
        return None
    return float(np.float32(seconds))
