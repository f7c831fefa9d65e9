"""Commands to devices: who asked what when, and what came of it."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any, Final, Literal, NamedTuple
from uuid import uuid4

import msgspec
from fastapi import APIRouter, Path, Request
from pydantic import AwareDatetime, BaseModel, Field

from api.auth import Commander
from api.dependencies import WAIT_S, Connection, Now, Pilot
from api.errors import BadCommandError, UnknownCommandError, UnknownDeviceError, refusals
from api.paging import Cursor, Limit, Page, page, read_cursor
from api.routers.devices import Device
from contracts.messages import DO, ENCODER, InstallVersion
from contracts.topics import topic
from storage.keys import write_audit
from storage.overview import read_picture_state
from storage.pool import AsyncConnection
from storage.remote import CommandRow, ask_command, list_commands

router = APIRouter(prefix="/v1/devices", tags=["devices"])

EXPIRY_S: Final = 30
"""A device that comes back later does not do it. [s]"""
REFUSED: Final = refusals(
    (403, "The key has not the scope `commands`"), (503, "The broker does not answer")
)


class _Key(NamedTuple):
    asked: datetime
    command: str


class NewCommandModel(BaseModel):
    """What a device is to do, and why."""

    do: dict[str, Any] = Field(
        description="`type` is ping, doctor, snapshot, flush, restart-camera or log-level",
        examples=[{"type": "doctor"}],
    )
    purpose: str = Field(min_length=3, max_length=200, description="why; it is kept with your name")


class CommandModel(BaseModel):
    """One command."""

    id: str
    do: Any = Field(examples=[{"type": "doctor"}])
    by: str | None = Field(description="whose key; null: an operator at the broker")
    asked_at: AwareDatetime
    state: Literal["done", "refused"] | None = Field(description="null: there is no answer")
    reason: str = Field(description="of a refusal")
    answer: dict[str, Any] | None
    answered_at: AwareDatetime | None


@router.get("/{pilot}/{device}/commands")
async def get_commands(
    connection: Connection, pilot: Pilot, device: Device, cursor: Cursor = None, limit: Limit = 100
) -> Page[CommandModel]:
    """List the last commands of a device, newest first."""
    identity = f"{pilot}/{device}"
    after = read_cursor(cursor, _Key)
    if after is not None:
        after = after._replace(asked=after.asked.astimezone(UTC))
    rows = await list_commands(connection, identity, after=after, limit=limit + 1)
    if not rows:
        await _check_device(connection, identity)
    return page(rows, limit, _model, lambda row: (row.asked_at, row.command))


@router.get("/{pilot}/{device}/commands/{command}")
async def get_command(
    connection: Connection,
    pilot: Pilot,
    device: Device,
    command: Annotated[str, Path(min_length=8, max_length=64)],
) -> CommandModel:
    """One command, and what has come of it so far."""
    rows = await list_commands(connection, f"{pilot}/{device}", command=command, limit=1)
    if not rows:
        raise UnknownCommandError(command)
    return _model(rows[0])


@router.post("/{pilot}/{device}/commands", status_code=HTTPStatus.ACCEPTED, responses=REFUSED)
async def post_command(
    request: Request, by: Commander, now: Now, pilot: Pilot, device: Device, new: NewCommandModel
) -> CommandModel:
    """Ask a device to do something; what comes of it is read with the command's id."""
    identity, ident = f"{pilot}/{device}", uuid4().hex
    kind = _kind(new.do)
    feed = request.app.state.feed
    feed.check_connected()
    async with request.app.state.pool.connection(timeout=WAIT_S) as connection:
        await _check_device(connection, identity)
        asked = f"{new.purpose} [{kind} {ident}]"
        await write_audit(connection, actor=by, action="command", subject=identity, purpose=asked)
        await ask_command(connection, identity=identity, command=ident, task=new.do, by=by, at=now)
    payload = ENCODER.encode({"id": ident, "do": new.do})
    await feed.ask(topic(identity, "command"), topic(identity, "result"), payload, EXPIRY_S)
    row = CommandRow(ident, new.do, by, now, None, "", None, None)
    return _model(row)


def _kind(do: dict[str, Any]) -> str:
    """Kind of a command that may be asked for over the API."""
    try:
        wanted = msgspec.convert(do, DO.type)
    except msgspec.ValidationError as fault:
        raise BadCommandError(str(fault)) from fault
    if isinstance(wanted, InstallVersion):
        raise BadCommandError("an update is asked for at the broker: tepna device ask")
    return str(do["type"])


async def _check_device(connection: AsyncConnection, identity: str) -> None:
    if await read_picture_state(connection, *identity.split("/", 1)) is None:
        raise UnknownDeviceError(identity)


def _model(row: CommandRow) -> CommandModel:
    return CommandModel(
        id=row.command,
        do=row.task,
        by=row.asked_by,
        asked_at=row.asked_at,
        state=row.state,
        reason=row.reason,
        answer=row.answer,
        answered_at=row.answered_at,
    )
