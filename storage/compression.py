"""Compress old chunks, where TimescaleDB's licence has that: the community edition."""

from typing import Final, NamedTuple

import psycopg
from psycopg import sql

BACKFILL_DAYS: Final = 30
"""Younger chunks stay as they are: data that comes late still goes into them at full speed."""


class Layout(NamedTuple):
    """How a hypertable is compressed."""

    table: str
    segment_by: str
    order_by: str


LAYOUTS: Final = (
    Layout("observation", "device, metric, simulated", "captured"),
    Layout("track_piece", "device, simulated", "captured"),
    Layout("event", "device, simulated", "captured"),
    Layout("signal_event", "device, simulated", "captured"),
    Layout("batch", "device, simulated", "stored"),
)

ALLOWED: Final = "SELECT current_setting('timescaledb.license', true) = 'timescale'"
POLICIES: Final = """
SELECT hypertable_name FROM timescaledb_information.jobs
WHERE proc_name IN ('policy_compression', 'policy_columnstore')"""
COMPRESS: Final = sql.SQL(
    "ALTER TABLE {} SET (timescaledb.compress, timescaledb.compress_segmentby = {},"
    " timescaledb.compress_orderby = {})"
)
ADD_POLICY: Final = (
    "SELECT add_compression_policy(%s::regclass, %s::interval, if_not_exists => true)"
)


def compress_where_allowed(connection: psycopg.Connection) -> list[str]:
    """Set compression up on the hypertables that lack it; return their names.

    On the Apache edition there is none: nothing is done.
    """
    if connection.execute(ALLOWED).fetchone() != (True,):
        return []
    done = {name for (name,) in connection.execute(POLICIES).fetchall()}
    missing = [layout for layout in LAYOUTS if layout.table not in done]
    for layout in missing:
        with connection.transaction():
            connection.execute(
                COMPRESS.format(
                    sql.Identifier(layout.table),
                    sql.Literal(layout.segment_by),
                    sql.Literal(layout.order_by),
                )
            )
            connection.execute(ADD_POLICY, [layout.table, f"{BACKFILL_DAYS} days"])
    return [layout.table for layout in missing]
