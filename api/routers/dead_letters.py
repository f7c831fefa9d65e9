"""Dead letters: what devices sent and nobody could use; for keys with the scope of that name."""

from base64 import b64encode
from http import HTTPStatus
from typing import Annotated, Literal, NamedTuple

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import AwareDatetime, BaseModel, Field

from api.auth import Steward, steward
from api.dependencies import Connection
from api.errors import (
    TooManyReplaysError,
    UnknownLetterError,
    UnknownReplayError,
    refusals,
)
from api.paging import Cursor, Limit, Page, page, read_cursor
from storage.dead_letters import (
    DeadLetter,
    Filter,
    Replay,
    ask_replay,
    ask_replays,
    drop_dead_letter,
    list_dead_letters,
    list_overflow,
    read_dead_letter,
    read_replay,
)
from storage.keys import write_audit
from storage.pool import AsyncConnection

router = APIRouter(
    prefix="/v1/dead-letters",
    tags=["dead letters"],
    dependencies=[Depends(steward)],
    responses=refusals((403, "The key has not the scope `dead-letters`")),
)

Number = Annotated[int, Path(ge=1, lt=1 << 63, description="number of the letter")]


class _Key(NamedTuple):
    number: int


class DeadLetterModel(BaseModel):
    """One dead letter."""

    number: int
    device: str = Field(description="`pilot/device` as its topic says, empty where it says none")
    reason: str = Field(examples=["truncated"])
    detail: str
    topic: str
    properties: dict[str, str]
    first_at: AwareDatetime = Field(description="first delivered")
    last_at: AwareDatetime
    seen: int = Field(description="deliveries of the same thing")
    bytes: int


class DeadLetterDetail(DeadLetterModel):
    """One dead letter with what it holds."""

    payload_base64: str = Field(description="its bytes; also at `/payload`, as they came")


class OverflowModel(BaseModel):
    """What was over a device's quota: counted, not kept."""

    device: str
    reason: str
    dropped: int
    last_at: AwareDatetime


class FaultModel(BaseModel):
    """A letter that stayed."""

    number: int
    detail: str


class ReplayModel(BaseModel):
    """A replay, and how far ingest is with it."""

    id: int
    state: Literal["waiting", "done"]
    asked_at: AwareDatetime
    asked_by: str
    done_at: AwareDatetime | None
    letters: int = Field(description="that are asked for")
    replayed: int = Field(description="that were stored and are dead letters no more")
    rows: int = Field(description="samples that were stored")
    stayed: int
    faults: list[FaultModel] = Field(description="why they stayed, of the first hundred")


def _filter(
    device: Annotated[str | None, Query(description="`pilot/device`", max_length=200)] = None,
    reason: Annotated[str | None, Query(examples=["unregistered-device"], max_length=200)] = None,
    since: Annotated[
        AwareDatetime | None, Query(alias="from", description="last delivered then or later")
    ] = None,
    before: Annotated[
        AwareDatetime | None, Query(alias="to", description="last delivered before")
    ] = None,
) -> Filter:
    return Filter(device, reason, since, before)


Chosen = Annotated[Filter, Depends(_filter)]


@router.get("")
async def get_dead_letters(
    connection: Connection, chosen: Chosen, cursor: Cursor = None, limit: Limit = 100
) -> Page[DeadLetterModel]:
    """Dead letters, the newest first."""
    key = read_cursor(cursor, _Key)
    after = None if key is None else key.number
    rows = await list_dead_letters(connection, chosen, after=after, limit=limit + 1)
    return page(rows, limit, _model, lambda row: (row.number,))


@router.get("/overflow")
async def get_overflow(connection: Connection, chosen: Chosen) -> list[OverflowModel]:
    """Count what was over a device's quota, the most first; times do not choose here."""
    return [
        OverflowModel(device=each.identity, reason=each.reason, dropped=each.dropped,
                      last_at=each.last_at)
        for each in await list_overflow(connection, chosen)
    ]  # fmt: skip


