"""Devices, how they do, and their pixelated pictures."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Literal, NamedTuple
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
from storage.metrics import camera_conditions
from storage.overview import DeviceRow, list_devices, read_device, read_picture_state, read_site
from storage.remote import ConfigurationRow, Configurations, list_configurations

router = APIRouter(prefix="/v1/devices", tags=["devices"])

WINDOW: Final = timedelta(minutes=5)
CONDITION_SPAN: Final = timedelta(days=7)
"""What began longer ago, and was never said to be over, is not shown any more."""
NOTHING_TOLD: Final = Configurations(None, None, None)
Device = Annotated[str, Path(pattern=NAME, examples=["cam-1"])]


class _Key(NamedTuple):
    pilot: str
    name: str


class _Told(NamedTuple):
    """What devices say of themselves beside their state, by identity."""

    configurations: dict[str, Configurations]
    conditions: dict[str, list[str]]


class _MetricKey(NamedTuple):
    metric: str


class ClockModel(BaseModel):
    """How far a device's clock is off, by when it sent and when that was received."""

    offset_s: float = Field(description="the device's clock minus UTC; negative: it is behind")
    error_s: float = Field(description="how wrong the offset may be")
    off: bool = Field(description="the clock is off for certain: by more than the error")


class DesiredModel(BaseModel):
    """Configuration that the platform desires; it lies over the box's own file."""

    version: int
    config: dict[str, Any] = Field(examples=[{"batches": {"max_age_s": 2.0}}])
    at: AwareDatetime


class ReportedModel(BaseModel):
    """What the device made of what was desired last, by its own word."""

    version: int = Field(description="that it speaks of")
    state: Literal["trying", "accepted", "rejected", "rolled-back"]
    reason: str = Field(description="why it is rejected or taken back")
    applied: int = Field(description="version that is in force; 0: the box's own file alone")
    config_hash: str = Field(description="SHA-256 of the configuration in force, secrets left out")
    at: AwareDatetime = Field(description="by the device's clock")


class DeviceModel(BaseModel):
    """One device; figures are of the last five minutes."""

    device: str = Field(examples=["usti-belehradska/cam-1"])
    site: str
    registered_at: AwareDatetime
    online: bool | None = Field(description="null: it has never said anything")
    since: AwareDatetime | None
    boot: UUID | None
    version: str | None = Field(description="of the agent")
    camera: bool = Field(description="frames come from its camera")
    camera_conditions: list[str] = Field(
        description="what is wrong with the picture, as the agent sees it: dark, covered, moved"
    )
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
    desired: DesiredModel | None = Field(description="null: nothing was ever desired")
    reported: ReportedModel | None = Field(description="null: it has not said")


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
    told = await _told(connection, rows, now)
    return page(rows, limit, lambda row: _model(row, now, told), lambda row: (row.pilot, row.name))


@router.get("/{pilot}/{device}")
async def get_device(connection: Connection, now: Now, pilot: Pilot, device: Device) -> DeviceModel:
    """One device."""
    row = await read_device(connection, pilot, device, now=now, window=WINDOW)
    if row is None:
        raise UnknownDeviceError(f"{pilot}/{device}")
    return _model(row, now, await _told(connection, [row], now))


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


async def _told(connection: Connection, rows: Sequence[DeviceRow], now: datetime) -> _Told:
    identities = [f"{row.pilot}/{row.name}" for row in rows]
    return _Told(
        await list_configurations(connection, identities),
        await camera_conditions(connection, identities, now - CONDITION_SPAN),
    )


def _desired(row: ConfigurationRow | None) -> DesiredModel | None:
    if row is None or row.config is None or row.desired_at is None:
        return None
    return DesiredModel(version=row.version, config=row.config, at=row.desired_at)


def _reported(row: ConfigurationRow | None) -> ReportedModel | None:
    if row is None:
        return None
    return ReportedModel.model_validate(
        row._asdict() | {"at": row.reported_at}, from_attributes=True
    )


def _model(row: DeviceRow, now: datetime, told: _Told) -> DeviceModel:
    state, identity = row.state or {}, f"{row.pilot}/{row.name}"
    known = told.configurations.get(identity, NOTHING_TOLD)
    return DeviceModel(
        device=identity,
        site=f"{row.site_pilot}/{row.site_name}",
        registered_at=row.registered_at,
        online=row.online,
        since=row.since,
        boot=row.boot,
        version=state.get("version") or None,
        camera=bool(state.get("camera")),
        camera_conditions=told.conditions.get(identity, []),
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
        desired=_desired(known.desired),
        reported=_reported(known.reported),
    )
