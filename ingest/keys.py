"""Exactly once for messages without (device, boot, seq): the keys of what is committed.

The ledger's ranges would fall apart into one range per message, so these have a table of keys. All
of it happens in the transaction that writes the rows, before the ledger is locked; keys are put
down in one order by everybody, so that several ingest processes never wait for each other in a
circle.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from contracts.clock import MINUTE, from_micros
from storage.literals import array, plain
from storage.pool import Connection

REMEMBERED: Final = 60 * MINUTE
"""How long a delivery's name holds: the broker uses its packet ids again and again. [us]"""

# What is delivered for the first time is new, whoever had its packet id before. That one was stored
# before this was received; what is younger is this itself, stored when the connection broke.
FORGET: Final = """
DELETE FROM message_key USING unnest(%(keys)s::uuid[], %(since)s::int8[]) AS i(name, since)
WHERE key = name AND stored < timestamptz 'epoch' + INTERVAL '1 microsecond' * since"""

CLAIM: Final = """
WITH given AS (
    SELECT key, min(place) AS place
    FROM unnest(%(keys)s::uuid[]) WITH ORDINALITY AS i(key, place) GROUP BY key
), new AS (
    INSERT INTO message_key (key, stored) SELECT key, %(now)s FROM given ORDER BY key
    ON CONFLICT DO NOTHING RETURNING key
)
SELECT place - 1 FROM given JOIN new USING (key)"""


class Claim(NamedTuple):
    """The name of a message, for one device."""

    key: str  # 32 hexadecimal digits
    delivery: bool = False  # it names only the delivery: the message itself has nothing that does
    again: bool = False  # the broker says that it has delivered it before
    received: int = 0  # when it was delivered [us]


def claim(connection: Connection, claims: Sequence[Claim], now: int) -> set[int]:
    """Put down these names; return the places of those that were not there."""
    if not claims:
        return set()
    keys = plain(one.key for one in claims)
    passing = [one for one in claims if one.delivery]
    if passing:
        connection.execute(
            FORGET,
            {
                "keys": plain(one.key for one in passing),
                "since": array([now - REMEMBERED if x.again else x.received for x in passing]),
            },
        )
    found = connection.execute(CLAIM, {"keys": keys, "now": from_micros(now)})
    return {place for (place,) in found}
