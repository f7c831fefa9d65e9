"""What API and console read beside metrics and indicators: sites, devices, health."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, LiteralString, NamedTuple

from psycopg.rows import class_row

from storage.clocks import ClockEstimate, estimate
from storage.latency import LATENCY
from storage.pool import AsyncConnection

SITES: Final[LiteralString] = """
SELECT site, pilot, name, plan, updated_at FROM site
WHERE (pilot, name) > (%(pilot)s, %(name)s)
ORDER BY pilot, name LIMIT %(limit)s
"""
SITE: Final[LiteralString] = """
SELECT site, pilot, name, plan, updated_at FROM site WHERE pilot = %s AND name = %s
"""
# One pass over the last minutes of the ledger's batches, however many devices there are.
DEVICE_FIGURES: Final[LiteralString] = (
    """
, recent AS (
    SELECT b.device, max(b.received) AS received, bool_or(b.simulated) AS simulated,
           count(*) AS batches, sum(b.bytes)::bigint AS bytes,
           percentile_cont(0.95) WITHIN GROUP (
               ORDER BY """  # noqa: S608  # our own constants
    + LATENCY
    + """
           ) AS latency_p95
    FROM batch b JOIN page USING (device)
    WHERE b.stored >= %(now)s - %(window)s
    GROUP BY b.device
)
SELECT page.pilot, page.name, page.site_pilot, page.site_name, page.registered_at,
       st.online, st.boot, st.since, st.state,
       greatest(recent.received, st.received_at) AS last_seen,
       recent.simulated, coalesce(recent.batches, 0) AS batches,
       coalesce(recent.bytes, 0) AS bytes, recent.latency_p95,
       (SELECT coalesce(sum(upper(r) - lower(r)), 0)::bigint
        FROM ledger l, unnest(l.lost) AS r WHERE l.device = page.device) AS lost_batches,
       (SELECT coalesce(sum(u.rows), 0)::bigint
        FROM unconfirmed u WHERE u.device = page.device) AS unconfirmed_rows,
       page.kind, page.streams, page.retired_at,
       clock.since AS clock_since, clock.least AS clock_least
FROM page LEFT JOIN device_state st USING (device) LEFT JOIN recent USING (device)
CROSS JOIN LATERAL (  -- a box and its simulation may have one name, but not one clock
    SELECT coalesce(array_agg(c.since), '{}') AS since, coalesce(array_agg(c.least), '{}') AS least
    FROM device_clock c WHERE c.device = page.device AND c.simulated = (
        SELECT n.simulated FROM device_clock n WHERE n.device = page.device AND n.since <= %(now)s
        ORDER BY n.since DESC LIMIT 1)
) AS clock
ORDER BY page.pilot, page.name
"""
)
DEVICE_COLUMNS: Final[LiteralString] = """
SELECT d.device, d.pilot, d.name, s.pilot AS site_pilot, s.name AS site_name, d.registered_at,
       d.kind, d.streams, d.retired_at
FROM device d JOIN site s ON s.site = d.site
"""
DEVICES: Final[LiteralString] = (
    "WITH page AS ("
    + DEVICE_COLUMNS
    + """
    WHERE (d.pilot, d.name) > (%(pilot)s, %(name)s)
      AND (%(site)s::integer IS NULL OR d.site = %(site)s)
      AND (%(retired)s::boolean IS NULL OR (d.retired_at IS NOT NULL) = %(retired)s)
    ORDER BY d.pilot, d.name LIMIT %(limit)s
)"""
    + DEVICE_FIGURES
)
DEVICE: Final[LiteralString] = (
    "WITH page AS ("
    + DEVICE_COLUMNS
    + "WHERE d.pilot = %(pilot)s AND d.name = %(name)s)"
    + DEVICE_FIGURES
)
PICTURE: Final[LiteralString] = """
SELECT st.online, st.state FROM device d LEFT JOIN device_state st USING (device)
WHERE d.pilot = %s AND d.name = %s
"""
LATEST: Final[LiteralString] = """
SELECT d.pilot || '/' || d.name AS device, m.name AS metric, m.unit, l.captured, l.value, l.quality
FROM latest l JOIN device d USING (device) JOIN metric m USING (metric)
WHERE d.site = %(site)s AND m.name = ANY (%(metrics)s) AND l.simulated = %(simulated)s
  AND l.captured >= %(since)s
