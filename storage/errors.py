"""What can go wrong with the database."""

import psycopg

DatabaseError = psycopg.Error
"""Base of everything that the database or its driver says."""

# Read-only is what hosted databases become before their disk is full, and what a standby is that
# has not taken over yet.
DatabaseLostError = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg.errors.ReadOnlySqlTransaction,
    psycopg.errors.IdleInTransactionSessionTimeout,  # we were asleep, not it
)
"""The database cannot be reached or cannot work at present: the same may succeed later."""

RefusedDataError = (
    psycopg.DataError,
    psycopg.IntegrityError,
    psycopg.errors.ProgramLimitExceeded,
)
"""The database refuses these values: the same will never succeed.

Look for these first: to the driver some are operational errors, too.
"""


class StorageError(Exception):
    """Base of what storage itself says."""


class MigrationChangedError(StorageError):
    """A migration was applied to this database and then its file was changed."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} was applied to this database and has been changed since. Restore the file "
            "and put the change into a new migration; a database without data may be dropped."
        )
        self.name = name


class MigrationUnknownError(StorageError):
    """The database is newer than this program."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} was applied to this database, but this version of Tepna has no such file. "
            "Use the version of Tepna that this database belongs to, or a newer one."
        )
        self.name = name
