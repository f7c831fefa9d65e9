"""Exactly once: which batches of each (device, boot) are committed.

All of it happens in the transaction that writes the rows. A batch's name is claimed before anything
is written and until the commit, so that no other ingest process writes the same batch meanwhile;
the rows of the ledger themselves are locked only when the telemetry is written, in one order by
everybody: whoever writes a hundred thousand rows holds up nobody.
"""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple
from uuid import UUID

from contracts.batch import Gone
from contracts.clock import from_micros
from contracts.messages import Ranges
from storage.literals import array, plain
from storage.pool import Connection

MAX_DURABLE_RANGES: Final = 64
"""Ranges that one `durable` carries: those of the batches at hand, then the latest."""

MAX_BYTES: Final = 4 << 20
"""Stored size of one boot's ranges, some 200,000: who scatters more hurts only itself."""

OPEN: Final = """
INSERT INTO ledger (device, boot)
SELECT DISTINCT device, boot FROM unnest(%(devices)s::int[], %(boots)s::uuid[]) AS i(device, boot)
ORDER BY device, boot
ON CONFLICT DO NOTHING"""

# A name's lock is a number of 64 bits: two names that share one only wait for each other.
_LOCK: Final = "hashtextextended(device || '/' || boot || '/' || seq, 0)"
_NAMES: Final = "unnest(%(devices)s::int[], %(boots)s::uuid[], %(seqs)s::int8[])"
CLAIM: Final = f"""
SELECT place - 1 FROM {_NAMES} WITH ORDINALITY AS i(device, boot, seq, place)
WHERE NOT pg_try_advisory_xact_lock({_LOCK})"""  # noqa: S608  # our own constants

AWAIT: Final = f"""
SELECT pg_advisory_xact_lock(number) FROM (
    SELECT DISTINCT {_LOCK} AS number FROM {_NAMES} AS i(device, boot, seq)
    ORDER BY number OFFSET 0
) AS locks"""  # noqa: S608

LOCK: Final = """
SELECT FROM ledger
WHERE (device, boot) IN (SELECT * FROM unnest(%(devices)s::int[], %(boots)s::uuid[]))
ORDER BY device, boot
FOR UPDATE"""

# A statement of its own: it must see what was committed until the names were claimed.
FIND_KNOWN: Final = """
SELECT place - 1, i.seq <@ committed, ARRAY(
    SELECT b.digest FROM batch b
    WHERE i.seq <@ committed AND (b.device, b.boot, b.seq) = (i.device, i.boot, i.seq)
)
FROM unnest(%(devices)s::int[], %(boots)s::uuid[], %(seqs)s::int8[])
    WITH ORDINALITY AS i(device, boot, seq, place)
JOIN ledger USING (device, boot)
WHERE i.seq <@ committed
   OR (pg_column_size(committed) + pg_column_size(lost) > %(max_bytes)s
       AND NOT (i.seq - 1 <@ committed OR i.seq + 1 <@ committed))"""

WIDEN: Final = """
WITH change AS (
    SELECT device, boot,
           coalesce(range_agg(int8range(first, "end")) FILTER (WHERE NOT lost), '{}') AS committed,
           coalesce(range_agg(int8range(first, "end")) FILTER (WHERE lost), '{}') AS lost
    FROM unnest(%(devices)s::int[], %(boots)s::uuid[], %(firsts)s::int8[], %(ends)s::int8[],
                %(lost)s::bool[]) AS i(device, boot, first, "end", lost)
    GROUP BY device, boot
)
UPDATE ledger l SET
    committed = l.committed + change.committed,
    lost = l.lost + change.lost - (l.committed + change.committed)
FROM change WHERE (l.device, l.boot) = (change.device, change.boot)"""

NOTE_LOSS: Final = """
INSERT INTO loss (device, boot, seqs, reason, reported_at)
SELECT device, boot, int8range(first, "end"), reason, %(now)s
FROM unnest(%(devices)s::int[], %(boots)s::uuid[], %(firsts)s::int8[], %(ends)s::int8[],
            %(reasons)s::text[]) AS i(device, boot, first, "end", reason)
ON CONFLICT DO NOTHING"""

