"""Dead letters as ingest and API both see them: lists, one with its bytes, replays asked for."""

from datetime import datetime
from typing import Any, Final, LiteralString, NamedTuple

from storage.pool import AsyncConnection

MAX_REPLAYS: Final = 100
"""Replays that may wait for ingest; who asks for more is told to come later."""

MAX_LETTERS: Final = 1000
"""Letters of one replay; who wants more asks again."""

_CHOSEN: Final[LiteralString] = """
    (%(device)s::text IS NULL OR identity = %(device)s)
    AND (%(reason)s::text IS NULL OR reason = %(reason)s)
    AND (%(since)s::timestamptz IS NULL OR last_at >= %(since)s)
    AND (%(before)s::timestamptz IS NULL OR last_at < %(before)s)"""
_COLUMNS: Final[LiteralString] = """
    dead_letter, first_at, last_at, seen, identity, reason, detail, topic, properties, counted,
    octet_length(payload)"""

LIST: Final[LiteralString] = f"""
SELECT {_COLUMNS} FROM dead_letter
WHERE {_CHOSEN} AND (%(after)s::bigint IS NULL OR dead_letter < %(after)s)
ORDER BY dead_letter DESC LIMIT %(most)s"""  # noqa: S608  # our own constants
SHOW: Final[LiteralString] = f"""
SELECT {_COLUMNS}, payload FROM dead_letter WHERE dead_letter = %(number)s"""  # noqa: S608
NUMBERS: Final[LiteralString] = f"""
SELECT dead_letter FROM dead_letter WHERE {_CHOSEN}
ORDER BY dead_letter LIMIT %(most)s"""  # noqa: S608
DROP: Final[LiteralString] = """
DELETE FROM dead_letter WHERE dead_letter = ANY(%(numbers)s)
RETURNING dead_letter, identity, reason"""
OVERFLOW: Final[LiteralString] = """
SELECT identity, reason, dropped, last_at FROM dead_letter_overflow
WHERE (%(device)s::text IS NULL OR identity = %(device)s)
  AND (%(reason)s::text IS NULL OR reason = %(reason)s)
ORDER BY dropped DESC, identity, reason LIMIT 1000"""
COUNT: Final[LiteralString] = """
SELECT (SELECT count(*) FROM dead_letter),
       (SELECT coalesce(sum(dropped), 0)::bigint FROM dead_letter_overflow)"""

ASK: Final[LiteralString] = f"""
INSERT INTO dead_letter_replay (actor, letters)
SELECT %(actor)s, ARRAY({NUMBERS})
WHERE (SELECT count(*) FROM dead_letter_replay WHERE done_at IS NULL) < {MAX_REPLAYS}
RETURNING replay"""  # noqa: S608
ASK_ONE: Final[LiteralString] = f"""
INSERT INTO dead_letter_replay (actor, letters)
SELECT %(actor)s, ARRAY[%(number)s::bigint]
WHERE (SELECT count(*) FROM dead_letter_replay WHERE done_at IS NULL) < {MAX_REPLAYS}
RETURNING replay"""  # noqa: S608
REPLAY: Final[LiteralString] = """
SELECT replay, asked_at, actor, cardinality(letters), taken, replayed, rows, faults, done_at
FROM dead_letter_replay WHERE replay = %s"""


class Filter(NamedTuple):
    """Which letters; what is None does not matter."""

    device: str | None = None  # pilot/device
    reason: str | None = None
    since: datetime | None = None  # last delivered then or later
    before: datetime | None = None  # last delivered before


class DeadLetter(NamedTuple):
    """A dead letter in a list."""

    number: int
    first_at: datetime
    last_at: datetime
    seen: int
    identity: str
    reason: str
    detail: str
    topic: str
    properties: dict[str, str]
    counted: bool  # the ledger holds its name already
    bytes: int


class Overflow(NamedTuple):
    """Dead letters that were over a device's quota: counted, not kept."""

    identity: str
    reason: str
    dropped: int
    last_at: datetime


class Replay(NamedTuple):
    """A replay that was asked of ingest, and how far it is."""

    replay: int
    asked_at: datetime
    actor: str
    letters: int
    taken: int
    replayed: int
    rows: int
    faults: list[tuple[int, str]]
    done_at: datetime | None


async def list_dead_letters(
    connection: AsyncConnection, chosen: Filter, *, after: int | None, limit: int
) -> list[DeadLetter]:
    """List the newest first, those before the number `after`."""
    given = {**chosen._asdict(), "after": after, "most": limit}
    return [DeadLetter(*row) for row in await (await connection.execute(LIST, given)).fetchall()]


async def read_dead_letter(
    connection: AsyncConnection, number: int
) -> tuple[DeadLetter, bytes] | None:
    """One letter and its bytes; None: there is none."""
    row = await (await connection.execute(SHOW, {"number": number})).fetchone()
    return (DeadLetter(*row[:-1]), row[-1]) if row else None


async def drop_dead_letter(connection: AsyncConnection, number: int) -> tuple[str, str] | None:
    """Remove one for good and say whose it was and why; None: there is none."""
    row = await (await connection.execute(DROP, {"numbers": [number]})).fetchone()
    return (row[1], row[2]) if row else None


async def list_overflow(connection: AsyncConnection, chosen: Filter) -> list[Overflow]:
    """List what was over the quota, the most first, at most a thousand devices and reasons."""
    rows = await (await connection.execute(OVERFLOW, chosen._asdict())).fetchall()
    return [Overflow(*row) for row in rows]


async def count_dead_letters(connection: AsyncConnection) -> tuple[int, int]:
    """How many letters nobody could use, and how many were over a quota and not kept."""
    row = (await (await connection.execute(COUNT)).fetchall())[0]
    return row[0], row[1]


async def ask_replay(connection: AsyncConnection, actor: str, number: int) -> int | None:
    """Ask ingest to replay one letter; None: too many replays wait."""
    return await _ask(connection, ASK_ONE, {"actor": actor, "number": number})


async def ask_replays(connection: AsyncConnection, actor: str, chosen: Filter) -> int | None:
    """Ask ingest to replay these, the oldest first; None: too many replays wait."""
    given = {**chosen._asdict(), "actor": actor, "most": MAX_LETTERS}
    return await _ask(connection, ASK, given)


async def read_replay(connection: AsyncConnection, replay: int) -> Replay | None:
    """How far a replay is; None: there is none."""
    row = await (await connection.execute(REPLAY, [replay])).fetchone()
    return Replay(*row) if row else None


async def _ask(
    connection: AsyncConnection, query: LiteralString, given: dict[str, Any]
) -> int | None:
    row = await (await connection.execute(query, given)).fetchone()
    return int(row[0]) if row else None
