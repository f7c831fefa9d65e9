"""A key that a sender uses a second time for something else: the second is a dead letter."""

import hashlib
from collections.abc import Sequence
from typing import Final

from ingest import keys
from ingest.foreign import posted
from ingest.foreign.join import Arrival
from ingest.keys import Claim
from storage.pool import Connection

CONFLICT: Final = ("conflicting-content", "this key was used before for something else")
KNOWN: Final = "SELECT key FROM message_key WHERE key = ANY(%s::uuid[])"


def conflicting(
    connection: Connection, fresh: Sequence[Arrival], repeated: Sequence[Arrival], now: int
) -> list[Arrival]:
    """Find those of the repeated whose content is not what came first under their key."""
    keys.claim(connection, [_content(arrival) for arrival in fresh if _is_keyed(arrival)], now)
    asked = {_content(arrival).key: arrival for arrival in repeated if _is_keyed(arrival)}
    if not asked:
        return []
    same = {key.hex for (key,) in connection.execute(KNOWN, [list(asked)])}
    return [arrival for key, arrival in asked.items() if key not in same]


def _is_keyed(arrival: Arrival) -> bool:
    delivery = arrival.message.delivery
    return posted.KEY in delivery.properties and posted.find(delivery.topic) is not None


def _content(arrival: Arrival) -> Claim:
    """Name key and content together."""
    what = hashlib.sha256(arrival.message.delivery.payload).hexdigest()
    return Claim(hashlib.sha256(f"{arrival.part.claim.key}\n{what}".encode()).hexdigest()[:32])
