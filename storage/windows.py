"""The queue of dirty windows, and what analytics writes of a window."""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, LiteralString, NamedTuple
from uuid import UUID

from storage.pool import AsyncConnection

CANDIDATES: Final[LiteralString] = """
SELECT site, minute, simulated, max(attempts) AS attempts, max(mark) AS last_mark
FROM dirty
GROUP BY site, minute, simulated
HAVING max(not_before) <= clock_timestamp() AND CASE
    WHEN minute >= %(live_since)s THEN min(marked_at) <= clock_timestamp() - %(settle)s
    ELSE max(marked_at) <= clock_timestamp() - %(quiet)s
        OR min(marked_at) <= clock_timestamp() - %(patience)s END
ORDER BY minute >= %(live_since)s DESC, min(marked_at), site, minute, simulated
LIMIT %(limit)s
"""
LOCK: Final[LiteralString] = """
SELECT pg_try_advisory_xact_lock(
    hashtextextended(format('window %%s %%s %%s', %s::int, %s::timestamptz, %s::bool), 0))
"""
TAKE: Final[LiteralString] = """
DELETE FROM dirty WHERE mark IN (
    SELECT mark FROM dirty WHERE site = %s AND minute = %s AND simulated = %s
    FOR UPDATE SKIP LOCKED)
RETURNING mark
"""
DEFER: Final[LiteralString] = """
UPDATE dirty SET attempts = %(attempts)s, error = %(error)s,
    not_before = clock_timestamp() + %(backoff)s
WHERE site = %(site)s AND minute = %(minute)s AND simulated = %(simulated)s
    AND mark <= %(last_mark)s
"""
CLOSE: Final[LiteralString] = """
INSERT INTO dirty (site, minute, simulated)
SELECT site, minute, simulated FROM metric_window w
WHERE revision = 0 AND minute < %(over)s AND NOT EXISTS (
    SELECT FROM dirty d
    WHERE d.site = w.site AND d.minute = w.minute AND d.simulated = w.simulated)
"""
MARK: Final[LiteralString] = """
INSERT INTO dirty (site, minute, simulated)
SELECT site, minute, simulated FROM metric_window
WHERE site = %s AND simulated = %s AND minute = ANY(%s)
"""
STATE: Final[LiteralString] = """
SELECT revision, digest, code, inputs FROM metric_window
WHERE site = %s AND minute = %s AND simulated = %s
"""
SITE: Final[LiteralString] = "SELECT plan FROM site WHERE site = %s"
DEVICES: Final[LiteralString] = "SELECT name, device FROM device WHERE site = %s ORDER BY name"
UPSERT_WINDOW: Final[LiteralString] = """
INSERT INTO metric_window
    (site, minute, simulated, revision, digest, code, computed_at, inputs)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (site, simulated, minute) DO UPDATE SET revision = EXCLUDED.revision,
    digest = EXCLUDED.digest, code = EXCLUDED.code, computed_at = EXCLUDED.computed_at,
    inputs = EXCLUDED.inputs
"""
DELETE_PROVISIONAL: Final[LiteralString] = """
DELETE FROM metric_minute WHERE site = %s AND minute = %s AND simulated = %s AND revision = 0
"""
COPY_PARTS: Final[LiteralString] = """
COPY metric_minute (minute, site, simulated, revision, metric, part, direction, class,
    n, total, squares, inverse, peak, histogram, observed, wanted) FROM STDIN
"""
DELETE_INCIDENTS: Final[LiteralString] = """
DELETE FROM incident WHERE site = %s AND minute = %s AND simulated = %s
"""
INSERT_INCIDENT: Final[LiteralString] = """
INSERT INTO incident
    (site, minute, simulated, incident, kind, severity, captured, device, x, y, evidence)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (incident) DO UPDATE SET minute = EXCLUDED.minute, severity = EXCLUDED.severity,
    captured = EXCLUDED.captured, x = EXCLUDED.x, y = EXCLUDED.y, evidence = EXCLUDED.evidence
"""


class Window(NamedTuple):
    """One minute of capture time at one site, measured or simulated."""

    site: int
    minute: datetime
    simulated: bool


class Candidate(NamedTuple):
    """A dirty window that may be computed now."""

    window: Window
    attempts: int  # that failed
    last_mark: int


