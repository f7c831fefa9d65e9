"""Dead letters: what could not be used is kept with its reason, and can be replayed."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec

from contracts.clock import from_micros
from ingest.judge import Letter
from ingest.settings import DeadLetterQuota
from storage.dead_letters import (
    DROP,
    LIST,
    NUMBERS,
    OVERFLOW,
    SHOW,
    DeadLetter,
    Filter,
    Overflow,
)
from storage.pool import Connection

MAX_PROPERTIES: Final = 20
"""Properties of a message that are kept with it."""

# One statement: raise the count of what is known, or keep it, or count that it was too much.
KEEP: Final = """
WITH known AS (
    UPDATE dead_letter SET seen = seen + 1, last_at = %(now)s WHERE digest = %(digest)s
    RETURNING dead_letter
), used AS (
    SELECT count(*) AS letters, coalesce(sum(octet_length(payload)), 0) AS bytes
    FROM dead_letter WHERE identity = %(identity)s
), kept AS (
    INSERT INTO dead_letter (first_at, last_at, identity, reason, detail, topic, properties,
                             counted, digest, payload)
    SELECT %(now)s, %(now)s, %(identity)s, %(reason)s, %(detail)s, %(topic)s, %(properties)s::jsonb,
           %(counted)s, %(digest)s, %(payload)s
    FROM used
    WHERE NOT EXISTS (SELECT FROM known) AND used.letters < %(max_letters)s
      AND used.bytes + octet_length(%(payload)s) <= %(max_bytes)s
    ON CONFLICT (digest) DO UPDATE SET seen = dead_letter.seen + 1, last_at = EXCLUDED.last_at
    RETURNING dead_letter
), dropped AS (
    INSERT INTO dead_letter_overflow AS o (identity, reason, dropped, last_at)
    SELECT %(identity)s, %(reason)s, 1, %(now)s
    WHERE NOT EXISTS (SELECT FROM known) AND NOT EXISTS (SELECT FROM kept)
    ON CONFLICT (identity, reason) DO UPDATE SET dropped = o.dropped + 1, last_at = EXCLUDED.last_at
)
SELECT EXISTS (SELECT FROM known) OR EXISTS (SELECT FROM kept)"""

# Letters share rows that have no order of their own (counts of what is too much): one writer at a
# time, so that two workers never wait for each other in a circle.
LOCK: Final = "SELECT pg_advisory_xact_lock(%s)"
LOCK_NUMBER: Final = 0x7E9A_0002

SEEN: Final = "UPDATE dead_letter SET seen = seen + 1, last_at = %s WHERE digest = %s"
TAKE: Final = """
DELETE FROM dead_letter WHERE dead_letter = %s
RETURNING topic, properties, counted, first_at, reason, payload"""


class Kept(NamedTuple):
    """What is needed to judge a dead letter anew."""

    topic: str
    properties: dict[str, str]
    counted: bool  # the ledger holds its name already
    first_at: datetime
    reason: str
    payload: bytes


def lock(connection: Connection) -> None:
    """Wait, within a transaction, until no other one writes letters."""
    connection.execute(LOCK, [LOCK_NUMBER])


def keep(
    connection: Connection, letter: Letter, *, counted: bool, at: int, quota: DeadLetterQuota
) -> bool:
    """Keep a letter; False: its device has too many, it was only counted."""
    arguments: dict[str, Any] = {
        **letter._asdict(),
        "properties": _json(letter.properties),
        "counted": counted,
        "now": from_micros(at),
        "max_letters": quota.letters,
        "max_bytes": quota.bytes,
    }
    return connection.execute(KEEP, arguments).fetchone() == (True,)


def see_again(connection: Connection, letter: Letter, now: int) -> None:
    """Count that a letter came once more; one that was replayed or dropped stays away."""
    connection.execute(SEEN, [from_micros(now), letter.digest])


def list_letters(connection: Connection, chosen: Filter, most: int) -> list[DeadLetter]:
    """List the newest dead letters first."""
    given = {**chosen._asdict(), "after": None, "most": most}
    return [DeadLetter(*row) for row in connection.execute(LIST, given).fetchall()]


def list_overflow(connection: Connection, chosen: Filter) -> list[Overflow]:
    """List what was over the quota."""
    rows = connection.execute(OVERFLOW, chosen._asdict()).fetchall()
    return [Overflow(*row) for row in rows]


def find_numbers(connection: Connection, chosen: Filter, most: int) -> list[int]:
    """Find the oldest of these first: as they came."""
    given = {**chosen._asdict(), "most": most}
    return [number for (number,) in connection.execute(NUMBERS, given).fetchall()]


def show(connection: Connection, number: int) -> tuple[DeadLetter, bytes] | None:
    """Read one letter and its bytes; None: there is none."""
    row = connection.execute(SHOW, {"number": number}).fetchone()
    return (DeadLetter(*row[:-1]), row[-1]) if row else None


def drop(connection: Connection, numbers: Sequence[int]) -> set[int]:
    """Remove letters for good; return which were there."""
    rows = connection.execute(DROP, {"numbers": list(numbers)}).fetchall()
    return {number for number, *_ in rows}


def take(connection: Connection, number: int) -> Kept | None:
    """Remove one letter and return it; None: there is none."""
    row = connection.execute(TAKE, [number]).fetchone()
    return Kept(*row) if row else None


def _json(properties: dict[str, str]) -> str:
    few = list(properties.items())[:MAX_PROPERTIES]
    clean = {k.replace("\0", " ")[:200]: v.replace("\0", " ")[:200] for k, v in few}
    return msgspec.json.encode(clean).decode()
