"""Births of Sparkplug's nodes in the database: what one process saw, every process can read."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

import msgspec

from contracts.clock import from_micros, to_micros
from ingest.foreign.judge import Foreigner, Interpreter
from ingest.foreign.sparkplug import MAX_BIRTHS, Birth, Births, that_holds
from storage.pool import Connection

# As `that_holds` says: the same one earlier, or another one later.
KEEP: Final = """
INSERT INTO sparkplug_birth AS kept (who, born, received, birth)
SELECT who, born, received, birth::jsonb
FROM unnest(%(who)s::text[], %(born)s::int8[], %(received)s::timestamptz[], %(birth)s::text[])
    AS i(who, born, received, birth)
ORDER BY who, born
ON CONFLICT (who, born) DO UPDATE SET received = EXCLUDED.received, birth = EXCLUDED.birth
WHERE (kept.birth = EXCLUDED.birth) = (EXCLUDED.received < kept.received)"""
DROP_OLD: Final = """
DELETE FROM sparkplug_birth old WHERE who = ANY(%(who)s) AND born NOT IN (
    SELECT born FROM sparkplug_birth WHERE who = old.who
    ORDER BY received DESC, born DESC LIMIT %(most)s)"""
READ: Final = """
SELECT birth, received FROM sparkplug_birth
WHERE who = %(node)s OR starts_with(who, %(node)s || '/') ORDER BY received, born"""


def keep_births(connection: Connection, births: Iterable[Birth]) -> None:
    """Within a transaction: keep these, and of each node and device only the newest."""
    found: dict[tuple[str, int], Birth] = {}
    for birth in births:
        name = birth.who, birth.born
        found[name] = that_holds(found[name], birth) if name in found else birth
    if found:
        who = [birth.who for birth in found.values()]
        given = {
            "who": who,
            "born": [birth.born for birth in found.values()],
            "received": [from_micros(birth.received) for birth in found.values()],
            "birth": [_written(birth) for birth in found.values()],
        }
        connection.execute(KEEP, given)
        connection.execute(DROP_OLD, {"who": who, "most": MAX_BIRTHS})


def complete(connection: Connection, interpreter: Interpreter, message: Foreigner) -> Foreigner:
    """Judge once more what lacks a birth that another process may have kept."""
    if not message.lacks:
        return message
    read_births(connection, message.lacks, interpreter.births)
    return interpreter.judge(message.delivery)


def read_births(connection: Connection, node: str, births: Births) -> None:
    """Remember what is kept of a node and its devices."""
    for birth, received in connection.execute(READ, {"node": node}):
        births.add(_read(birth, received))
    births.trust(node)


def _written(birth: Birth) -> str:
    """Write all of a birth but when it was received."""
    return msgspec.json.encode(birth[:-1]).decode().replace("\\u0000", " ")


def _read(written: list[Any], received: datetime) -> Birth:
    """Read a birth; those that were kept before names were, have them with their aliases."""
    who, born, number, aliases, *names = written
    names = names or [{meaning[0]: meaning for meaning in aliases.values()}]
    whole = [who, born, number, aliases, *names, to_micros(received)]
    return msgspec.convert(whole, Birth, strict=False)
