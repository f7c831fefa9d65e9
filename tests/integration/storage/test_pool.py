"""The pool gives working connections, whatever the database did to the ones before."""

import logging

import pytest
from psycopg import OperationalError

from storage.errors import DatabaseLostError
from storage.pool import PoolTimeoutError, StorageSettings, connect, open_pool


async def test_replaces_what_the_database_has_closed(database_url: str) -> None:
    settings = StorageSettings(database_url=database_url, pool_size=1)
    async with open_pool(settings) as pool:
        with pytest.raises(OperationalError):
            async with pool.connection() as connection:
                await connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        async with pool.connection() as connection:
            cursor = await connection.execute("SHOW timezone")
            assert await cursor.fetchone() == ("UTC",)


async def test_says_nothing_of_the_password(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    url = "postgresql://tepna:hidden@127.0.0.1:1/tepna"
    settings = StorageSettings(database_url=url, connect_timeout_s=1)
    with pytest.raises(DatabaseLostError) as caught:
        connect(settings)
    async with open_pool(settings) as pool:
        with pytest.raises(PoolTimeoutError):
            async with pool.connection(timeout=0.5):
                pass
    assert "hidden" not in caplog.text + str(caught.value) + repr(settings)
