"""Live views and snapshots of cameras; whoever looks is put down, here and by the camera."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Annotated, Final
from uuid import uuid4

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime, BaseModel, Field

from api.auth import Actor
from api.dependencies import WAIT_S, Pilot
from api.errors import NoPictureError, UnknownDeviceError
from api.routers.devices import Device
from contracts.clock import MICROSECONDS, from_micros
from contracts.viewing import LONGEST, Permit, mint
from storage.keys import write_audit
from storage.overview import read_picture_state

router = APIRouter(prefix="/v1/devices", tags=["devices"])

LIVE_S: Final = 600
"""How long a live view through the API lasts at most. [s]"""

Purpose = Annotated[
    str, Query(min_length=3, max_length=200, description="why; it is kept with your name")
]


class PermitModel(BaseModel):
    """What opens a camera's pictures for a while, at the camera itself."""

    id: str = Field(description="by which the camera tells who looked")
    url: str = Field(description="of the live view; send `Authorization: Bearer {token}`")
    certificate: str = Field(description="SHA-256 of the only certificate to trust there")
    token: str
    until: AwareDatetime


@router.get("/{pilot}/{device}/permit")
async def get_permit(
    request: Request,
    actor: Actor,
    response: Response,
    pilot: Pilot,
    device: Device,
    purpose: Purpose,
    seconds: Annotated[int, Query(ge=1, le=int(LONGEST))] = LIVE_S,
) -> PermitModel:
    """Let somebody look at a camera for a while, without the API in between."""
    response.headers["Cache-Control"] = "no-store"
    subject = f"{pilot}/{device}"
    _, state, permit, token = await _permit(request, actor, subject, purpose, seconds)
    url = str(state.get("picture_url", ""))
    if not url:
        raise NoPictureError(f"{subject} serves no pictures")
    return PermitModel(
        id=permit.id,
        url=url.removesuffix("/picture.jpg") + "/live.mjpg",
        certificate=str(state.get("picture_certificate", "")),
        token=token,
        until=from_micros(permit.until),
    )


@router.get(
    "/{pilot}/{device}/live",
    response_class=Response,
    responses={200: {"content": {"multipart/x-mixed-replace": {}}, "description": "MJPEG"}},
)
async def get_live(
    request: Request, actor: Actor, pilot: Pilot, device: Device, purpose: Purpose
) -> Response:
    """Live view of a camera for ten minutes, pixelated where it was taken."""
    subject = f"{pilot}/{device}"
    online, state, _, token = await _permit(request, actor, subject, purpose, LIVE_S)
    async with AsyncExitStack() as stack:
        pictures = request.app.state.pictures
        answer = await stack.enter_async_context(pictures.live(subject, online, state, token))
        opened = stack.pop_all()

    async def parts() -> AsyncIterator[bytes]:
        async with opened:
            async for part in answer.aiter_raw():
                yield part

    return StreamingResponse(
        parts(),
        media_type=answer.headers["content-type"],
        headers={"Cache-Control": "no-store"},
    )


@router.get(
    "/{pilot}/{device}/snapshots/{snapshot}",
    response_class=Response,
    responses={200: {"content": {"image/jpeg": {}}, "description": "Pixelated JPEG"}},
)
async def get_snapshot(
    request: Request,
    actor: Actor,
    pilot: Pilot,
    device: Device,
    snapshot: Annotated[
        str, Path(pattern=r"^[A-Za-z0-9-]{1,64}$", examples=["frozen-1777878000000000"])
    ],
    purpose: Purpose,
) -> Response:
    """Picture of what happened, from the camera's own store."""
    subject = f"{pilot}/{device}"
    online, state = await _put_down(request, actor, "snapshot", subject, f"{purpose} [{snapshot}]")
    path = f"/snapshots/{snapshot}.jpg"
    picture = await request.app.state.pictures.fetch(subject, online, state, path)
    return Response(picture, media_type="image/jpeg", headers={"Cache-Control": "no-store"})


async def _permit(
    request: Request, actor: str, subject: str, purpose: str, seconds: int
) -> tuple[bool | None, dict[str, object], Permit, str]:
    secret = request.app.state.settings.picture_token
    if secret is None:
        raise NoPictureError("the platform has no TEPNA_PICTURE_TOKEN to mint permits with")
    permit = Permit(uuid4().hex, subject, request.app.state.clock() + seconds * MICROSECONDS)
    online, state = await _put_down(request, actor, "live", subject, f"{purpose} [{permit.id}]")
    return online, state, permit, mint(secret.get_secret_value(), permit)


async def _put_down(
    request: Request, actor: str, action: str, subject: str, purpose: str
) -> tuple[bool | None, dict[str, object]]:
    """Write down who looks at what and why; give what the device says of itself."""
    async with request.app.state.pool.connection(timeout=WAIT_S) as connection:
        row = await read_picture_state(connection, *subject.split("/", 1))
        if row is None:
            raise UnknownDeviceError(subject)
        await write_audit(connection, actor=actor, action=action, subject=subject, purpose=purpose)
    return row.online, row.state or {}
