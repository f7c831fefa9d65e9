"""Metrics and incidents as they are read: merged by summing parts, never by averaging averages."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, Literal, LiteralString, NamedTuple, TypeVar
from uuid import UUID

from psycopg.rows import class_row

from storage.pool import AsyncConnection

_T = TypeVar("_T")
Level = Literal["minute", "hour"]
MetricCursor = tuple[datetime, str, str, int, int]
"""Start, metric, part, direction and road user of the last row that was seen."""

METRICS: Final[LiteralString] = """
SELECT date_trunc(%(level)s, m.minute) AS start, m.metric, m.part, m.direction,
    m.class AS road_user, sum(m.n)::bigint AS n, sum(m.total) AS total, sum(m.squares) AS squares,
    sum(m.inverse) AS inverse, max(m.peak) AS peak,
    CASE WHEN bool_or(m.histogram IS NOT NULL) THEN sum_bins(m.histogram) END AS histogram,
    sum(m.observed) AS observed, sum(m.wanted) AS wanted, count(*) AS windows,
    bool_or(m.revision = 0) AS provisional
FROM metric_current m
WHERE m.site = %(site)s AND m.simulated = %(simulated)s
    AND m.minute >= %(start)s AND m.minute < %(end)s
    AND (%(metrics)s::text[] IS NULL OR m.metric = ANY(%(metrics)s))
    AND (%(parts)s::text[] IS NULL OR m.part = ANY(%(parts)s))
    AND (%(directions)s::int[] IS NULL OR m.direction = ANY(%(directions)s))
    AND (%(road_users)s::int[] IS NULL OR m.class = ANY(%(road_users)s))
    AND (%(after_start)s::timestamptz IS NULL OR
        (date_trunc(%(level)s, m.minute), m.metric, m.part, m.direction, m.class) >
        (%(after_start)s, %(after_metric)s::text, %(after_part)s::text,
         %(after_direction)s::int, %(after_user)s::int))
GROUP BY 1, 2, 3, 4, 5
ORDER BY 1, 2, 3, 4, 5
LIMIT %(limit)s
"""
INCIDENT_COLUMNS: Final[LiteralString] = """
SELECT i.incident, i.site, i.minute, i.simulated, i.kind, i.severity, i.captured,
    d.pilot || '/' || d.name AS device, i.x, i.y, i.evidence
FROM incident i LEFT JOIN device d USING (device)
"""
INCIDENTS: Final[LiteralString] = (
    INCIDENT_COLUMNS
    + """
WHERE i.site = %(site)s AND i.simulated = %(simulated)s
    AND i.captured >= %(start)s AND i.captured < %(end)s
    AND (%(kinds)s::text[] IS NULL OR i.kind = ANY(%(kinds)s))
    AND (%(device)s::text IS NULL OR d.pilot || '/' || d.name = %(device)s)
    AND (%(after_captured)s::timestamptz IS NULL OR
        (i.captured, i.incident) < (%(after_captured)s, %(after_incident)s::uuid))