@router.post("/replays", status_code=HTTPStatus.ACCEPTED)
async def post_replays(
    connection: Connection, steward: Steward, chosen: Chosen, response: Response
) -> ReplayModel:
    """Ask ingest to store those of these letters that can be used by now, the oldest first.

    At most a thousand at once. The answer's `Location` tells how far it is.
    """
    told = ", ".join(f"{name}={value}" for name, value in chosen._asdict().items() if value)
    await _note(connection, steward, "replay", told or "all")
    return await _accepted(connection, await ask_replays(connection, steward, chosen), response)


@router.get("/replays/{replay}")
async def get_replay(
    connection: Connection, replay: Annotated[int, Path(ge=1, lt=1 << 63)]
) -> ReplayModel:
    """How far ingest is with a replay."""
    found = await read_replay(connection, replay)
    if found is None:
        raise UnknownReplayError(str(replay))
    return _replay(found)


@router.get("/{number}")
async def get_dead_letter(
    connection: Connection, steward: Steward, number: Number
) -> DeadLetterDetail:
    """One dead letter with its bytes; that somebody looked is put down."""
    letter, payload = await _read(connection, steward, number)
    return DeadLetterDetail(
        **_model(letter).model_dump(), payload_base64=b64encode(payload).decode()
    )


@router.get(
    "/{number}/payload",
    response_class=Response,
    responses={200: {"content": {"application/octet-stream": {}}, "description": "Its bytes"}},
)
async def get_payload(connection: Connection, steward: Steward, number: Number) -> Response:
    """Download the bytes of a dead letter, as they came; that somebody looked is put down."""
    _, payload = await _read(connection, steward, number)
    headers = {
        # Whatever a stranger has sent must not become a page of ours.
        "Content-Disposition": f'attachment; filename="dead-letter-{number}.bin"',
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }
    return Response(payload, media_type="application/octet-stream", headers=headers)


@router.post("/{number}/replay", status_code=HTTPStatus.ACCEPTED)
async def post_replay(
    connection: Connection, steward: Steward, number: Number, response: Response
) -> ReplayModel:
    """Ask ingest to store this letter if it can be used by now."""
    if await read_dead_letter(connection, number) is None:
        raise UnknownLetterError(str(number))
    await _note(connection, steward, "replay", str(number))
    return await _accepted(connection, await ask_replay(connection, steward, number), response)


@router.delete("/{number}", status_code=HTTPStatus.NO_CONTENT)
async def delete_dead_letter(connection: Connection, steward: Steward, number: Number) -> None:
    """Remove a dead letter for good."""
    if await drop_dead_letter(connection, number) is None:
        raise UnknownLetterError(str(number))
    await _note(connection, steward, "drop", str(number))


async def _read(connection: AsyncConnection, steward: str, number: int) -> tuple[DeadLetter, bytes]:
    found = await read_dead_letter(connection, number)
    if found is None:
        raise UnknownLetterError(str(number))
    await _note(connection, steward, "show", str(number))
    return found


async def _note(connection: AsyncConnection, steward: str, action: str, subject: str) -> None:
    """Put it down; it is committed with what was done, before the answer goes out."""
    action = f"dead-letters {action}"
    await write_audit(connection, actor=steward, action=action, subject=subject, purpose=None)


async def _accepted(
    connection: AsyncConnection, asked: int | None, response: Response
) -> ReplayModel:
    if asked is None:
        raise TooManyReplaysError("Ingest has not done the earlier ones yet; does it run?")
    found = await read_replay(connection, asked)
    if found is None:
        raise UnknownReplayError(str(asked))
    response.headers["Location"] = f"{router.prefix}/replays/{asked}"
    return _replay(found)


def _model(row: DeadLetter) -> DeadLetterModel:
    return DeadLetterModel(
        number=row.number,
        device=row.identity,
        reason=row.reason,
        detail=row.detail,
        topic=row.topic,
        properties=row.properties,
        first_at=row.first_at,
        last_at=row.last_at,
        seen=row.seen,
        bytes=row.bytes,
    )


def _replay(row: Replay) -> ReplayModel:
    return ReplayModel(
        id=row.replay,
        state="waiting" if row.done_at is None else "done",
        asked_at=row.asked_at,
        asked_by=row.actor,
        done_at=row.done_at,
        letters=row.letters,
        replayed=row.replayed,
        rows=row.rows,
        stayed=row.taken - row.replayed,
        faults=[FaultModel(number=number, detail=detail) for number, detail in row.faults],
    )
