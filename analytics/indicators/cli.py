"""`tepna indicators`: compute, list, show, recompute and check values."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any, TypeVar
from uuid import UUID

import typer

from analytics.indicators import compute as computing
from analytics.indicators import recompute as recomputing
from analytics.indicators.definitions import load
from contracts.clock import utc_now
from contracts.errors import SettingsError
from storage.errors import DatabaseLostError
from storage.indicators import (
    IndicatorValue,
    find_site,
    list_values,
    read_evidence,
    read_value,
)
from storage.pool import AsyncConnection, StorageSettings, open_pool

app = typer.Typer(no_args_is_help=True, help="Indicator values, with their evidence.")
T = TypeVar("T")

SiteOption = Annotated[str, typer.Option("--site", help="pilot/site")]
MeasuredOption = Annotated[bool, typer.Option("--simulated/--measured", help="Never both.")]
IdOption = Annotated[str, typer.Option("--id", help="Id of the value.")]


@app.command()
def definitions() -> None:
    """Print the definitions."""
    for d in load().values():
        typer.echo(f"{d.id}  v{d.version}  [{d.unit}]  {d.name.en} / {d.name.cs}")


@app.command()
def compute(
    site: SiteOption,
    start: Annotated[str, typer.Option("--from", help="2026-05-04T07:00:00Z")],
    end: Annotated[str, typer.Option("--to", help="2026-05-04T08:00:00Z, itself left out")],
    simulated: MeasuredOption = False,
) -> None:
    """Compute the value of each definition for a period."""
    period = _moment(start), _moment(end)

    async def run(connection: AsyncConnection) -> list[IndicatorValue]:
        number = await _site(connection, site)
        return await computing.compute(
            connection,
            site=number,
            simulated=simulated,
            start=period[0],
            end=period[1],
            clock=utc_now,
        )

    for value in _run(run):
        typer.echo(_line(value))


@app.command("list")
def list_command(
    site: SiteOption,
    simulated: MeasuredOption = False,
    definition: Annotated[str | None, typer.Option(help="Id of a definition.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 20,
) -> None:
    """Print values, the last recorded first."""

    async def run(connection: AsyncConnection) -> list[IndicatorValue]:
        number = await _site(connection, site)
        return await list_values(
            connection, site=number, simulated=simulated, definition=definition, limit=limit
        )

    for value in _run(run):
        typer.echo(_line(value))


@app.command()
def show(value_id: IdOption) -> None:
    """Print one value with its evidence, as JSON."""
    value, evidence = _run(lambda connection: _read(connection, UUID(value_id)))
    document: dict[str, Any] = value._asdict() | {"digest": value.digest.hex()}
    typer.echo(json.dumps(document | {"evidence": evidence}, default=str, indent=2))


@app.command()
def check(value_id: IdOption) -> None:
    """Say whether the evidence of a value is what its digest says."""
    value, evidence = _run(lambda connection: _read(connection, UUID(value_id)))
    _report(recomputing.check(value, evidence), "the evidence is what its digest says")


@app.command()
def recompute(value_id: IdOption) -> None:
    """Compute a value again from its telemetry: bit-identical, or what changed."""
    again = _run(lambda connection: recomputing.recompute(connection, UUID(value_id)))
    typer.echo(f"{_line(again.stored)}\nagain: {again.value!r}")
    _report(again.changes, "bit-identical")


def _report(changes: list[str], well: str) -> None:
    if not changes:
        typer.echo(well)
        return
    for change in changes:
        typer.echo(f"changed: {change}", err=True)
    raise typer.Exit(1)


def _line(value: IndicatorValue) -> str:
    number = (
        "-" if value.value is None else f"{value.value:.4g} [{value.low:.4g}, {value.high:.4g}]"
    )
    return (
        f"{value.value_id}  {value.definition} v{value.version}  "
        f"{value.start.isoformat()}/{value.end.isoformat()}  {value.state}  {number}  "
        f"n={value.n:g}  coverage={value.coverage:.0%}"
    )


async def _read(
    connection: AsyncConnection, value_id: UUID
) -> tuple[IndicatorValue, dict[str, Any]]:
    value = await read_value(connection, value_id)
    evidence = await read_evidence(connection, value_id)
    if value is None or evidence is None:
        msg = f"{value_id}: {recomputing.UnknownValueError.__doc__}"
        raise recomputing.UnknownValueError(msg)
    return value, evidence


async def _site(connection: AsyncConnection, text: str) -> int:
    pilot, _, name = text.partition("/")
    number = await find_site(connection, pilot, name)
    if number is None:
        msg = f"no site {text!r} is registered; a site is named pilot/site"
        raise LookupError(msg)
    return number


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as fault:
        raise typer.BadParameter(f"{text!r} is no ISO 8601 moment") from fault
    if moment.tzinfo is None:
        raise typer.BadParameter(f"{text!r} has no time zone: end it with Z or +02:00")
    return moment


def _run(work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
    try:
        settings = StorageSettings.load()
        return asyncio.run(_with_connection(settings, work))
    except (SettingsError, LookupError, computing.PeriodError) as fault:
        typer.echo(str(fault), err=True)
        raise typer.Exit(2) from fault
    except DatabaseLostError as fault:
        typer.echo(f"the database does not answer: {fault}", err=True)
        raise typer.Exit(3) from fault


async def _with_connection(
    settings: StorageSettings, work: Callable[[AsyncConnection], Awaitable[T]]
) -> T:
    async with (
        open_pool(settings, name="tepna-indicators") as pool,
        pool.connection() as connection,
    ):
        return await work(connection)
