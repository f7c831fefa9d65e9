"""Indicator values: written once, never changed, read with their evidence."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, LiteralString, NamedTuple
from uuid import UUID

from psycopg.rows import class_row

from storage.pool import AsyncConnection
from storage.windows import Part

COLUMNS: Final[LiteralString] = """
value_id, definition, version, code, site, simulated, lower(period) AS start,
upper(period) AS "end", recorded_at, state, value, low, high, n, coverage, digest, supersedes
"""
LIST: Final[LiteralString] = (
    "SELECT"
    + COLUMNS
    + """
FROM indicator_value
WHERE site = %(site)s AND simulated = %(simulated)s
    AND (%(definition)s::text IS NULL OR definition = %(definition)s)
    AND period && tstzrange(%(start)s, %(end)s)
    AND (%(after_recorded)s::timestamptz IS NULL OR
        (recorded_at, value_id) < (%(after_recorded)s, %(after_id)s::uuid))
ORDER BY recorded_at DESC, value_id DESC
LIMIT %(limit)s
"""
)
LATEST: Final[LiteralString] = (
    "SELECT DISTINCT ON (definition)"  # noqa: S608  # constants only
    + COLUMNS
    + """
FROM indicator_value v WHERE site = %s AND simulated = %s
    AND NOT EXISTS (SELECT FROM indicator_value s WHERE s.supersedes = v.value_id)
ORDER BY definition, recorded_at DESC, value_id DESC
"""
)
READ: Final[LiteralString] = "SELECT" + COLUMNS + "FROM indicator_value WHERE value_id = %s"
EVIDENCE: Final[LiteralString] = "SELECT evidence FROM indicator_value WHERE value_id = %s"
SAME_PERIOD: Final[LiteralString] = (
    "SELECT"
    + COLUMNS
    + """
FROM indicator_value v
WHERE site = %s AND simulated = %s AND definition = %s AND period = tstzrange(%s, %s)
    AND NOT EXISTS (SELECT FROM indicator_value s WHERE s.supersedes = v.value_id)
ORDER BY recorded_at DESC, value_id DESC LIMIT 1
"""
)
INSERT: Final[LiteralString] = """
INSERT INTO indicator_value (value_id, definition, version, code, site, simulated, period,
    recorded_at, state, value, low, high, n, coverage, digest, supersedes, evidence)
