"""Drop what is older than it needs to be: whole chunks, and keys of messages one by one."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from pydantic import Field

from contracts.clock import Clock, from_micros
from storage.pool import Connection, StorageSettings

DEFAULT_DAYS: Final = {
    "observation": 730,
    "track_piece": 90,
    "event": 730,
    "signal_event": 365,
    "batch": 90,
    "metric_minute": 3650,
    "message_key": 30,
}
KEYS: Final = "message_key"
"""No hypertable; a message that is delivered again when its key is gone counts again."""
DROP: Final = "SELECT drop_chunks(%s::regclass, %s::timestamptz)"
DELETE_KEYS: Final = "DELETE FROM message_key WHERE stored < %s"


class RetentionSettings(StorageSettings):
    """How long what is kept."""

    retention_days: dict[str, int] = Field(
        DEFAULT_DAYS, description='days per table, for instance {"track_piece": 30}'
    )

    @property
    def days(self) -> Mapping[str, int]:
        """Days of every hypertable: the default where none is given."""
        return {**DEFAULT_DAYS, **self.retention_days}


def retain(connection: Connection, days: Mapping[str, int], clock: Clock) -> dict[str, int]:
    """Drop the chunks that are wholly older, and older keys; return how many of each table."""
    now = from_micros(clock())
    return {
        table: _drop(connection, table, now - timedelta(days=kept)) for table, kept in days.items()
    }


def _drop(connection: Connection, table: str, before: datetime) -> int:
    if table == KEYS:
        return connection.execute(DELETE_KEYS, [before]).rowcount
    return len(connection.execute(DROP, [table, before]).fetchall())
