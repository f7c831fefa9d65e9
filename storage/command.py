"""The database as a command of the shell uses it: what goes wrong is said in a line."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import typer

from contracts.errors import SettingsError
from storage.errors import DatabaseError, StorageError
from storage.pool import Connection, StorageSettings, connect

S = TypeVar("S", bound=StorageSettings)


@contextmanager
def database(settings: type[S], name: str) -> Iterator[tuple[Connection, S]]:
    """Connect with settings of this kind, under a name that the database shows."""
    try:
        loaded = settings.load()
        with connect(loaded, name=name) as connection:
            yield connection, loaded
    except (SettingsError, StorageError, DatabaseError) as fault:
        typer.echo(str(fault).strip(), err=True)
        raise typer.Exit(1) from fault