READ_DURABLE: Final = """
WITH hand AS (
    SELECT device, boot, range_agg(int8range(seq, seq + 1)) AS seqs
    FROM unnest(%(devices)s::int[], %(boots)s::uuid[], %(seqs)s::int8[]) AS i(device, boot, seq)
    GROUP BY device, boot
)
SELECT device, boot, lower(part), upper(part)
FROM hand JOIN ledger l USING (device, boot), LATERAL (
    SELECT part FROM unnest(l.committed + l.lost) AS part
    ORDER BY part && hand.seqs DESC, lower(part) DESC
    LIMIT %(most)s
) AS parts
ORDER BY device, boot, lower(part)"""


class Name(NamedTuple):
    """What names a batch for ever."""

    device: int
    boot: UUID
    seq: int


class Loss(NamedTuple):
    """Batches [first, end) of a boot that will not come."""

    device: int
    boot: UUID
    gone: Gone


Durable = dict[tuple[int, UUID], Ranges]
"""What each boot of each device may let go."""


class Known(NamedTuple):
    """What the ledger says of a name."""

    committed: bool  # False: it is new, but its boot has too many gaps to write it down
    digests: list[bytes]  # of the contents; none if that is longer ago than batches are kept


def claim(connection: Connection, names: Sequence[Name]) -> set[int]:
    """Claim these names until the transaction ends; return the places of those that others have."""
    if not names:
        return set()
    return {place for (place,) in connection.execute(CLAIM, _written(names))}


def wait(connection: Connection, names: Sequence[Name]) -> None:
    """Claim these names until the transaction ends; wait for whoever has one of them."""
    connection.execute(AWAIT, _written(names))


def look(connection: Connection, names: Sequence[Name]) -> dict[int, Known]:
    """Say what is known of names that are claimed, by the place of the name."""
    if not names:
        return {}
    rows = connection.execute(FIND_KNOWN, {**_written(names), "max_bytes": MAX_BYTES})
    return {place: Known(committed, digests) for place, committed, digests in rows}


def widen(
    connection: Connection, committed: Sequence[Name], losses: Sequence[Loss], now: int
) -> None:
    """Write these as committed, and those as lost unless they are committed."""
    devices, boots, seqs = _columns(committed)
    given = {
        "devices": array(devices + [loss.device for loss in losses]),
        "boots": plain(map(str, boots + [loss.boot for loss in losses])),
        "firsts": array(seqs + [loss.gone.first for loss in losses]),
        "ends": array([seq + 1 for seq in seqs] + [loss.gone.end for loss in losses]),
        "lost": array([False] * len(seqs) + [True] * len(losses)),
    }
    connection.execute(OPEN, given)
    connection.execute(LOCK, given)
    connection.execute(WIDEN, given)
    if losses:
        connection.execute(
            NOTE_LOSS,
            {
                "devices": [loss.device for loss in losses],
                "boots": [loss.boot for loss in losses],
                "firsts": [loss.gone.first for loss in losses],
                "ends": [loss.gone.end for loss in losses],
                "reasons": [loss.gone.reason[:200] for loss in losses],
                "now": from_micros(now),
            },
        )


def durable(connection: Connection, names: Sequence[Name]) -> Durable:
    """Say what each (device, boot) may let go: what is committed or lost."""
    if not names:
        return {}
    rows = connection.execute(READ_DURABLE, {**_written(names), "most": MAX_DURABLE_RANGES})
    found: Durable = {}
    for device, boot, first, end in rows:
        found.setdefault((device, boot), []).append((first, end))
    return found


def _columns(names: Iterable[Name]) -> tuple[list[int], list[UUID], list[int]]:
    listed = list(names)
    return [n.device for n in listed], [n.boot for n in listed], [n.seq for n in listed]


def _written(names: Iterable[Name]) -> dict[str, str]:
    """Columns of names as parameters, of which there are many."""
    devices, boots, seqs = _columns(names)
    return {"devices": array(devices), "boots": plain(map(str, boots)), "seqs": array(seqs)}
