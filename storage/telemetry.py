"""The raw rows that a window is computed from, straight into numpy."""

from datetime import datetime, timedelta
from typing import Final, LiteralString, NamedTuple

import numpy as np

from contracts.metrics import UNUSABLE
from storage.pool import AsyncConnection
from storage.read import Columns, read_columns, read_ragged

MINUTE: Final = timedelta(minutes=1)

# A piece never crosses a minute's border, so those that reach into the margin began within it or
# in the minute before.
PIECES: Final[LiteralString] = """
SELECT captured, device, boot, track, class, length, width, delays AS delay, xs AS x, ys AS y,
       vxs AS vx, vys AS vy, headings AS heading, sds AS sd
FROM track_piece
WHERE device = ANY(%(devices)s) AND simulated = %(simulated)s
    AND captured >= %(begin)s - %(margin)s - INTERVAL '1 minute'
    AND captured < %(end)s + %(margin)s AND until >= %(begin)s - %(margin)s
"""
PIECE_TYPES: Final = {
    "captured": "timestamptz", "device": "int4", "boot": "uuid", "track": "int8", "class": "int2",
    "length": "float4", "width": "float4", "delay": "int4[]", "x": "float4[]", "y": "float4[]",
    "vx": "float4[]", "vy": "float4[]", "heading": "float4[]", "sd": "float4[]",
}  # fmt: skip
EVENTS: Final[LiteralString] = """
SELECT captured, device, boot, kind, object, direction, class, track, value FROM event
WHERE device = ANY(%(devices)s) AND simulated = %(simulated)s
    AND captured >= %(begin)s AND captured < %(end)s
"""
EVENT_TYPES: Final = {
    "captured": "timestamptz", "device": "int4", "boot": "uuid", "kind": "text", "object": "text",
    "direction": "int2", "class": "int2", "track": "int8", "value": "float8",
}  # fmt: skip
# Apart from the events: a window without any has the inputs that it had before there were details.
DETAILS: Final[LiteralString] = """
SELECT captured, device, boot, kind, object, class, track, value, confidence, detail FROM event
WHERE device = ANY(%(devices)s) AND simulated = %(simulated)s
    AND captured >= %(begin)s AND captured < %(end)s AND detail <> ''
"""
DETAIL_TYPES: Final = {
    "captured": "timestamptz", "device": "int4", "boot": "uuid", "kind": "text", "object": "text",
    "class": "int2", "track": "int8", "value": "float8", "confidence": "float4", "detail": "text",
}  # fmt: skip
SIGNAL: Final[LiteralString] = """
SELECT captured, device, code, parameter FROM signal_event
WHERE device = ANY(%(devices)s) AND simulated = %(simulated)s
    AND captured >= %(begin)s - %(lookback)s AND captured < %(end)s
"""
SIGNAL_TYPES: Final = {
    "captured": "timestamptz", "device": "int4", "code": "int4", "parameter": "int4",
}  # fmt: skip
OBSERVATIONS: Final[LiteralString] = """
SELECT o.captured, o.device, m.name AS metric, o.value, o.quality
FROM observation o JOIN metric m USING (metric)
WHERE o.device = ANY(%(devices)s) AND o.simulated = %(simulated)s AND m.name = ANY(%(metrics)s)
    AND o.captured >= %(begin)s AND o.captured < %(end)s
"""
OBSERVATION_TYPES: Final = {
    "captured": "timestamptz", "device": "int4", "metric": "text", "value": "float8",
    "quality": "int2",
}  # fmt: skip
BATCHES: Final[LiteralString] = """
SELECT lower(captured) AS captured, device, boot, seq, stored FROM batch
WHERE device = ANY(%(devices)s) AND simulated = %(simulated)s
    AND lower(captured) >= %(begin)s AND lower(captured) < %(end)s
"""
BATCH_TYPES: Final = {
    "captured": "timestamptz", "device": "int4", "boot": "uuid", "seq": "int8",
    "stored": "timestamptz",
}  # fmt: skip
# What the devices' clocks are known by: what chrony told with each batch, and the least of
# received - sent, which tells nothing where a batch was stamped here. NaN: not known.
CLOCKS: Final[LiteralString] = """
SELECT min(lower(captured)) AS captured, device,
       coalesce(min(clock_offset::float8 - clock_error), 'NaN') AS told_low,
       coalesce(max(clock_offset::float8 + clock_error), 'NaN') AS told_high,
       coalesce(extract(epoch FROM min(received - sent) FILTER (WHERE received <> sent)), 'NaN')
           AS least,
       extract(epoch FROM max(received - lower(captured))) AS age
FROM batch WHERE device = ANY(%(devices)s) AND simulated = %(simulated)s
    AND lower(captured) >= %(begin)s AND lower(captured) < %(end)s
GROUP BY device
"""
CLOCK_TYPES: Final = {
    "captured": "timestamptz", "device": "int4", "told_low": "float8", "told_high": "float8",
    "least": "float8", "age": "float8",
}  # fmt: skip
# When a lost batch was captured nobody knows: it belongs to the minute that reported it. A boot is
# simulated as its batches are.
LOSSES: Final[LiteralString] = """
SELECT l.reported_at AS captured, l.device, l.boot, lower(l.seqs) AS first, upper(l.seqs) AS end
FROM loss l
WHERE l.device = ANY(%(devices)s) AND l.reported_at >= %(begin)s AND l.reported_at < %(end)s
    AND (SELECT b.simulated FROM batch b WHERE b.device = l.device AND b.boot = l.boot LIMIT 1)
        = %(simulated)s
"""
LOSS_TYPES: Final = {
    "captured": "timestamptz", "device": "int4", "boot": "uuid", "first": "int8", "end": "int8",
}  # fmt: skip


