"""How each part does."""

from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Final, Literal

from fastapi import APIRouter, Request, Response
from pydantic import AwareDatetime, BaseModel, Field
from starlette.datastructures import State

from api.dependencies import Now
from contracts.version import __version__
from storage.dead_letters import count_dead_letters
from storage.errors import DatabaseLostError
from storage.overview import (
    BacklogRow,
    DeliveryRow,
    read_backlog,
    read_delivery,
)
from storage.workers import WorkerRow, read_workers

router = APIRouter(prefix="/v1", tags=["health"])

WINDOW: Final = timedelta(minutes=5)
LATE_S: Final = 5.0
BACKLOG_OLD_S: Final = 180.0
WAIT_S: Final = 2.0
SILENT_S: Final = 20.0  # a worker speaks every five seconds

PartState = Literal["ok", "degraded", "down"]


class Part(BaseModel):
    """One part."""

    state: PartState
    detail: str = Field(examples=["answers"])


class IngestWorker(Part):
    """One ingest process or HTTP door, in its own words."""

    worker: str = Field(examples=["tepna-ingest"])
    said_at: AwareDatetime
    held_messages: int = Field(description="received, and not yet committed and acknowledged")
    held_bytes: int
    oldest_s: float = Field(description="how long the oldest of those has been held")
    reading: bool = Field(description="false: it holds as much as it may, and what comes must wait")


class Ingest(Part):
    """What arrives; figures are of the last five minutes."""

    workers: list[IngestWorker] = []

    last_stored: AwareDatetime | None = None
    batches: int = 0
    latency_p95_s: float | None = None
    dead_letters: int = Field(0, description="ever, and not yet replayed")
    dead_letters_dropped: int = Field(0, description="ever, over a device's quota: not kept")


class Analytics(Part):
    """Windows that wait to be computed."""

    dirty_windows: int = 0
    oldest_s: float | None = None
    failed_windows: int = 0


class Live(Part):
    """The live stream."""

    clients: int
    lost_frames: int


class Health(BaseModel):
    """State of the whole and of each part."""

    state: PartState
    version: str
    at: AwareDatetime
    database: Part
    broker: Part
    ingest: Ingest
    analytics: Analytics
    live: Live


@router.get("/health", responses={503: {"model": Health, "description": "A part is down"}})
async def get_health(request: Request, response: Response, now: Now) -> Health:
    """State of each part; needs no key. 503 if a part is down."""
    health = await read_health(request.app.state, now)
    response.headers["Cache-Control"] = "no-store"
    if health.state == "down":
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
    return health


async def read_health(state: State, now: datetime) -> Health:
    """Ask each part; `state` is the application's."""
    try:
        async with state.pool.connection(timeout=WAIT_S) as connection:
            delivery = await read_delivery(connection, now=now, window=WINDOW)
            backlog = await read_backlog(connection)
            dead_letters = await count_dead_letters(connection)
            workers = await read_workers(connection, now)
    except DatabaseLostError:
        database = Part(state="down", detail="does not answer")
        ingest = Ingest(state="degraded", detail="unknown without the database")
        analytics = Analytics(state="degraded", detail="unknown without the database")
    else:
        database = Part(state="ok", detail="answers")
        ingest = _with_workers(_ingest(delivery, *dead_letters), workers, now)
        analytics = _analytics(backlog, now)
    connected = state.feed.connected.is_set()
    broker = Part(
        state="ok" if connected else "down", detail="connected" if connected else "not connected"
    )
    live = Live(
        state=broker.state,
        detail="fed" if connected else "not fed",
        clients=state.hub.watching,
        lost_frames=state.hub.lost,
    )
    parts = {part.state for part in (database, broker, ingest, analytics)}
    whole: PartState = "down" if "down" in parts else "degraded" if "degraded" in parts else "ok"
    return Health(
        state=whole,
        version=__version__,
        at=now,
        database=database,
        broker=broker,
        ingest=ingest,
        analytics=analytics,
        live=live,
    )


def _ingest(row: DeliveryRow, dead_letters: int, dropped: int) -> Ingest:
    late = row.latency_p95 is not None and row.latency_p95 > LATE_S
    if row.batches == 0:
        detail = "nothing arrived in five minutes"
    else:
        detail = "late data or a backlog is being stored" if late else "stores"
    return Ingest(
        state="degraded" if late or row.batches == 0 else "ok",
        detail=detail,
        last_stored=row.last_stored,
        batches=row.batches,
        latency_p95_s=row.latency_p95,
        dead_letters=dead_letters,
        dead_letters_dropped=dropped,
    )


def _with_workers(ingest: Ingest, rows: list[WorkerRow], now: datetime) -> Ingest:
    """Add how its processes do: down when all of them are, degraded when one does not do well."""
    workers = [_worker(row, now) for row in rows]
    states = {worker.state for worker in workers}
    changed: dict[str, object] = {"workers": workers}
    if states == {"down"}:
        changed |= {"state": "down", "detail": "no worker does its work"}
    elif states - {"ok"}:
        changed |= {"state": "degraded", "detail": "a worker waits or is silent"}
    return ingest.model_copy(update=changed)


def _worker(row: WorkerRow, now: datetime) -> IngestWorker:
    health = row.health
    silence = (now - row.at).total_seconds()
    state: PartState = health.state
    if silence > SILENT_S:
        state, detail = "down", f"silent for {silence:.0f} s"
    elif health.broker_lost_since is not None:
        detail = "the broker is away"
    elif health.database_lost_since is not None:
        detail = "the database is away"
    elif not health.reading:
        detail = "holds as much as it may: what comes must wait"
    else:
        detail = "works" if state == "ok" else "the database is slow"
    return IngestWorker(
        state=state,
        detail=detail,
        worker=row.worker,
        said_at=row.at,
        held_messages=health.messages,
        held_bytes=health.bytes,
        oldest_s=health.oldest_s,
        reading=health.reading,
    )


def _analytics(row: BacklogRow, now: datetime) -> Analytics:
    age = None if row.oldest is None else max(0.0, (now - row.oldest).total_seconds())
    old = age is not None and age > BACKLOG_OLD_S
    return Analytics(
        state="degraded" if old or row.failed else "ok",
        detail="windows wait or fail" if old or row.failed else "keeps up",
        dirty_windows=row.windows,
        oldest_s=age,
        failed_windows=row.failed,
    )
