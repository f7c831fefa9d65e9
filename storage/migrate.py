"""Bring a database to the present schema: numbered SQL files, forward only."""

import hashlib
from importlib.resources import files
from typing import Final, NamedTuple

import psycopg

from storage.compression import compress_where_allowed
from storage.errors import MigrationChangedError, MigrationUnknownError

LOCK: Final = 0x7465706E61  # "tepna": who migrates is alone

CREATE_TABLE: Final = """
CREATE TABLE IF NOT EXISTS migration (
    name       text PRIMARY KEY,
    digest     bytea NOT NULL,              -- SHA-256 of the file
    applied_at timestamptz NOT NULL DEFAULT now()
)"""
APPLIED: Final = "SELECT name, digest FROM migration ORDER BY name"
RECORD: Final = "INSERT INTO migration (name, digest) VALUES (%s, %s)"


class Migration(NamedTuple):
    """One step of the schema."""

    name: str
    sql: str

    @property
    def digest(self) -> bytes:
        """What tells one content from another."""
        return hashlib.sha256(self.sql.encode()).digest()


def migrations() -> list[Migration]:
    """Every step that this version knows, in order."""
    folder = files("storage") / "migrations"
    found = [path for path in folder.iterdir() if path.name.endswith(".sql")]
    return [
        Migration(path.name.removesuffix(".sql"), path.read_text(encoding="utf-8"))
        for path in sorted(found, key=lambda path: path.name)
    ]


def migrate(database_url: str) -> list[str]:
    """Apply what is missing, each file in its own transaction; return the names of those.

    Of several that migrate at once, one does and the others wait and find it done.

    Raises
    ------
    MigrationChangedError
        If a file was changed after it was applied here.
    MigrationUnknownError
        If the database is newer than this program.
    """
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        connection.execute(CREATE_TABLE)
        missing = _missing(dict(connection.execute(APPLIED).fetchall()), migrations())
        for step in missing:
            with connection.transaction():
                connection.execute(step.sql)
                connection.execute(RECORD, [step.name, step.digest])
        compress_where_allowed(connection)
        return [step.name for step in missing]


def _missing(applied: dict[str, bytes], known: list[Migration]) -> list[Migration]:
    digests = {step.name: step.digest for step in known}
    for name, digest in applied.items():
        if name not in digests:
            raise MigrationUnknownError(name)
        if digests[name] != digest:
            raise MigrationChangedError(name)
    return [step for step in known if step.name not in applied]
