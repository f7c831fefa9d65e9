"""Connections to the database, by the settings."""

from typing import Any, Final

import psycopg
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, PoolTimeout
from pydantic import Field, SecretStr

from contracts.settings import RoomSettings

Connection = psycopg.Connection[TupleRow]
Cursor = psycopg.Cursor[TupleRow]
AsyncConnection = psycopg.AsyncConnection[TupleRow]
Pool = AsyncConnectionPool[AsyncConnection]
PoolTimeoutError = PoolTimeout

SESSION: Final = "-c timezone=UTC"


class StorageSettings(RoomSettings):
    """Where the database is."""

    database_url: SecretStr = Field(description="postgresql://user:password@host:port/database")
    pool_size: int = Field(8, ge=1, le=100, description="connections that one process may hold")
    connect_timeout_s: int = Field(5, ge=1)


def open_pool(settings: StorageSettings, *, name: str = "tepna") -> Pool:
    """Make a pool that opens with ``async with`` and replaces what the database has closed."""
    return AsyncConnectionPool(
        settings.database_url.get_secret_value(),
        connection_class=psycopg.AsyncConnection,
        kwargs=_arguments(settings, name),
        min_size=1,
        max_size=settings.pool_size,
        open=False,
        check=AsyncConnectionPool.check_connection,
        name=name,
    )


def connect(settings: StorageSettings, *, name: str = "tepna") -> Connection:
    """Open one connection; its transactions are begun and ended by the caller."""
    url = settings.database_url.get_secret_value()
    return psycopg.connect(url, autocommit=True, **_arguments(settings, name))


def _arguments(settings: StorageSettings, name: str) -> dict[str, Any]:
    return {
        "application_name": name,
        "connect_timeout": settings.connect_timeout_s,
        "options": SESSION,
        # A database that vanished without a word is noticed within half a minute.
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 25_000,
    }