class Telemetry(NamedTuple):
    """Raw rows of one window, in any order; `captured` in microseconds."""

    points: Columns  # of track pieces, the margin included
    events: Columns
    details: Columns  # of the events that have one
    signal: Columns  # the lookback included
    observations: Columns  # that may be used
    flagged: Columns  # observations that may not: how many there were is part of the evidence
    batches: Columns  # by their first sample
    losses: Columns  # by the report
    clocks: Columns  # of batches by their first sample, a row for each device [s]


async def read_telemetry(
    connection: AsyncConnection,
    *,
    devices: list[int],
    simulated: bool,
    minute: datetime,
    margin: timedelta,
    lookback: timedelta,
    metrics: list[str],
) -> Telemetry:
    """Read what these devices captured in one minute.

    Parameters
    ----------
    margin
        Points of tracks are read from so long before the minute to so long after it.
    lookback
        Signal events are read from so long before the minute.
    metrics
        Scalars that are wanted, by name.
    """
    given = {
        "devices": devices,
        "simulated": simulated,
        "begin": minute,
        "end": minute + MINUTE,
        "margin": margin,
        "lookback": lookback,
        "metrics": metrics,
    }
    pieces = await read_ragged(connection, PIECES, given, PIECE_TYPES)
    which = np.repeat(np.arange(len(pieces.offsets) - 1), np.diff(pieces.offsets))
    points = {name: column[which] for name, column in pieces.rows.items()} | pieces.elements
    points["captured"] = points["captured"] + points.pop("delay")
    read = await read_columns(connection, OBSERVATIONS, given, OBSERVATION_TYPES)
    bad = read["quality"] & UNUSABLE != 0
    return Telemetry(
        points=points,
        events=await read_columns(connection, EVENTS, given, EVENT_TYPES),
        details=await read_columns(connection, DETAILS, given, DETAIL_TYPES),
        signal=await read_columns(connection, SIGNAL, given, SIGNAL_TYPES),
        observations={name: column[~bad] for name, column in read.items()},
        flagged={name: column[bad] for name, column in read.items()},
        batches=await read_columns(connection, BATCHES, given, BATCH_TYPES),
        losses=await read_columns(connection, LOSSES, given, LOSS_TYPES),
        clocks=await read_columns(connection, CLOCKS, given, CLOCK_TYPES),
    )
