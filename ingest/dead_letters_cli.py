"""`tepna dead-letters`: look at what could not be used, replay it or drop it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from contracts.batch import BatchError, decode
from contracts.clock import utc_now
from contracts.settings import SettingsError
from ingest.dead_letters import list_letters, list_overflow, show, take
from ingest.errors import IngestError
from ingest.replay import replay
from ingest.settings import ReplaySettings
from storage.errors import DatabaseError
from storage.pool import Connection, connect

app = typer.Typer(no_args_is_help=True, help="What could not be used, and why.")

Reason = Annotated[str | None, typer.Option(help="Only those with this reason.")]
Device = Annotated[str | None, typer.Option(help="Only those of this device (pilot/device).")]
Most = Annotated[int, typer.Option(help="At most so many, the newest first.")]
Numbers = Annotated[list[int] | None, typer.Argument(help="Numbers of the letters.")]


@app.command("list")
def list_command(reason: Reason = None, device: Device = None, most: Most = 50) -> None:
    """List dead letters, and what was over a device's quota."""
    with _database() as (connection, _):
        letters = list_letters(connection, reason=reason, identity=device, most=most)
        overflow = list_overflow(connection)
    table = Table("number", "last", "seen", "device", "reason", "bytes", "detail")
    for x in letters:
        last = f"{x.last_at:%Y-%m-%d %H:%M:%S}"
        seen, size = str(x.seen), str(x.bytes)
        table.add_row(str(x.number), last, seen, x.identity, x.reason, size, x.detail)
    Console().print(table)
    for o in overflow:
        typer.echo(f"over quota, not kept: {o.dropped} of {o.identity} ({o.reason})")


@app.command("show")
def show_command(number: int) -> None:
    """Show what one letter holds."""
    with _database() as (connection, _):
        letter = show(connection, number)
    if letter is None:
        typer.echo(f"there is no dead letter {number}", err=True)
        raise typer.Exit(1)
    typer.echo(f"topic      {letter.topic}\nreason     {letter.reason}")
    typer.echo(f"properties {letter.properties}\nbytes      {len(letter.payload)}")
    try:
        batch = decode(letter.payload)
    except BatchError as fault:
        typer.echo(f"no batch   {fault}\nbegins     {letter.payload[:64].hex(' ')}")
        return
    typer.echo(f"batch      {batch.schema} {batch.device} boot {batch.boot} seq {batch.seq}")
    for name, column in batch.columns.items():
        typer.echo(
            f"  {name:<10} {column[:8].tolist()}{' ...' if batch.rows > len(column[:8]) else ''}"
        )


@app.command("replay")
def replay_command(
    numbers: Numbers = None, reason: Reason = None, device: Device = None, most: Most = 1000
) -> None:
    """Store letters that can be used by now, and remove them."""
    failed = False
    with _database() as (connection, settings):
        for number in _chosen(connection, numbers, reason, device, most):
            try:
                tally = replay(connection, number, settings, utc_now)
            except IngestError as fault:
                failed = True
                typer.echo(f"{number}: stays: {fault or fault.__doc__}", err=True)
            else:
                typer.echo(f"{number}: {tally.rows} rows stored")
    if failed:
        raise typer.Exit(1)


@app.command("drop")
def drop_command(
    numbers: Numbers = None, reason: Reason = None, device: Device = None, most: Most = 1000
) -> None:
    """Remove letters for good."""
    with _database() as (connection, _):
        for number in _chosen(connection, numbers, reason, device, most):
            typer.echo(f"{number}: {'dropped' if take(connection, number) else 'not there'}")


def _chosen(
    connection: Connection,
    numbers: list[int] | None,
    reason: str | None,
    device: str | None,
    most: int,
) -> list[int]:
    if numbers:
        return numbers
    if reason is None and device is None:
        typer.echo("say which: numbers, --reason or --device", err=True)
        raise typer.Exit(2)
    found = list_letters(connection, reason=reason, identity=device, most=most)
    return sorted(letter.number for letter in found)  # as they came


@contextmanager
def _database() -> Iterator[tuple[Connection, ReplaySettings]]:
    try:
        settings = ReplaySettings.load()
        with connect(settings, name="tepna-dead-letters") as connection:
            yield connection, settings
    except (SettingsError, DatabaseError) as fault:
        typer.echo(str(fault), err=True)
        raise typer.Exit(1) from fault
