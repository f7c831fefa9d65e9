"""`tepna registry`: devices and metrics, what they are and what they may be."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, NoReturn
from zoneinfo import ZoneInfo

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from contracts.enrolment import LONGEST_IDENTITY
from contracts.ucum import check
from storage.catalogue import explain_metric, read_metric_types, read_registered
from storage.command import database
from storage.enrolment import create_code
from storage.pool import StorageSettings
from storage.registry import register_device, retire_device
from storage.registry_file import (
    RegistryFileError,
    finite,
    is_slug,
    known_stream,
    read_registry_file,
)

app = typer.Typer(no_args_is_help=True, help="Devices and metrics: what they are.")

Identity = Annotated[str, typer.Argument(metavar="PILOT/DEVICE", help="Which device.")]
Bound = Annotated[float | None, typer.Option(help="A value beyond it is flagged.")]


@app.command("devices")
def devices_command(
    site: Annotated[str | None, typer.Option(help="Only those of this site (pilot/site).")] = None,
    retired: Annotated[bool, typer.Option("--retired", help="Retired ones too.")] = False,
) -> None:
    """List devices: what they are, and what they may send."""
    with database(StorageSettings, "tepna-registry") as (connection, _):
        found = read_registered(connection, site=site, retired=retired)
    table = Table("device", "site", "kind", "streams", "registered", "state")
    for x in found:
        streams = "all" if x.streams is None else " ".join(x.streams)
        state = "active" if x.retired_at is None else f"retired {x.retired_at:%Y-%m-%d}"
        table.add_row(x.device, x.site, x.kind, streams, f"{x.registered_at:%Y-%m-%d}", state)
    Console().print(table)


@app.command("device")
def device_command(
    device: Identity,
    site: Annotated[str | None, typer.Option(help="Where it stands; needed if it is new.")] = None,
    kind: Annotated[str | None, typer.Option(help="camera, sensor, gateway, ...")] = None,
    stream: Annotated[
        list[str] | None, typer.Option(help="It may send this; again for several.")
    ] = None,
    all_streams: Annotated[bool, typer.Option("--all-streams", help="It may send any.")] = False,
) -> None:
    """Register a device, or change it; a retired one is put in service again."""
    pilot, name = _split(device)
    streams = [] if all_streams else [_checked("--stream", known_stream, x) for x in stream or []]
    with database(StorageSettings, "tepna-registry") as (connection, _):
        if site is None:
            known = read_registered(connection, device=device, retired=True)
            if not known:
                _refuse(f"{device} is not registered: say where it stands, --site NAME")
            site = known[0].site
        given = streams if stream or all_streams else None
        if kind is not None and not is_slug(kind):
            _refuse(f"--kind: {kind!r} is no name; write small letters, digits and hyphens")
        register_device(connection, pilot=pilot, site=site, name=name, kind=kind, streams=given)
    typer.echo(f"{device} is registered at {pilot}/{site}")


@app.command("enroll")
def enroll_command(
    device: Identity,
    hours: Annotated[float, typer.Option(min=0.1, max=24 * 31, help="How long it holds.")] = 24.0,
) -> None:
    """Make a one-time code with which a box becomes this device; an earlier one holds no more."""
    _split(device)
    if len(device) > LONGEST_IDENTITY:
        _refuse(f"{device} has {len(device)} letters, a certificate can carry {LONGEST_IDENTITY}")
    with database(StorageSettings, "tepna-registry") as (connection, _):
        code = create_code(connection, device, timedelta(hours=hours))
    if code is None:
        _refuse(f"{device} is not registered, or retired; `tepna registry devices` lists all")
    until = code.expires_at.astimezone(ZoneInfo("Europe/Prague"))
    typer.echo(code.code)
    typer.echo(
        f"It holds once, until {until:%Y-%m-%d %H:%M} (Prague). On the box: "
        "tepna edge enroll https://the-door",
        err=True,
    )


@app.command("retire")
def retire_command(device: Identity) -> None:
    """Take a device out of service: its data stay, what it still sends is a dead letter."""
    pilot, name = _split(device)
    with database(StorageSettings, "tepna-registry") as (connection, _):
        if not retire_device(connection, pilot=pilot, name=name):
            _refuse(f"{device} is not registered; `tepna registry devices` lists all")
    typer.echo(f"{device} is retired; ingest knows within half a minute")


@app.command("metrics")
def metrics_command(
    pending: Annotated[bool, typer.Option("--pending", help="Only unexplained ones.")] = False,
) -> None:
    """List metrics: unit and plausible range; pending ones wait for somebody to explain them."""
    with database(StorageSettings, "tepna-registry") as (connection, _):
        found = read_metric_types(connection, pending=True if pending else None)
    table = Table("metric", "unit", "low", "high", "first seen", "state")
    for x in found:
        state = "pending" if x.pending else "known"
        low, high = _number(x.low), _number(x.high)
        seen = f"{x.first_seen:%Y-%m-%d %H:%M}"
        table.add_row(escape(x.metric), escape(x.unit or ""), low, high, seen, state)
    Console().print(table)


@app.command("metric")
def metric_command(
    metric: Annotated[str, typer.Argument(help="Its name.")],
    unit: Annotated[str | None, typer.Option(help="As UCUM writes it: Cel, ug/m3, km/h.")] = None,
    low: Bound = None,
    high: Bound = None,
    no_range: Annotated[bool, typer.Option("--no-range", help="Forget its range first.")] = False,
) -> None:
    """Explain a metric; values that come from now on are flagged outside its range."""
    said: dict[str, Any] = {"low": None, "high": None} if no_range else {}
    if unit is not None:
        said["unit"] = _checked("--unit", check, unit)
    for name, bound in (("low", low), ("high", high)):
        if bound is not None:
            said[name] = _checked(f"--{name}", finite, bound)
    with database(StorageSettings, "tepna-registry") as (connection, _):
        known = explain_metric(connection, metric, said)
    state = "pending: it has no unit" if known.pending else known.unit
    typer.echo(f"{metric}: {state}, from {_number(known.low)} to {_number(known.high)}")


@app.command("import")
def import_command(file: Annotated[Path, typer.Argument(help="A TOML file.")]) -> None:
    """Register the devices and explain the metrics of a file, all of them or none."""
    try:
        found = read_registry_file(file)
    except RegistryFileError as fault:
        _refuse(str(fault))
    with database(StorageSettings, "tepna-registry") as (connection, _), connection.transaction():
        for device, entry in found.devices.items():
            pilot, name = _split(device)
            register_device(
                connection,
                pilot=pilot,
                site=entry.site,
                name=name,
                kind=entry.kind,
                streams=entry.streams,
            )
        for metric, meaning in found.metrics.items():
            explain_metric(connection, metric, meaning.model_dump())
    typer.echo(f"{len(found.devices)} devices, {len(found.metrics)} metrics")


def _number(bound: float | None) -> str:
    return "any" if bound is None else f"{bound:g}"


def _split(device: str) -> tuple[str, str]:
    pilot, _, name = device.partition("/")
    if not is_slug(pilot) or not is_slug(name):
        _refuse(f"{device!r} is no device; write PILOT/DEVICE, as in usti-belehradska/cam-1")
    return pilot, name


def _checked(option: str, judge: Any, value: Any) -> Any:
    try:
        return judge(value)
    except ValueError as fault:
        _refuse(f"{option}: {fault}")


def _refuse(why: str) -> NoReturn:
    typer.echo(why, err=True)
    raise typer.Exit(2)
