"""Devices, how they do, and their pixelated pictures."""

from datetime import datetime, timedelta
from typing import Annotated, Final, Literal, NamedTuple
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import AwareDatetime, BaseModel, Field

from api.auth import Actor
from api.dependencies import NAME, WAIT_S, Connection, Now, Pilot, Simulated
from api.errors import UnknownDeviceError, UnknownSiteError
from api.paging import Cursor, Limit, Page, page, read_cursor
from contracts.metrics import UNUSABLE, Quality
from storage.keys import write_audit
from storage.latest import LatestValue, list_latest
from storage.overview import DeviceRow, list_devices, read_device, read_picture_state, read_site

router = APIRouter(prefix="/v1/devices", tags=["devices"])

WINDOW: Final = timedelta(minutes=5)
Device = Annotated[str, Path(pattern=NAME, examples=["cam-1"])]


class _Key(NamedTuple):
    pilot: str
    name: str


class _MetricKey(NamedTuple):
    metric: str


class ClockModel(BaseModel):
    """How far a device's clock is off, by when it sent and when that was received."""

    offset_s: float = Field(description="the device's clock minus UTC; negative: it is behind")
    error_s: float = Field(description="how wrong the offset may be")
    off: bool = Field(description="the clock is off for certain: by more than the error")


class DeviceModel(BaseModel):
    """One device; figures are of the last five minutes."""

    device: str = Field(examples=["usti-belehradska/cam-1"])
    site: str
    registered_at: AwareDatetime
    online: bool | None = Field(description="null: it has never said anything")
    since: AwareDatetime | None
    boot: UUID | None
    version: str | None
    camera: bool
    last_seen: AwareDatetime | None
    simulated: bool | None
    batches: int
    uplink_kbit_s: float
    latency_p95_s: float | None = Field(description="first sample captured to batch stored")
    lost_batches: int = Field(description="ever, with the agent's reason in the ledger")
    kind: str | None = Field(examples=["camera"])
    state: Literal["active", "retired"]
    retired_at: AwareDatetime | None
    streams: list[str] | None = Field(description="that it may send; null: all")
    clock: ClockModel | None = Field(description="null: it has not sent anything yet")
    unconfirmed_rows: int = Field(
        description="samples kept apart, as they cannot have been captured when they say"
    )


class LatestModel(BaseModel):
    """Newest value of one metric of a device; data that come late never take its place."""

    metric: str = Field(examples=["air.temperature"])
    unit: str | None = Field(description="UCUM; null: nobody has said", examples=["Cel"])
    captured: AwareDatetime
    received: AwareDatetime
    value: float
    quality: int = Field(description="bits; 0: nothing is against it")
    flags: list[str] = Field(examples=[["implausible"]], description="the bits by name")
    usable: bool = Field(description="false: kept, but nothing is computed from it")
    pending: bool = Field(description="nobody has explained this metric yet")


@router.get("")
async def get_devices(
    connection: Connection,
    now: Now,
    site: Annotated[str | None, Query(description="`{pilot}/{site}`")] = None,
    state: Annotated[
        Literal["active", "retired"] | None, Query(description="all if not given")
    ] = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[DeviceModel]:
    """Devices by pilot and name, of one site or of all."""
    number = None
    if site is not None:
        found = await read_site(connection, *(site.split("/", 1) if "/" in site else (site, "")))
        if found is None:
            raise UnknownSiteError(site)
        number = found.site
    after = read_cursor(cursor, _Key)
    rows = await list_devices(
        connection,
        now=now,
        window=WINDOW,
        site=number,
        retired=None if state is None else state == "retired",
        after=after,
        limit=limit + 1,
    )
    return page(rows, limit, lambda row: _model(row, now), lambda row: (row.pilot, row.name))


@router.get("/{pilot}/{device}")
async def get_device(connection: Connection, now: Now, pilot: Pilot, device: Device) -> DeviceModel:
    """One device."""
    row = await read_device(connection, pilot, device, now=now, window=WINDOW)
    if row is None:
        raise UnknownDeviceError(f"{pilot}/{device}")
    return _model(row, now)


@router.get("/{pilot}/{device}/latest")
async def get_latest(
    connection: Connection,
    now: Now,
    pilot: Pilot,
    device: Device,
    simulated: Simulated = False,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[LatestModel]:
    """Newest value of each metric of a device by the metric's name: what it is now."""
    after = read_cursor(cursor, _MetricKey)
    rows = await list_latest(
        connection,
        pilot=pilot,
        name=device,
        simulated=simulated,
        after="" if after is None else after.metric,
        limit=limit + 1,
    )
    if not rows and await read_device(connection, pilot, device, now=now, window=WINDOW) is None:
        raise UnknownDeviceError(f"{pilot}/{device}")
    return page(rows, limit, _latest, lambda row: (row.metric,))


@router.get(
    "/{pilot}/{device}/picture",
    response_class=Response,
    responses={200: {"content": {"image/jpeg": {}}, "description": "Pixelated JPEG"}},
)
async def get_picture(
    request: Request,
    actor: Actor,
    pilot: Pilot,
    device: Device,
    purpose: Annotated[
        str, Query(min_length=3, max_length=200, description="why; it is kept with your name")
    ],
) -> Response:
    """Present picture of a camera, pixelated where it was taken; every look is put down.

    Pictures taken for one purpose within a minute are one look.
    """
    # No connection is held while the camera is asked: slow cameras must not drain the pool.
    async with request.app.state.pool.connection(timeout=WAIT_S) as connection:
        row = await read_picture_state(connection, pilot, device)
        if row is None:
            raise UnknownDeviceError(f"{pilot}/{device}")
        subject = f"{pilot}/{device}"
        if request.app.state.looks.is_new(actor, subject, purpose):
            await write_audit(
                connection, actor=actor, action="picture", subject=subject, purpose=purpose
            )
    picture = await request.app.state.pictures.fetch(subject, row.online, row.state)
    return Response(picture, media_type="image/jpeg", headers={"Cache-Control": "no-store"})


def _latest(row: LatestValue) -> LatestModel:
    return LatestModel(
        **row._asdict(),
        flags=[bit.name.lower() for bit in Quality if row.quality & bit and bit.name],
        usable=not row.quality & UNUSABLE,
    )


def _clock(row: DeviceRow, now: datetime) -> ClockModel | None:
    found = row.clock(now)
    if found is None:
        return None
    return ClockModel(
        offset_s=round(found.offset, 6), error_s=round(found.error, 6), off=found.is_off
    )


def _model(row: DeviceRow, now: datetime) -> DeviceModel:
    state = row.state or {}
    return DeviceModel(
        device=f"{row.pilot}/{row.name}",
        site=f"{row.site_pilot}/{row.site_name}",
        registered_at=row.registered_at,
        online=row.online,
        since=row.since,
        boot=row.boot,
        version=state.get("version") or None,
        camera=bool(state.get("camera")),
        last_seen=row.last_seen,
        simulated=row.simulated,
        batches=row.batches,
        uplink_kbit_s=row.bytes * 8 / 1000 / WINDOW.total_seconds(),
        latency_p95_s=row.latency_p95,
        lost_batches=row.lost_batches,
        kind=row.kind or None,
        state="active" if row.retired_at is None else "retired",
        retired_at=row.retired_at,
        streams=row.streams,
        clock=_clock(row, now),
        unconfirmed_rows=row.unconfirmed_rows,
    )
