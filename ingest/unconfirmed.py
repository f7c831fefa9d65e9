"""Rows that cannot have been captured when they say: held apart until somebody decides."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from contracts.batch import encode
from contracts.clock import from_micros
from ingest.judge import Held, Judged
from storage.pool import Connection
from storage.registry import Device

OVER_QUOTA: Final = "clock"
"""Reason under which is counted what there is no room for."""

MAX_PARTS: Final = 50_000
MAX_BYTES: Final = 256 << 20
"""Of one device: what is over it is counted among what is over the quota of dead letters."""

# Several ingests may each find room for the last ones: the bound is a bound, not an account.
HOLD: Final = """
WITH i AS (
    SELECT *, row_number() OVER mine AS parts, sum(octet_length(payload)) OVER mine AS bytes
    FROM unnest(%(device)s::int[], %(received)s::timestamptz[], %(sent)s::timestamptz[],
                %(first)s::int8[], %(last)s::int8[], %(boot)s::uuid[], %(seq)s::int8[],
                %(stream)s::text[], %(simulated)s::bool[], %(rows)s::int[], %(detail)s::text[],
                %(identity)s::text[], %(payload)s::bytea[])
        AS i(device, received, sent, first, last, boot, seq, stream, simulated, rows, detail,
             identity, payload)
    WINDOW mine AS (PARTITION BY device ROWS UNBOUNDED PRECEDING)
), used AS (
    SELECT device, count(*) AS parts, coalesce(sum(octet_length(payload)), 0) AS bytes
    FROM unconfirmed WHERE device = ANY(%(device)s::int[]) GROUP BY device
), judged AS (
    SELECT i.*, i.parts + coalesce(used.parts, 0) <= %(max_parts)s
        AND i.bytes + coalesce(used.bytes, 0) <= %(max_bytes)s AS fits
    FROM i LEFT JOIN used USING (device)
), dropped AS (
    INSERT INTO dead_letter_overflow AS o (identity, reason, dropped, last_at)
    SELECT identity, %(reason)s, count(*), %(now)s FROM judged WHERE NOT fits
    GROUP BY identity ORDER BY identity
    ON CONFLICT (identity, reason)
    DO UPDATE SET dropped = o.dropped + EXCLUDED.dropped, last_at = EXCLUDED.last_at
), held AS (
    INSERT INTO unconfirmed (stored, received, sent, first, last, device, boot, seq, stream,
                             simulated, rows, detail, payload)
    SELECT %(now)s, received, sent, first, last, device, boot, seq, stream, simulated, rows, detail,
           payload
    FROM judged WHERE fits
    RETURNING rows
)
SELECT count(*), coalesce(sum(rows), 0)::bigint FROM held"""

_COLUMNS: Final = """
    u.unconfirmed, d.pilot || '/' || d.name, u.boot, u.seq, u.stream, u.simulated, u.rows, u.first,
    u.last, u.sent, u.received, u.detail"""
LIST: Final = f"""
SELECT {_COLUMNS} FROM unconfirmed u JOIN device d USING (device)
WHERE %(device)s::text IS NULL OR d.pilot || '/' || d.name = %(device)s
ORDER BY u.unconfirmed LIMIT %(most)s"""  # noqa: S608  # our own constants
COUNT: Final = """
SELECT count(*), coalesce(sum(rows), 0)::bigint FROM unconfirmed u JOIN device d USING (device)
WHERE %(device)s::text IS NULL OR d.pilot || '/' || d.name = %(device)s"""
TAKE: Final = f"""
DELETE FROM unconfirmed u USING device d WHERE u.unconfirmed = %s AND d.device = u.device
RETURNING {_COLUMNS}, u.payload"""  # noqa: S608


class Entry(NamedTuple):
    """A held part in a list."""

    number: int
    device: str  # pilot/device
    boot: UUID
    seq: int
    stream: str
    simulated: bool
    rows: int
    first: int  # [us] since 1970, captured; it need not be a date
    last: int
    sent: datetime
    received: datetime
    detail: str


def hold(
    connection: Connection, messages: Sequence[tuple[Device, Judged]], now: int
) -> tuple[int, int]:
    """Within a transaction: hold what is to be held; return rows held and parts without room."""
    parts = [(device, message, held) for device, message in messages for held in message.held]
    if not parts:
        return 0, 0
    columns = zip(*(_row(*part) for part in parts), strict=True)
    given = dict(zip(_FIELDS, map(list, columns), strict=True))
    bounds = {"max_parts": MAX_PARTS, "max_bytes": MAX_BYTES}
    more = {"reason": OVER_QUOTA, "now": from_micros(now)}
    kept, rows = connection.execute(HOLD, {**given, **bounds, **more}).fetchall()[0]
    return rows, len(parts) - kept


_FIELDS: Final = (
    "device", "received", "sent", "first", "last", "boot", "seq", "stream", "simulated", "rows",
    "detail", "identity", "payload",
)  # fmt: skip


def _row(device: Device, message: Judged, held: Held) -> tuple[object, ...]:
    batch, t = held.batch, held.batch.columns["t"]
    return (
        device.device,
        from_micros(message.delivery.received),
        from_micros(batch.sent_at),
        int(t.min()),
        int(t.max()),
        batch.boot,
        batch.seq,
        message.stream,
        batch.simulated,
        batch.rows,
        held.detail,
        message.identity,
        encode(batch),
    )


def list_held(connection: Connection, device: str | None, most: int) -> list[Entry]:
    """List what is held, as it came."""
    rows = connection.execute(LIST, {"device": device, "most": most}).fetchall()
    return [Entry(*row) for row in rows]


def count_held(connection: Connection, device: str | None) -> tuple[int, int]:
    """Parts and rows that are held."""
    parts, rows = connection.execute(COUNT, {"device": device}).fetchall()[0]
    return parts, rows


def take(connection: Connection, number: int) -> tuple[Entry, bytes] | None:
    """Within a transaction: remove one part and return it with its payload; None: there is none."""
    row = connection.execute(TAKE, [number]).fetchone()
    return (Entry(*row[:-1]), row[-1]) if row else None
