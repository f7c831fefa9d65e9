"""What a run brought: the figures that a demo or a replay is judged by."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, LiteralString, NamedTuple

from storage.latency import LATENCY
from storage.pool import Connection

Passage = tuple[str, str, int]
"""Device, line and direction."""


class Delivery(NamedTuple):
    """How the batches of a pilot came in."""

    batches: int
    repeated: int  # names stored more than once
    lost: int  # batches that agents had to drop
    missing: int  # batches before the last one that have not come
    dead_letters: int
    delay_p50: float | None  # captured to stored, of each batch's oldest sample [s]
    delay_p95: float | None
    delay_p99: float | None


class Windows(NamedTuple):
    """Minutes in [start, end) of one site, measured or simulated."""

    site: int
    simulated: bool
    start: datetime
    end: datetime


_CROSSINGS: Final = """
SELECT d.name, e.object, e.direction, count(*)
FROM event e JOIN device d USING (device)
WHERE d.pilot = %(pilot)s AND e.kind = 'crossing'
    AND e.captured >= %(start)s AND e.captured < %(end)s
GROUP BY 1, 2, 3
"""

_DELIVERY: Final = (
    """
WITH arrived AS (
    SELECT b.* FROM batch b JOIN device d USING (device)
    WHERE d.pilot = %(pilot)s AND b.stored >= %(start)s AND b.stored < %(end)s
), delay AS (
    SELECT """  # noqa: S608  # our own constants
    + LATENCY
    + """ AS s FROM arrived b WHERE NOT isempty(captured)
)
SELECT (SELECT count(*) FROM arrived),
       (SELECT count(*) - count(DISTINCT (device, boot, seq)) FROM arrived),
       (SELECT percentile_cont(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY s) FROM delay)
"""
)

_LEDGER: Final = """
SELECT coalesce(sum(b.lost), 0)::bigint, coalesce(sum(span - a.kept - b.lost), 0)::bigint
FROM ledger l JOIN device d USING (device),
LATERAL (SELECT coalesce(sum(upper(r) - lower(r)), 0) AS kept FROM unnest(l.committed) r) a,
LATERAL (SELECT coalesce(sum(upper(r) - lower(r)), 0) AS lost FROM unnest(l.lost) r) b,
LATERAL (SELECT coalesce(upper(range_merge(l.committed + l.lost)), 0) AS span) c
WHERE d.pilot = %(pilot)s AND l.boot IN (
    SELECT boot FROM batch b WHERE b.device = l.device
    AND b.stored >= %(start)s AND b.stored < %(end)s)
"""

_DEAD_LETTERS: Final = """
SELECT count(*) FROM dead_letter WHERE last_at >= %(start)s AND last_at < %(end)s
"""


_OPEN_WINDOWS: Final = """
SELECT (SELECT count(*) FROM generate_series(
            %(start)s::timestamptz, %(end)s::timestamptz - INTERVAL '1 minute', INTERVAL '1 minute'
        ) AS m(minute) LEFT JOIN metric_window w
        ON w.site = %(site)s AND w.minute = m.minute AND w.simulated = %(simulated)s
        WHERE w.revision IS NULL OR w.revision = 0)
     + (SELECT count(*) FROM dirty WHERE site = %(site)s AND simulated = %(simulated)s
        AND minute >= %(start)s AND minute < %(end)s)
"""


def crossings(
    connection: Connection, *, pilot: str, start: datetime, end: datetime
) -> Mapping[Passage, int]:
    """Count the crossings captured in [start, end)."""
    scope = {"pilot": pilot, "start": start, "end": end}
    rows = connection.execute(_CROSSINGS, scope).fetchall()
    return {(device, line, direction): n for device, line, direction, n in rows}


def delivery(connection: Connection, *, pilot: str, start: datetime, end: datetime) -> Delivery:
    """Sum up what was stored in [start, end)."""
    scope = {"pilot": pilot, "start": start, "end": end}
    batches = _one(connection, _DELIVERY, scope)
    ledger = _one(connection, _LEDGER, scope)
    letters = _one(connection, _DEAD_LETTERS, scope)
    delays = batches[2] or [None, None, None]
    return Delivery._make((*batches[:2], *ledger, *letters, *delays))


def open_windows(connection: Connection, windows: Windows) -> int:
    """Count the minutes that are not closed, and the marks on them."""
    count: int = _one(connection, _OPEN_WINDOWS, windows._asdict())[0]
    return count


def _one(connection: Connection, query: LiteralString, scope: Mapping[str, Any]) -> tuple[Any, ...]:
    row = connection.execute(query, scope).fetchone()
    assert row is not None  # noqa: S101  # an aggregate always answers
    return row
