"""What a run brought: the figures that a demo or a replay is judged by."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final, NamedTuple

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


_CROSSINGS: Final = """
SELECT d.name, e.object, e.direction, count(*)
FROM event e JOIN device d USING (device)
WHERE d.pilot = %(pilot)s AND e.kind = 'crossing' AND e.captured >= %(start)s AND e.captured < %(end)s
GROUP BY 1, 2, 3
"""

_DELIVERY: Final = """
WITH arrived AS (
    SELECT b.* FROM batch b JOIN device d USING (device)
    WHERE d.pilot = %(pilot)s AND b.stored >= %(start)s AND b.stored < %(end)s
), delay AS (
    SELECT extract(epoch FROM stored - lower(captured)) AS s FROM arrived WHERE NOT isempty(captured)
)
SELECT (SELECT count(*) FROM arrived),
       (SELECT count(*) - count(DISTINCT (device, boot, seq)) FROM arrived),
       (SELECT percentile_cont(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY s) FROM delay)
"""

_LEDGER: Final = """
SELECT coalesce(sum(lost), 0), coalesce(sum(span - kept - lost), 0) FROM (
    SELECT (SELECT coalesce(sum(upper(r) - lower(r)), 0) FROM unnest(l.committed) r) AS kept,
           (SELECT coalesce(sum(upper(r) - lower(r)), 0) FROM unnest(l.lost) r) AS lost,
           greatest(coalesce(upper(range_merge(l.committed)), 0), coalesce(upper(range_merge(l.lost)), 0)) AS span
    FROM ledger l JOIN device d USING (device)
    WHERE d.pilot = %(pilot)s AND l.boot IN (
        SELECT boot FROM batch b WHERE b.device = l.device AND b.stored >= %(start)s AND b.stored < %(end)s)
) AS boots
"""

_DEAD_LETTERS: Final = """
SELECT count(*) FROM dead_letter WHERE last_at >= %(start)s AND last_at < %(end)s
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
    row = connection.execute(_DELIVERY, scope).fetchone()
    ledger = connection.execute(_LEDGER, scope).fetchone()
    letters = connection.execute(_DEAD_LETTERS, scope).fetchone()
    assert row is not None  # noqa: S101  # an aggregate always answers
    assert ledger is not None  # noqa: S101
    assert letters is not None  # noqa: S101
    delays = row[2] or [None, None, None]
    return Delivery(row[0], row[1], int(ledger[0]), int(ledger[1]), letters[0], *delays)
