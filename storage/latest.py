"""The newest value of each series, at hand without a look into the telemetry."""

from datetime import datetime
from typing import Any, Final, LiteralString, NamedTuple

from numpy.typing import NDArray
from psycopg.rows import class_row

from storage.literals import array
from storage.pool import AsyncConnection, Connection

Array = NDArray[Any]

# What was captured later wins, whenever it comes; of two captured at once what was received later.
# Everybody goes through the rows in one order, so that nobody waits in a circle.
UPSERT: Final[LiteralString] = """
INSERT INTO latest AS present (device, metric, simulated, captured, received, value, quality)
SELECT device, metric, simulated, timestamptz 'epoch' + INTERVAL '1 microsecond' * captured,
       timestamptz 'epoch' + INTERVAL '1 microsecond' * received, value, quality
FROM unnest(%(device)s::int[], %(metric)s::int2[], %(simulated)s::bool[], %(captured)s::int8[],
            %(received)s::int8[], %(value)s::float8[], %(quality)s::int2[])
    AS i(device, metric, simulated, captured, received, value, quality)
ORDER BY simulated, device, metric
ON CONFLICT (device, metric, simulated) DO UPDATE SET captured = EXCLUDED.captured,
    received = EXCLUDED.received, value = EXCLUDED.value, quality = EXCLUDED.quality
WHERE (EXCLUDED.captured, EXCLUDED.received) > (present.captured, present.received)
"""
LIST: Final[LiteralString] = """
SELECT m.name AS metric, m.unit, m.pending, l.captured, l.received, l.value, l.quality
FROM latest l JOIN metric m USING (metric)
WHERE l.device = (SELECT device FROM device WHERE pilot = %(pilot)s AND name = %(name)s)
  AND l.simulated = %(simulated)s AND m.name > %(after)s
ORDER BY m.name LIMIT %(limit)s
"""


class Latest(NamedTuple):
    """N series, each once, and the newest sample of each; times in us since 1970."""

    device: Array
    metric: Array
    simulated: Array
    captured: Array
    received: Array
    value: Array
    quality: Array


class LatestValue(NamedTuple):
    """Newest value of one series of a device."""

    metric: str
    unit: str | None
    pending: bool
    captured: datetime
    received: datetime
    value: float
    quality: int


def keep_latest(connection: Connection, found: Latest) -> None:
    """Within a transaction: put down what is newer than what is known."""
    columns = {name: array(column.tolist()) for name, column in found._asdict().items()}
    connection.execute(UPSERT, columns)


async def list_latest(
    connection: AsyncConnection,
    *,
    pilot: str,
    name: str,
    simulated: bool,
    after: str = "",
    limit: int = 100,
) -> list[LatestValue]:
    """Newest value of each series of a device by the metric's name, those after the given one."""
    cursor = connection.cursor(row_factory=class_row(LatestValue))
    given = {"pilot": pilot, "name": name, "simulated": simulated, "after": after, "limit": limit}
    await cursor.execute(LIST, given)
    return await cursor.fetchall()
