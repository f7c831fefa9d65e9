"""`tepna ingest clock`: decide what was captured when nobody can have captured it."""

import getpass
import os
from collections.abc import Callable
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from contracts.clock import MICROSECONDS, from_micros, utc_now
from ingest.errors import IngestError
from ingest.release import Decision, drop, release, to_reception, unmoved
from ingest.settings import ReplaySettings
from ingest.unconfirmed import Entry, count_held, list_held
from storage.command import database
from storage.pool import Connection

app = typer.Typer(no_args_is_help=True, help="Rows whose time of capture is not believable.")

Device = Annotated[str | None, typer.Option(help="All of this device (pilot/device).")]
Most = Annotated[int, typer.Option(min=1, help="At most so many, the oldest first.")]
Numbers = Annotated[list[int] | None, typer.Argument(help="Numbers as `list` shows them.")]
Why = Annotated[str | None, typer.Option(help="It is kept in the audit, with your name.")]


@app.command("list")
def list_command(device: Device = None, most: Most = 50) -> None:
    """List what is held; `off` is the device's clock when it sent them, minus ours."""
    with database(ReplaySettings, "tepna-clock") as (connection, _):
        entries = list_held(connection, device, most)
        parts, rows = count_held(connection, device)
    table = Table("number", "device", "stream", "rows", "captured", "received", "off", "detail")
    for x in entries:
        captured = _date(x.first) if x.first == x.last else f"{_date(x.first)} .. {_date(x.last)}"
        off = f"{(x.sent - x.received).total_seconds():+.1f} s"
        received = f"{x.received:%Y-%m-%d %H:%M:%S}"
        number, count = str(x.number), str(x.rows)
        table.add_row(number, x.device, x.stream, count, captured, received, off, x.detail)
    Console().print(table)
    typer.echo(f"{rows} rows of {parts} batches are held")


@app.command("confirm")
def confirm_command(
    numbers: Numbers = None, device: Device = None, most: Most = 100_000, why: Why = None
) -> None:
    """Store rows with the times they have: the device was right."""
    decision = Decision("confirm", _actor(), why)

    def one(connection: Connection, number: int, settings: ReplaySettings) -> str:
        entry, tally = release(
            connection, number, settings, utc_now, decision=decision, shift=unmoved
        )
        return f"{tally.rows} of {entry.rows} rows stored"

    _each(one, numbers, device, most)


@app.command("shift")
def shift_command(
    numbers: Numbers = None,
    device: Device = None,
    most: Most = 100_000,
    by: Annotated[
        float | None,
        typer.Option(help="Seconds to add; without it, what the clock was off when it sent them."),
    ] = None,
    why: Why = None,
) -> None:
    """Store rows with their times moved: the device's clock was wrong by this."""
    decision = Decision("shift", _actor(), why)

    def move(entry: Entry) -> int:
        return to_reception(entry) if by is None else round(by * MICROSECONDS)

    def one(connection: Connection, number: int, settings: ReplaySettings) -> str:
        entry, tally = release(connection, number, settings, utc_now, decision=decision, shift=move)
        seconds = move(entry) / MICROSECONDS
        return f"{tally.rows} of {entry.rows} rows stored, moved by {seconds:+.6f} s"

    _each(one, numbers, device, most)


@app.command("drop")
def drop_command(
    numbers: Numbers = None, device: Device = None, most: Most = 100_000, why: Why = None
) -> None:
    """Remove rows for good."""
    decision = Decision("drop", _actor(), why)

    def one(connection: Connection, number: int, _: ReplaySettings) -> str:
        return f"{drop(connection, number, decision).rows} rows dropped"

    _each(one, numbers, device, most)


def _each(
    act: Callable[[Connection, int, ReplaySettings], str],
    numbers: list[int] | None,
    device: str | None,
    most: int,
) -> None:
    """Act on each entry by itself; those that cannot be stored stay, and are said."""
    if not numbers and device is None:
        typer.echo("say which: numbers or --device", err=True)
        raise typer.Exit(2)
    failed = False
    with database(ReplaySettings, "tepna-clock") as (connection, settings):
        if not numbers:
            numbers = [entry.number for entry in list_held(connection, device, most)]
        for number in numbers:
            try:
                typer.echo(f"{number}: {act(connection, number, settings)}")
            except IngestError as fault:
                failed = True
                typer.echo(f"{number}: {type(fault).__doc__} {fault}", err=True)
    if failed:
        raise typer.Exit(1)


def _actor() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return f"user {os.getuid()}"


def _date(micros: int) -> str:
    try:
        return f"{from_micros(micros):%Y-%m-%d %H:%M:%S}"
    except OverflowError:
        return f"{micros} us"
