"""Births of Sparkplug's nodes in the database: what one process saw, every process can read."""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from ingest.foreign.judge import Foreigner, Interpreter
from ingest.foreign.sparkplug import MAX_BIRTHS, Birth, Births
from storage.pool import Connection

KEEP: Final = """
INSERT INTO sparkplug_birth (who, born, birth)
SELECT who, born, birth::jsonb
FROM unnest(%(who)s::text[], %(born)s::int8[], %(birth)s::text[]) AS i(who, born, birth)
ORDER BY who, born
ON CONFLICT DO NOTHING"""
DROP_OLD: Final = """
DELETE FROM sparkplug_birth old WHERE who = ANY(%(who)s) AND born < (
    SELECT min(born) FROM (
        SELECT born FROM sparkplug_birth WHERE who = old.who ORDER BY born DESC LIMIT %(most)s
    ) AS newest)"""
READ: Final = """
SELECT birth FROM sparkplug_birth
WHERE who = %(node)s OR starts_with(who, %(node)s || '/') ORDER BY born"""


def keep_births(connection: Connection, births: Iterable[Birth]) -> None:
    """Within a transaction: keep these, and of each node and device only the newest."""
    found = list(births)
    if found:
        who = [birth.who for birth in found]
        written = [msgspec.json.encode(birth).decode().replace("\\u0000", " ") for birth in found]
        given = {"who": who, "born": [birth.born for birth in found], "birth": written}
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
    for (birth,) in connection.execute(READ, {"node": node}):
        births.add(_read(birth))


def _read(stored: list[Any]) -> Birth:
    """Read a birth; those that were kept before names were, have them with their aliases."""
    who, born, number, aliases, *names = stored
    names = names or [{meaning[0]: meaning for meaning in aliases.values()}]
    return msgspec.convert([who, born, number, aliases, *names], Birth, strict=False)
