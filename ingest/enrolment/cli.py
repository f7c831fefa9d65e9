"""`tepna ingest certificate`: what devices got for their codes."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from contracts.clock import from_micros, utc_now
from ingest.enrolment.settings import EnrolmentSettings
from storage.command import database
from storage.enrolment import read_certificates, read_revoked, revoke_certificates
from storage.pool import StorageSettings

app = typer.Typer(no_args_is_help=True, help="Certificates of devices.")

Device = Annotated[str, typer.Argument(metavar="PILOT/DEVICE", help="Which device.")]


class _Settings(StorageSettings, EnrolmentSettings):
    """The database, and who signs."""


@app.command("list")
def list_command(
    device: Annotated[str | None, typer.Argument(help="Only this one's (pilot/device).")] = None,
) -> None:
    """List certificates: whose, from when, until when."""
    with database(StorageSettings, "tepna-certificates") as (connection, _):
        found = read_certificates(connection, device)
    table = Table("device", "serial", "issued", "runs out", "state")
    for x in found:
        over = x.expires_at <= from_micros(utc_now())
        state = (
            f"revoked {x.revoked_at:%Y-%m-%d}" if x.revoked_at else "over" if over else "in force"
        )
        days = (f"{when:%Y-%m-%d}" for when in (x.issued_at, x.expires_at))
        table.add_row(x.device, x.serial, *days, state)
    Console().print(table)


@app.command("revoke")
def revoke_command(device: Device) -> None:
    """Renew no certificate of the device any more; the broker needs the new list, too."""
    with database(StorageSettings, "tepna-certificates") as (connection, _):
        number = revoke_certificates(connection, device)
    typer.echo(f"{number} revoked; now write the broker's list: tepna ingest certificate revoked")


@app.command("revoked")
def revoked_command(
    into: Annotated[Path, typer.Argument(help="The broker's crlfile.")],
) -> None:
    """Write the list of revoked certificates; the broker reads it when it is restarted."""
    with database(_Settings, "tepna-certificates") as (connection, settings):
        if settings.office is None:
            typer.echo("enrolment_authority is not set; set TEPNA_ENROLMENT_AUTHORITY", err=True)
            raise typer.Exit(1)
        revoked = read_revoked(connection)
        pem = settings.office.authority.revocations(revoked, from_micros(utc_now()))
    fresh = into.with_name(f"{into.name}.new")
    fresh.write_bytes(pem)
    fresh.replace(into)
    typer.echo(f"{into}: {len(revoked)} revoked")