ORDER BY i.captured DESC, i.incident DESC
LIMIT %(limit)s
"""
)
# The last word on each condition: that it holds, or (with `.over`) that it does not any more. Of a
# box and its simulation, which may have one name, the one counts that was heard last.
CONDITIONS: Final[LiteralString] = """
SELECT device, substr(kind, 8) FROM (
    SELECT DISTINCT ON (i.device, replace(i.kind, '.over', ''))
        d.pilot || '/' || d.name AS device, i.kind
    FROM incident i JOIN device d ON d.device = i.device AND d.site = i.site
    WHERE d.pilot || '/' || d.name = ANY (%(devices)s) AND i.captured >= %(since)s
      AND i.simulated = (
          SELECT n.simulated FROM device_clock n WHERE n.device = i.device
          ORDER BY n.since DESC LIMIT 1)
      AND replace(i.kind, '.over', '') = ANY ('{camera.dark,camera.covered,camera.moved}')
    ORDER BY i.device, replace(i.kind, '.over', ''), i.captured DESC
) AS last WHERE kind NOT LIKE '%%.over' ORDER BY device, kind
"""
INCIDENT: Final[LiteralString] = INCIDENT_COLUMNS + "WHERE i.incident = %s"


class MetricRow(NamedTuple):
    """Merged parts of one bucket."""

    start: datetime
    metric: str
    part: str
    direction: int  # 0: both or none
    road_user: int  # -1: all
    n: int
    total: float
    squares: float
    inverse: float
    peak: float | None
    histogram: list[int] | None
    observed: float  # [s]
    wanted: float  # [s]
    windows: int  # minutes merged
    provisional: bool  # one of them was not closed yet


class Incident(NamedTuple):
    """What a window found."""

    incident: UUID
    site: int
    minute: datetime
    simulated: bool
    kind: str
    severity: int  # 1 notice, 2 serious, 3 severe
    captured: datetime
    device: str | None  # "{pilot}/{device}"
    x: float | None  # [m]
    y: float | None  # [m]
    evidence: dict[str, Any]


async def list_metrics(
    connection: AsyncConnection,
    *,
    site: int,
    simulated: bool,
    start: datetime,
    end: datetime,
    level: Level = "minute",
    metrics: Sequence[str] | None = None,
    parts: Sequence[str] | None = None,
    directions: Sequence[int] | None = None,
    road_users: Sequence[int] | None = None,
    after: MetricCursor | None = None,
    limit: int = 1000,
) -> list[MetricRow]:
    """Metrics of one site in [start, end), oldest first, those after the given one.

    An hour holds those of its minutes that lie in [start, end).
    """
    last = after or (None, None, None, None, None)
    names = ("after_start", "after_metric", "after_part", "after_direction", "after_user")
    given: dict[str, object] = dict(zip(names, last, strict=True))
    given |= {"site": site, "simulated": simulated, "start": start, "end": end, "level": level}
    given |= {"metrics": _some(metrics), "parts": _some(parts)}
    given |= {"directions": _some(directions), "road_users": _some(road_users), "limit": limit}
    cursor = connection.cursor(row_factory=class_row(MetricRow))
    await cursor.execute(METRICS, given)
    return await cursor.fetchall()


async def list_incidents(
    connection: AsyncConnection,
    *,
    site: int,
    simulated: bool,
    start: datetime,
    end: datetime,
    kinds: Sequence[str] | None = None,
    device: str | None = None,
    after: tuple[datetime, UUID] | None = None,
    limit: int = 100,
) -> list[Incident]:
    """Incidents of one site captured in [start, end), newest first, those before the given one.

    Of one device (pilot/name) only, if it is given.
    """
    captured, incident = after or (None, None)
    given = {"site": site, "simulated": simulated, "start": start, "end": end}
    given |= {
        "kinds": _some(kinds),
        "device": device,
        "after_captured": captured,
        "after_incident": incident,
    }
    cursor = connection.cursor(row_factory=class_row(Incident))
    await cursor.execute(INCIDENTS, given | {"limit": limit})
    return await cursor.fetchall()


async def camera_conditions(
    connection: AsyncConnection, devices: Sequence[str], since: datetime
) -> dict[str, list[str]]:
    """Tell what is wrong with the cameras of these devices now: dark, covered, moved."""
    given = {"devices": list(devices), "since": since}
    found: dict[str, list[str]] = {}
    for device, condition in await (await connection.execute(CONDITIONS, given)).fetchall():
        found.setdefault(device, []).append(condition)
    return found


async def read_incident(connection: AsyncConnection, incident: UUID) -> Incident | None:
    """Read one incident, None if there is none (any more): a recomputed window may have none."""
    cursor = connection.cursor(row_factory=class_row(Incident))
    return await (await cursor.execute(INCIDENT, [incident])).fetchone()


def _some(values: Sequence[_T] | None) -> list[_T] | None:
    return None if values is None else list(values)