ORDER BY 1, 2
"""
DELIVERY: Final[LiteralString] = (
    """
SELECT max(stored) AS last_stored, count(*) AS batches,
       percentile_cont(0.95) WITHIN GROUP (
           ORDER BY """
    + LATENCY
    + """
       ) AS latency_p95
FROM batch b WHERE stored >= %(now)s - %(window)s
"""
)
BACKLOG: Final[LiteralString] = """
SELECT count(DISTINCT (site, minute, simulated)) AS windows, min(marked_at) AS oldest,
       count(*) FILTER (WHERE attempts > 0) AS failed
FROM dirty
"""
SITE_DEVICES: Final[LiteralString] = """
SELECT pilot || '/' || name FROM device WHERE site = %s ORDER BY pilot, name
"""
GAPS: Final[LiteralString] = """
WITH edge AS (
    SELECT minute FROM metric_window
    WHERE site = %(site)s AND simulated = %(simulated)s
      AND minute >= %(start)s AND minute < %(end)s
    UNION ALL VALUES (%(start)s - INTERVAL '1 minute'), (%(end)s)
), pair AS (
    SELECT minute + INTERVAL '1 minute' AS start, lead(minute) OVER (ORDER BY minute) AS until
    FROM edge
)
SELECT start, until FROM pair WHERE until > start ORDER BY start LIMIT %(limit)s
"""
NEWEST_WINDOW: Final[LiteralString] = """
SELECT newest.minute, flag.simulated
FROM (VALUES (true), (false)) AS flag (simulated)
CROSS JOIN LATERAL (
    SELECT max(minute) AS minute FROM metric_window
    WHERE site = %s AND simulated = flag.simulated
) newest
WHERE newest.minute IS NOT NULL
ORDER BY newest.minute DESC LIMIT 1
"""


class SiteRow(NamedTuple):
    """One site; `plan` is a `contracts.site.Site` as JSON."""

    site: int
    pilot: str
    name: str
    plan: dict[str, Any]
    updated_at: datetime


class DeviceRow(NamedTuple):
    """One device and how it does; what was never heard of is None."""

    pilot: str
    name: str
    site_pilot: str
    site_name: str
    registered_at: datetime
    online: bool | None
    boot: Any
    since: datetime | None
    state: dict[str, Any] | None
    last_seen: datetime | None
    simulated: bool | None
    batches: int  # within the window
    bytes: int  # within the window
    latency_p95: float | None  # [s] first sample captured to batch stored, within the window
    lost_batches: int  # ever
    unconfirmed_rows: int  # held for their time of capture
    kind: str
    streams: list[str] | None  # that it may send; None: all
    retired_at: datetime | None
    clock_since: list[datetime]
    clock_least: list[int]  # [us] received - sent, least of each span

    def clock(self, now: datetime) -> ClockEstimate | None:
        """How far its clock is off."""
        return estimate(dict(zip(self.clock_since, self.clock_least, strict=True)), now)


class PictureRow(NamedTuple):
    """What a device last said of itself; None: nothing yet."""

    online: bool | None
    state: dict[str, Any] | None


class LatestRow(NamedTuple):
    """Newest value of one scalar series."""

    device: str
    metric: str
    unit: str | None
    captured: datetime
    value: float
    quality: int


class DeliveryRow(NamedTuple):
    """What arrived lately, of all devices."""

    last_stored: datetime | None
    batches: int
    latency_p95: float | None  # [s]


class BacklogRow(NamedTuple):
    """Windows that wait for analytics."""

    windows: int
    oldest: datetime | None
    failed: int


async def list_sites(
    connection: AsyncConnection, *, after: tuple[str, str] | None = None, limit: int = 100
) -> list[SiteRow]:
    """Sites by pilot and name, those after the given ones."""
    pilot, name = after or ("", "")
    cursor = connection.cursor(row_factory=class_row(SiteRow))
    await cursor.execute(SITES, {"pilot": pilot, "name": name, "limit": limit})
    return await cursor.fetchall()


async def read_site(connection: AsyncConnection, pilot: str, name: str) -> SiteRow | None:
    """One site, None if there is none of this name."""
    cursor = connection.cursor(row_factory=class_row(SiteRow))
    return await (await cursor.execute(SITE, [pilot, name])).fetchone()


async def list_devices(
    connection: AsyncConnection,
    *,
    now: datetime,
    window: timedelta,
    site: int | None = None,
    retired: bool | None = None,
    after: tuple[str, str] | None = None,
    limit: int = 100,
) -> list[DeviceRow]:
    """Devices by pilot and name, of one site or of all; figures are of the window before now.

    Retired ones only, those in service only (False), or all.
    """
    pilot, name = after or ("", "")
    cursor = connection.cursor(row_factory=class_row(DeviceRow))
    given = {"pilot": pilot, "name": name, "site": site, "retired": retired, "limit": limit}
    await cursor.execute(DEVICES, given | {"now": now, "window": window})
    return await cursor.fetchall()


async def read_device(
    connection: AsyncConnection, pilot: str, name: str, *, now: datetime, window: timedelta
) -> DeviceRow | None:
    """One device, None if there is none of this name."""
    cursor = connection.cursor(row_factory=class_row(DeviceRow))
    given = {"pilot": pilot, "name": name, "now": now, "window": window}
    return await (await cursor.execute(DEVICE, given)).fetchone()


async def read_picture_state(
    connection: AsyncConnection, pilot: str, name: str
) -> PictureRow | None:
    """Read what a device last said of itself, None if there is no such device."""
    cursor = connection.cursor(row_factory=class_row(PictureRow))
    return await (await cursor.execute(PICTURE, [pilot, name])).fetchone()


async def latest_scalars(
    connection: AsyncConnection,
    *,
    site: int,
    simulated: bool,
    metrics: Sequence[str],
    since: datetime,
) -> list[LatestRow]:
    """Newest value of each of these scalars at each device of a site, none older than `since`."""
    cursor = connection.cursor(row_factory=class_row(LatestRow))
    given = {"site": site, "simulated": simulated, "metrics": list(metrics), "since": since}
    await cursor.execute(LATEST, given)
    return await cursor.fetchall()


async def read_delivery(
    connection: AsyncConnection, *, now: datetime, window: timedelta
) -> DeliveryRow:
    """Sum up what arrived within the window before now."""
    cursor = connection.cursor(row_factory=class_row(DeliveryRow))
    await cursor.execute(DELIVERY, {"now": now, "window": window})
    return (await cursor.fetchall())[0]


async def read_backlog(connection: AsyncConnection) -> BacklogRow:
    """How many windows wait for analytics, and since when."""
    cursor = connection.cursor(row_factory=class_row(BacklogRow))
    return (await (await cursor.execute(BACKLOG)).fetchall())[0]


async def list_site_devices(connection: AsyncConnection, site: int) -> list[str]:
    """Identities of the devices of a site."""
    rows = await (await connection.execute(SITE_DEVICES, [site])).fetchall()
    return [row[0] for row in rows]


async def list_gaps(
    connection: AsyncConnection,
    *,
    site: int,
    simulated: bool,
    start: datetime,
    end: datetime,
    limit: int = 1000,
) -> list[tuple[datetime, datetime]]:
    """Half-open periods of [start, end), whole minutes, of which no window was ever computed."""
    given = {"site": site, "simulated": simulated, "start": start, "end": end, "limit": limit}
    rows = await (await connection.execute(GAPS, given)).fetchall()
    return [(row[0], row[1]) for row in rows]


async def newest_window(connection: AsyncConnection, site: int) -> tuple[datetime, bool] | None:
    """Minute of the newest window of a site and whether it is simulated, None without any."""
    return await (await connection.execute(NEWEST_WINDOW, [site])).fetchone()
