"""Drop what is older than it needs to be, whole chunks at a time."""

from collections.abc import Mapping
from datetime import timedelta
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
}
DROP: Final = "SELECT drop_chunks(%s::regclass, %s::timestamptz)"


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
    """Drop the chunks that are wholly older; return how many of each table."""
    now = from_micros(clock())
    return {
        table: len(connection.execute(DROP, [table, now - timedelta(days=kept)]).fetchall())
        for table, kept in days.items()
    }
