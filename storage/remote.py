"""What was desired and asked of devices, and what they answered."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, LiteralString, NamedTuple

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from storage.pool import AsyncConnection, Connection

CONFIGURATIONS: Final = 20
"""Versions kept of each device, beside the one in force; then the oldest goes."""
COMMANDS: Final = 200
"""Commands kept of each device; then the oldest goes."""

DESIRE: Final[LiteralString] = """
INSERT INTO device_configuration (device, version, config, desired_at)
VALUES (%(device)s, %(version)s, %(config)s, %(at)s)
ON CONFLICT (device, version) DO UPDATE SET config = EXCLUDED.config,
    desired_at = EXCLUDED.desired_at
"""
# What is retained comes again, and what was a dead letter may come late.
REPORT: Final[LiteralString] = """
INSERT INTO device_configuration AS present
    (device, version, state, reason, applied, config_hash, reported_at, heard_at)
VALUES (%(device)s, %(version)s, %(state)s, %(reason)s, %(applied)s, %(config_hash)s, %(at)s,
        %(heard)s)
ON CONFLICT (device, version) DO UPDATE SET state = EXCLUDED.state, reason = EXCLUDED.reason,
    applied = EXCLUDED.applied, config_hash = EXCLUDED.config_hash,
    reported_at = EXCLUDED.reported_at, heard_at = EXCLUDED.heard_at
WHERE present.heard_at IS NULL OR present.heard_at <= EXCLUDED.heard_at
"""
FORGET_CONFIGURATIONS: Final[LiteralString] = """
DELETE FROM device_configuration WHERE device = %(device)s
  AND version < (SELECT min(version) FROM (
      SELECT version FROM device_configuration WHERE device = %(device)s
      ORDER BY version DESC LIMIT %(kept)s) AS newest)
  AND version IS DISTINCT FROM (
      SELECT applied FROM device_configuration
      WHERE device = %(device)s AND state IS NOT NULL ORDER BY version DESC LIMIT 1)
"""
ASK: Final[LiteralString] = """
INSERT INTO device_command (device, command, task, asked_by, asked_at)
SELECT device, %(command)s, %(task)s, %(by)s, %(at)s
FROM device WHERE pilot || '/' || name = %(identity)s
ON CONFLICT (device, command) DO NOTHING
"""
HEAR_COMMAND: Final[LiteralString] = """
INSERT INTO device_command (device, command, task, asked_at)
VALUES (%(device)s, %(command)s, %(task)s, %(at)s)
ON CONFLICT (device, command) DO NOTHING
"""
# What nobody has asked for is not kept; an answer that comes again is the same.
ANSWER: Final[LiteralString] = """
UPDATE device_command SET state = %(state)s, reason = %(reason)s, answer = %(answer)s,
    answered_at = %(at)s
WHERE device = %(device)s AND command = %(command)s AND state IS NULL
"""
FORGET_COMMANDS: Final[LiteralString] = """
DELETE FROM device_command WHERE device = %(device)s AND (asked_at, command) < (
    SELECT asked_at, command FROM device_command WHERE device = %(device)s
    ORDER BY asked_at DESC, command DESC OFFSET %(kept)s - 1 LIMIT 1)
"""
CONFIGURATION_COLUMNS: Final[LiteralString] = """
SELECT d.pilot || '/' || d.name AS device, c.version, c.config, c.desired_at, c.state, c.reason,
       c.applied, c.config_hash, c.reported_at
FROM device_configuration c JOIN device d USING (device)
"""
LIST_CONFIGURATIONS: Final[LiteralString] = (
    CONFIGURATION_COLUMNS + "WHERE d.pilot || '/' || d.name = ANY (%s) ORDER BY c.version DESC"
)
LIST_COMMANDS: Final[LiteralString] = """
SELECT c.command, c.task, c.asked_by, c.asked_at, c.state, c.reason, c.answer, c.answered_at
FROM device_command c JOIN device d USING (device)
WHERE d.pilot || '/' || d.name = %(identity)s
  AND (%(command)s::text IS NULL OR c.command = %(command)s)
  AND (%(after_at)s::timestamptz IS NULL OR (c.asked_at, c.command) < (%(after_at)s, %(after)s))