VALUES (%s, %s, %s, %s, %s, %s, tstzrange(%s, %s), %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (value_id) DO NOTHING
"""
WINDOWS: Final[LiteralString] = """
SELECT minute, revision, digest, code, inputs FROM metric_window
WHERE site = %s AND simulated = %s AND minute >= %s AND minute < %s ORDER BY minute
"""
PARTS: Final[LiteralString] = """
SELECT minute, metric, part, direction, class, n, total, squares, inverse, peak, histogram,
    observed, wanted
FROM metric_current
WHERE site = %s AND simulated = %s AND minute >= %s AND minute < %s AND metric = ANY(%s)
ORDER BY minute, metric, part, direction, class
"""
REVISION: Final[LiteralString] = """
SELECT metric, part, direction, class, n, total, squares, inverse, peak, histogram, observed, wanted
FROM metric_minute
WHERE site = %s AND minute = %s AND simulated = %s AND revision = %s
ORDER BY metric, part, direction, class
"""
FIND_SITE: Final[LiteralString] = "SELECT site FROM site WHERE pilot = %s AND name = %s"


class IndicatorValue(NamedTuple):
    """One value of one indicator."""

    value_id: UUID
    definition: str
    version: int
    code: str
    site: int
    simulated: bool
    start: datetime
    end: datetime
    recorded_at: datetime
    state: str  # final, provisional, insufficient or missing
    value: float | None
    low: float | None
    high: float | None
    n: float
    coverage: float
    digest: bytes
    supersedes: UUID | None


class WindowRow(NamedTuple):
    """Which revision of a minute is the present one, and what it was made from."""

    minute: datetime
    revision: int
    digest: bytes
    code: str
    inputs: dict[str, Any]


async def list_values(
    connection: AsyncConnection,
    *,
    site: int,
    simulated: bool,
    definition: str | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    after: tuple[datetime, UUID] | None = None,
    limit: int = 100,
) -> list[IndicatorValue]:
    """Values whose period meets [start, end), the last recorded first, those before the given."""
    recorded, value_id = after or (None, None)
    given: dict[str, object] = {"site": site, "simulated": simulated, "definition": definition}
    given |= {"start": start, "end": end, "limit": limit}
    given |= {"after_recorded": recorded, "after_id": value_id}
    cursor = connection.cursor(row_factory=class_row(IndicatorValue))
    return await (await cursor.execute(LIST, given)).fetchall()


async def latest_values(
    connection: AsyncConnection, *, site: int, simulated: bool
) -> list[IndicatorValue]:
    """Last recorded value of each definition, of those that nothing supersedes."""
    cursor = connection.cursor(row_factory=class_row(IndicatorValue))
    return await (await cursor.execute(LATEST, [site, simulated])).fetchall()


async def read_value(connection: AsyncConnection, value_id: UUID) -> IndicatorValue | None:
    """Read one value, None if there is none."""
    cursor = connection.cursor(row_factory=class_row(IndicatorValue))
    return await (await cursor.execute(READ, [value_id])).fetchone()


async def read_evidence(connection: AsyncConnection, value_id: UUID) -> dict[str, Any] | None:
    """Read what one value was made from, None if there is no such value."""
    row = await (await connection.execute(EVIDENCE, [value_id])).fetchone()
    return None if row is None else row[0]


async def last_of_period(
    connection: AsyncConnection,
    *,
    site: int,
    simulated: bool,
    definition: str,
    start: datetime,
    end: datetime,
) -> IndicatorValue | None:
    """Present value of a definition for exactly this period, None if there is none."""
    cursor = connection.cursor(row_factory=class_row(IndicatorValue))
    given = [site, simulated, definition, start, end]
    return await (await cursor.execute(SAME_PERIOD, given)).fetchone()


async def insert_value(
    connection: AsyncConnection, value: IndicatorValue, evidence: dict[str, Any]
) -> None:
    """Write one value; the same again is the same."""
    await connection.execute(INSERT, [*value, json.dumps(evidence, allow_nan=False)])


async def list_windows(
    connection: AsyncConnection, *, site: int, simulated: bool, start: datetime, end: datetime
) -> list[WindowRow]:
    """Present revisions of the minutes in [start, end), oldest first."""
    cursor = await connection.execute(WINDOWS, [site, simulated, start, end])
    return [
        WindowRow(minute, revision, bytes(digest), code, inputs)
        for minute, revision, digest, code, inputs in await cursor.fetchall()
    ]


async def list_parts(
    connection: AsyncConnection,
    *,
    site: int,
    simulated: bool,
    start: datetime,
    end: datetime,
    metrics: Sequence[str],
) -> list[tuple[datetime, Part]]:
    """Present parts of these metrics in the minutes of [start, end), in canonical order."""
    given = [site, simulated, start, end, list(metrics)]
    rows = await (await connection.execute(PARTS, given)).fetchall()
    return [(row[0], Part(*row[1:])) for row in rows]


async def revision_parts(
    connection: AsyncConnection, *, site: int, minute: datetime, simulated: bool, revision: int
) -> list[Part]:
    """Parts of one revision of one minute, in canonical order; none if it is gone."""
    rows = await (
        await connection.execute(REVISION, [site, minute, simulated, revision])
    ).fetchall()
    return [Part(*row) for row in rows]


async def find_site(connection: AsyncConnection, pilot: str, name: str) -> int | None:
    """Find a site's number, None if there is none of this name."""
    row = await (await connection.execute(FIND_SITE, [pilot, name])).fetchone()
    return None if row is None else row[0]
