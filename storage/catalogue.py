"""What the registry says of devices and metrics: listed, explained, taken out of service."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, LiteralString, NamedTuple

from psycopg.rows import class_row

from storage.errors import StorageError
from storage.pool import AsyncConnection, Connection

METRICS: Final[LiteralString] = """
SELECT name AS metric, unit, low, high, pending, first_seen FROM metric
WHERE name > %(after)s AND (%(pending)s::boolean IS NULL OR pending = %(pending)s)
ORDER BY name LIMIT %(limit)s
"""
METRIC: Final[LiteralString] = """
SELECT name AS metric, unit, low, high, pending, first_seen FROM metric
WHERE name = %s FOR UPDATE
"""
EXPLAIN: Final[LiteralString] = """
INSERT INTO metric (name, unit, low, high, pending)
VALUES (%(metric)s, %(unit)s, %(low)s, %(high)s, %(unit)s::text IS NULL)
ON CONFLICT (name) DO UPDATE SET unit = EXCLUDED.unit, low = EXCLUDED.low, high = EXCLUDED.high,
    pending = EXCLUDED.pending
"""
DEVICES: Final[LiteralString] = """
SELECT d.pilot || '/' || d.name AS device, s.name AS site, d.kind, d.streams, d.registered_at,
       d.retired_at
FROM device d JOIN site s USING (site)
WHERE (%(device)s::text IS NULL OR d.pilot || '/' || d.name = %(device)s)
  AND (%(site)s::text IS NULL OR s.pilot || '/' || s.name = %(site)s)
  AND (%(retired)s OR d.retired_at IS NULL)
ORDER BY d.pilot, d.name
"""


class EmptyRangeError(StorageError):
    """The lower bound of a metric's range is above the upper one."""

    def __init__(self, metric: str, low: float, high: float) -> None:
        super().__init__(f"{metric}: low {low:g} is above high {high:g}; exchange them")


class MetricType(NamedTuple):
    """A metric, and what is known of it."""

    metric: str
    unit: str | None  # UCUM
    low: float | None
    high: float | None
    pending: bool  # nobody has explained it
    first_seen: datetime


class RegisteredDevice(NamedTuple):
    """A device as it is registered."""

    device: str  # pilot/device
    site: str
    kind: str
    streams: list[str] | None  # None: all
    registered_at: datetime
    retired_at: datetime | None


async def list_metric_types(
    connection: AsyncConnection, *, pending: bool | None = None, after: str = "", limit: int = 100
) -> list[MetricType]:
    """Metrics by name, those after the given one; pending ones only, others only, or all."""
    cursor = connection.cursor(row_factory=class_row(MetricType))
    await cursor.execute(METRICS, {"pending": pending, "after": after, "limit": limit})
    return await cursor.fetchall()


def read_metric_types(connection: Connection, *, pending: bool | None = None) -> list[MetricType]:
    """Every metric by name."""
    cursor = connection.cursor(row_factory=class_row(MetricType))
    return cursor.execute(METRICS, {"pending": pending, "after": "", "limit": None}).fetchall()


def read_registered(
    connection: Connection,
    *,
    device: str | None = None,
    site: str | None = None,
    retired: bool = False,
) -> list[RegisteredDevice]:
    """Devices by name: one, those of a site (pilot/site) or all; those out of service if asked."""
    cursor = connection.cursor(row_factory=class_row(RegisteredDevice))
    given = {"device": device, "site": site, "retired": retired}
    return cursor.execute(DEVICES, given).fetchall()


def explain_metric(connection: Connection, metric: str, said: Mapping[str, Any]) -> MetricType:
    """Say what a metric is; a metric with a unit is pending no more.

    Parameters
    ----------
    said
        New `unit`, `low` or `high`; what is not in it stays as it was, None is no bound.

    Raises
    ------
    EmptyRangeError
        If nothing could lie in the range.
    """
    with connection.transaction():
        cursor = connection.cursor(row_factory=class_row(MetricType))
        known = cursor.execute(METRIC, [metric]).fetchone()
        was = {} if known is None else {n: getattr(known, n) for n in ("unit", "low", "high")}
        now = {"unit": None, "low": None, "high": None, **was, **said}
        if now["low"] is not None and now["high"] is not None and now["low"] > now["high"]:
            raise EmptyRangeError(metric, now["low"], now["high"])
        cursor.execute(EXPLAIN, {**now, "metric": metric})
        return cursor.execute(METRIC, [metric]).fetchall()[0]