ORDER BY c.asked_at DESC, c.command DESC LIMIT %(limit)s
"""


class ConfigurationRow(NamedTuple):
    """One version that was desired of a device, and what it said of it."""

    device: str
    version: int
    config: dict[str, Any] | None
    desired_at: datetime | None
    state: str | None
    reason: str
    applied: int | None
    config_hash: str | None
    reported_at: datetime | None


class CommandRow(NamedTuple):
    """One command, and what came of it."""

    command: str
    task: Any
    asked_by: str | None
    asked_at: datetime
    state: str | None
    reason: str
    answer: dict[str, Any] | None
    answered_at: datetime | None


class Configurations(NamedTuple):
    """What is known of one device's configuration; the newest of each, None: nothing."""

    desired: ConfigurationRow | None
    reported: ConfigurationRow | None
    in_force: ConfigurationRow | None  # the version that the device says it has applied

    @property
    def differs(self) -> bool:
        """Whether something else is in force than is desired."""
        desired = 0 if self.desired is None else self.desired.version
        applied = None if self.reported is None else self.reported.applied
        return desired != (applied or 0)


def keep_desired(
    connection: Connection, device: int, version: int, config: dict[str, Any], at: datetime
) -> None:
    """Put down what is desired of a device."""
    given = {"device": device, "version": version, "config": Jsonb(config), "at": at}
    connection.execute(DESIRE, given)
    _forget_configurations(connection, device)


def keep_reported(connection: Connection, device: int, **said: Any) -> None:
    """Put down what a device made of a version, unless that is older than what is known."""
    connection.execute(REPORT, {"device": device} | said)
    _forget_configurations(connection, device)


def keep_command(
    connection: Connection, device: int, command: str, task: Any, at: datetime
) -> None:
    """Put down what an operator asks of a device, unless it is known already."""
    given = {"device": device, "command": command, "task": Jsonb(task), "at": at}
    connection.execute(HEAR_COMMAND, given)
    connection.execute(FORGET_COMMANDS, {"device": device, "kept": COMMANDS})


def keep_answer(connection: Connection, device: int, **said: Any) -> None:
    """Put down what came of a command; of one that nobody has asked for nothing."""
    connection.execute(ANSWER, {"device": device} | said | {"answer": Jsonb(said["answer"])})


async def ask_command(
    connection: AsyncConnection, *, identity: str, command: str, task: Any, by: str, at: datetime
) -> None:
    """Put down who asks what of a device, before it is asked."""
    given = {"identity": identity, "command": command, "task": Jsonb(task), "by": by, "at": at}
    await connection.execute(ASK, given)


async def list_configurations(
    connection: AsyncConnection, identities: Sequence[str]
) -> dict[str, Configurations]:
    """Read the configurations of these devices; those of which nothing is known are left out."""
    cursor = connection.cursor(row_factory=class_row(ConfigurationRow))
    await cursor.execute(LIST_CONFIGURATIONS, [list(identities)])
    found: dict[str, list[ConfigurationRow]] = {}
    for row in await cursor.fetchall():
        found.setdefault(row.device, []).append(row)
    return {device: _newest(rows) for device, rows in found.items()}


async def list_commands(
    connection: AsyncConnection,
    identity: str,
    *,
    command: str | None = None,
    after: tuple[datetime, str] | None = None,
    limit: int = 100,
) -> list[CommandRow]:
    """Commands of a device, newest first; or the one with this id."""
    after_at, after_command = after or (None, None)
    cursor = connection.cursor(row_factory=class_row(CommandRow))
    given = {"identity": identity, "command": command, "limit": limit}
    await cursor.execute(LIST_COMMANDS, given | {"after_at": after_at, "after": after_command})
    return await cursor.fetchall()


def _newest(rows: Sequence[ConfigurationRow]) -> Configurations:
    desired = next((row for row in rows if row.config is not None), None)
    reported = next((row for row in rows if row.state is not None), None)
    applied = None if reported is None else reported.applied
    return Configurations(
        desired, reported, next((row for row in rows if row.version == applied), None)
    )


def _forget_configurations(connection: Connection, device: int) -> None:
    connection.execute(FORGET_CONFIGURATIONS, {"device": device, "kept": CONFIGURATIONS})