class Pace(NamedTuple):
    """When a dirty window's time has come: soon for a live one, once it is quiet for an old one."""

    settle: timedelta  # since the first mark of a live window
    quiet: timedelta  # since the last mark of an old window
    patience: timedelta  # since the first mark of an old window that is never quiet


class WindowState(NamedTuple):
    """What is known of a window."""

    revision: int
    digest: bytes
    code: str
    inputs: dict[str, Any]


class Part(NamedTuple):
    """One mergeable row of `metric_minute`."""

    metric: str
    part: str
    direction: int
    road_user: int  # -1: all
    n: int
    total: float
    squares: float
    inverse: float
    peak: float | None
    histogram: list[int] | None
    observed: float  # [s]
    wanted: float  # [s]


class NewIncident(NamedTuple):
    """One row of `incident`."""

    incident: UUID
    kind: str
    severity: int  # 1 notice, 2 serious, 3 severe
    captured: datetime
    device: int | None
    x: float | None
    y: float | None
    evidence: dict[str, Any]


async def candidates(
    connection: AsyncConnection, *, live_since: datetime, pace: Pace, limit: int = 64
) -> list[Candidate]:
    """Dirty windows whose time has come, live ones first, then the oldest mark first."""
    given = {"live_since": live_since, "limit": limit, **pace._asdict()}
    rows = await (await connection.execute(CANDIDATES, given)).fetchall()
    return [Candidate(Window(*row[:3]), *row[3:]) for row in rows]


async def take(connection: AsyncConnection, window: Window) -> bool:
    """Within a transaction: have this window alone, and remove its marks if the transaction holds.

    False if another worker has it, or has just done it.
    """
    locked = await (await connection.execute(LOCK, window)).fetchone()
    if locked != (True,):
        return False
    return await (await connection.execute(TAKE, window)).fetchone() is not None


async def defer(
    connection: AsyncConnection, candidate: Candidate, *, backoff: timedelta, error: str
) -> None:
    """Note that a window failed, and let it rest; its marks stay, marks that come later too."""
    given = candidate.window._asdict() | {
        "attempts": candidate.attempts + 1,
        "last_mark": candidate.last_mark,
        "error": error,
        "backoff": backoff,
    }
    await connection.execute(DEFER, given)


async def close_windows(connection: AsyncConnection, *, over: datetime) -> int:
    """Mark the windows before `over` that are still provisional; say how many."""
    return (await connection.execute(CLOSE, {"over": over})).rowcount


async def mark_computed(
    connection: AsyncConnection, window: Window, minutes: Sequence[datetime]
) -> None:
    """Mark other minutes of the same site, those that were computed before."""
    await connection.execute(MARK, [window.site, window.simulated, list(minutes)])


async def read_state(connection: AsyncConnection, window: Window) -> WindowState | None:
    """Read what a window was last computed to, None: never."""
    row = await (await connection.execute(STATE, window)).fetchone()
    return None if row is None else WindowState(row[0], bytes(row[1]), row[2], row[3])


async def read_plan(connection: AsyncConnection, site: int) -> dict[str, Any]:
    """Read a site's plan as JSON."""
    row = await (await connection.execute(SITE, [site])).fetchone()
    if row is None:
        msg = f"there is no site {site}"
        raise LookupError(msg)
    plan: dict[str, Any] = row[0]
    return plan


async def read_devices(connection: AsyncConnection, site: int) -> dict[str, int]:
    """Read the numbers of a site's devices, by name."""
    return dict(await (await connection.execute(DEVICES, [site])).fetchall())


async def write_window(
    connection: AsyncConnection,
    window: Window,
    state: WindowState,
    *,
    parts: Iterable[Part],
    incidents: Iterable[NewIncident],
    computed_at: datetime,
) -> None:
    """Within a transaction: write a revision; the provisional one goes, closed ones stay."""
    await connection.execute(DELETE_PROVISIONAL, window)
    key = (window.minute, window.site, window.simulated, state.revision)
    async with connection.cursor() as cursor, cursor.copy(COPY_PARTS) as stream:
        for part in parts:
            await stream.write_row((*key, *part))
    await connection.execute(DELETE_INCIDENTS, window)
    async with connection.cursor() as cursor:
        rows = [(*window, *i[:-1], json.dumps(i.evidence)) for i in incidents]
        await cursor.executemany(INSERT_INCIDENT, rows)
    inputs = json.dumps(state.inputs)
    await connection.execute(
        UPSERT_WINDOW,
        [*window, state.revision, state.digest, state.code, computed_at, inputs],
    )
