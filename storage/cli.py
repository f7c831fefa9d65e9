"""`tepna db`: schema, sites and retention."""

from pathlib import Path
from typing import Annotated

import typer

from contracts.clock import utc_now
from contracts.errors import SettingsError
from contracts.site import SiteError, read_site
from storage.errors import DatabaseError, StorageError
from storage.migrate import migrate
from storage.pool import StorageSettings, connect
from storage.registry import register_site
from storage.retention import KEYS, RetentionSettings, retain

app = typer.Typer(no_args_is_help=True, help="The database: schema, sites and retention.")


@app.command("migrate")
def migrate_command() -> None:
    """Bring the schema up to date."""
    try:
        settings = StorageSettings.load()
        applied = migrate(settings.database_url.get_secret_value())
    except (SettingsError, StorageError, DatabaseError) as fault:
        typer.echo(str(fault), err=True)
        raise typer.Exit(1) from fault
    typer.echo("\n".join(f"applied {name}" for name in applied) or "nothing to apply")


@app.command("register")
def register_command(plan: Annotated[Path, typer.Argument(help="A site.toml.")]) -> None:
    """Write a site and the devices of its plan, or bring them up to date."""
    try:
        site = read_site(plan)
        settings = StorageSettings.load()
        with connect(settings, name="tepna-register") as connection:
            register_site(connection, site)
    except (SiteError, SettingsError, StorageError, DatabaseError) as fault:
        typer.echo(str(fault), err=True)
        raise typer.Exit(1) from fault
    typer.echo(f"{site.pilot}/{site.id}: {', '.join(site.devices)}")


@app.command("retain")
def retain_command() -> None:
    """Drop what is older than TEPNA_RETENTION_DAYS says."""
    try:
        settings = RetentionSettings.load()
        with connect(settings, name="tepna-retain") as connection:
            dropped = retain(connection, settings.days, utc_now)
    except (SettingsError, StorageError, DatabaseError) as fault:
        typer.echo(str(fault), err=True)
        raise typer.Exit(1) from fault
    for table, count in dropped.items():
        what = "keys" if table == KEYS else "chunks"
        typer.echo(f"{table}: {count} {what} older than {settings.days[table]} days dropped")
