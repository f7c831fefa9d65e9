"""How each ingest worker does: one row each, written by itself."""

from datetime import datetime, timedelta
from typing import Final, LiteralString, NamedTuple

import msgspec

from contracts.messages import ENCODER, IngestHealth
from storage.pool import AsyncConnection, Connection

FORGET_AFTER: Final = timedelta(days=1)
"""Who has been silent for so long is not missed any more."""

MOST: Final = 100

WRITE: Final = """
INSERT INTO ingest_worker (worker, at, health) VALUES (%(worker)s, now(), %(health)s::jsonb)
ON CONFLICT (worker) DO UPDATE SET at = EXCLUDED.at, health = EXCLUDED.health"""
REMOVE: Final = "DELETE FROM ingest_worker WHERE worker = %s OR at < now() - %s"
READ: Final[LiteralString] = """
SELECT worker, at, health FROM ingest_worker WHERE at >= %(now)s - %(forget)s
ORDER BY worker LIMIT %(most)s"""


class WorkerRow(NamedTuple):
    """What a worker said last."""

    worker: str
    at: datetime
    health: IngestHealth


def write_worker(connection: Connection, worker: str, health: IngestHealth) -> None:
    """Say how a worker does."""
    given = {"worker": worker, "health": ENCODER.encode(health).decode()}
    connection.execute(WRITE, given)


def remove_worker(connection: Connection, worker: str) -> None:
    """Forget a worker that has left, and those that were never heard of again."""
    connection.execute(REMOVE, [worker, FORGET_AFTER])


async def read_workers(connection: AsyncConnection, now: datetime) -> list[WorkerRow]:
    """Read what each worker said last, by name."""
    found = await connection.execute(READ, {"now": now, "forget": FORGET_AFTER, "most": MOST})
    return [
        WorkerRow(worker, at, msgspec.convert(health, IngestHealth, strict=False))
        for worker, at, health in await found.fetchall()
    ]
