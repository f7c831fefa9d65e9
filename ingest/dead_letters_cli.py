"""`tepna dead-letters`: look at what could not be used, replay it or drop it."""

import re
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from contracts.batch import BatchError, decode
from contracts.clock import from_micros, utc_now
from ingest.dead_letters import drop, find_numbers, list_letters, list_overflow, show
from ingest.errors import IngestError
from ingest.replay import replay
from ingest.settings import ReplaySettings
from storage.command import database
from storage.dead_letters import Filter
from storage.pool import Connection

app = typer.Typer(no_args_is_help=True, help="What could not be used, and why.")

UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def _age(text: str) -> timedelta:
    """Read an age.

    >>> _age("36h")
    datetime.timedelta(days=1, seconds=43200)
    """
    found = re.fullmatch(r"(\d{1,6})([smhdw])", text)
    if found is None:
        msg = f"{text!r} is no age; write for instance 30m, 12h, 7d"
        raise typer.BadParameter(msg)
    return timedelta(**{UNITS[found[2]]: int(found[1])})


Reason = Annotated[str | None, typer.Option(help="Only those with this reason.")]
Device = Annotated[str | None, typer.Option(help="Only those of this device (pilot/device).")]
Older = Annotated[
    timedelta | None,
    typer.Option(parser=_age, metavar="AGE", help="Last delivered longer ago: 30m, 12h, 7d."),
]
Newer = Annotated[
    timedelta | None,
    typer.Option(parser=_age, metavar="AGE", help="Last delivered since: 30m, 12h, 7d."),
]
Most = Annotated[int, typer.Option(min=1, help="At most so many.")]
Json = Annotated[bool, typer.Option("--json", help="For programs.")]
Number = Annotated[int, typer.Argument(help="Number of the letter.")]
Numbers = Annotated[list[int] | None, typer.Argument(help="Numbers of the letters.")]


@app.command("list")
def list_command(
    reason: Reason = None,
    device: Device = None,
    older_than: Older = None,
    newer_than: Newer = None,
    most: Most = 50,
    as_json: Json = False,
) -> None:
    """List dead letters, the newest first, and what was over a device's quota."""
    chosen = _filter(device, reason, older_than, newer_than)
    with database(ReplaySettings, "tepna-dead-letters") as (connection, _):
        letters = list_letters(connection, chosen, most)
        overflow = list_overflow(connection, chosen)
    if as_json:
        _print_json(
            {
                "dead_letters": [letter._asdict() for letter in letters],
                "overflow": [each._asdict() for each in overflow],
            }
        )
        return
    table = Table("number", "last", "seen", "device", "reason", "bytes", "detail")
    for x in letters:
        last = f"{x.last_at:%Y-%m-%d %H:%M:%S}"
        seen, size = str(x.seen), str(x.bytes)
        table.add_row(str(x.number), last, seen, x.identity, x.reason, size, x.detail)
    Console().print(table)
    for o in overflow:
        typer.echo(f"over quota, not kept: {o.dropped} of {o.identity} ({o.reason})")


@app.command("show")
def show_command(
    number: Number,
    output: Annotated[
        Path | None, typer.Option(help="Write its bytes, as they came, to this file.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show what one letter holds."""
    with database(ReplaySettings, "tepna-dead-letters") as (connection, _):
        found = show(connection, number)
    if found is None:
        typer.echo(f"there is no dead letter {number}", err=True)
        raise typer.Exit(1)
    letter, payload = found
    if output is not None:
        output.write_bytes(payload)
    if as_json:
        _print_json({**letter._asdict(), "payload": payload})
        return
    for name, value in letter._asdict().items():
        typer.echo(f"{name:<10} {value}")
    _show_batch(payload)
    if output is not None:
        typer.echo(f"written    {output}")


@app.command("replay")
def replay_command(
    numbers: Numbers = None,
    reason: Reason = None,
    device: Device = None,
    older_than: Older = None,
    newer_than: Newer = None,
    most: Most = 1000,
) -> None:
    """Store letters that can be used by now, and remove them."""
    rows = replayed = 0
    stayed: Counter[str] = Counter()
    with database(ReplaySettings, "tepna-dead-letters") as (connection, settings):
        chosen = _filter(device, reason, older_than, newer_than)
        for number in _chosen(connection, numbers, chosen, most):
            try:
                tally = replay(connection, number, settings, utc_now)
            except IngestError as fault:
                why = str(fault) or fault.__doc__ or ""
                stayed[why] += 1
                typer.echo(f"{number}: stays: {why}", err=True)
            else:
                replayed, rows = replayed + 1, rows + tally.rows
                typer.echo(f"{number}: {tally.rows} rows stored")
    typer.echo(f"{replayed} replayed with {rows} rows, {stayed.total()} stay")
    if stayed:
        raise typer.Exit(1)


@app.command("drop")
def drop_command(
    numbers: Numbers = None,
    reason: Reason = None,
    device: Device = None,
    older_than: Older = None,
    newer_than: Newer = None,
    most: Most = 1000,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Remove letters for good."""
    with database(ReplaySettings, "tepna-dead-letters") as (connection, _):
        chosen = _filter(device, reason, older_than, newer_than)
        found = _chosen(connection, numbers, chosen, most)
        if found and not yes:
            typer.confirm(f"Remove {len(found)} dead letters for good?", abort=True)
        dropped = drop(connection, found)
    for number in found:
        if number not in dropped:
            typer.echo(f"{number}: not there", err=True)
    typer.echo(f"{len(dropped)} dropped")


def _filter(
    device: str | None, reason: str | None, older: timedelta | None, newer: timedelta | None
) -> Filter:
    now = from_micros(utc_now())
    return Filter(
        device=device,
        reason=reason,
        since=None if newer is None else now - newer,
        before=None if older is None else now - older,
    )


def _chosen(
    connection: Connection, numbers: list[int] | None, chosen: Filter, most: int
) -> list[int]:
    if numbers:
        return numbers
    if chosen == Filter():
        typer.echo("say which: numbers, --reason, --device, --older-than or --newer-than", err=True)
        raise typer.Exit(2)
    return find_numbers(connection, chosen, most)


def _show_batch(payload: bytes) -> None:
    try:
        batch = decode(payload)
    except BatchError as fault:
        typer.echo(f"no batch   {fault}\nbegins     {payload[:64].hex(' ')}")
        return
    typer.echo(f"batch      {batch.schema} {batch.device} boot {batch.boot} seq {batch.seq}")
    for name, column in batch.columns.items():
        more = " ..." if batch.rows > len(column[:8]) else ""
        typer.echo(f"  {name:<10} {column[:8].tolist()}{more}")


def _print_json(value: Any) -> None:
    """Print a value; times as ISO 8601, bytes as base64."""
    typer.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())
