"""`tepna ingest door`, and the keys that open it."""

import logging
from typing import Annotated

import typer
from prometheus_client import start_http_server

from contracts.clock import utc_now
from contracts.errors import SettingsError
from ingest.door.settings import DoorSettings
from storage.command import database
from storage.keys import create_device_key, revoke_device_keys
from storage.pool import StorageSettings

keys = typer.Typer(no_args_is_help=True, help="Keys with which devices post over HTTP.")

Device = Annotated[str, typer.Argument(help="pilot/device, as it is registered.")]


def door(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="0: a free one.")] = None,
    metrics_port: Annotated[
        int | None, typer.Option(help="Answer Prometheus on this port of 127.0.0.1.")
    ] = None,
    metrics_host: Annotated[str, typer.Option(help="Address to answer on.")] = "127.0.0.1",
) -> None:
    """Take batches and SenML by HTTP from devices without MQTT, until SIGTERM or SIGINT.

    A process of its own: it listens to strangers and must not take the broker's path with it.
    """
    import uvicorn  # noqa: PLC0415  # heavy

    from ingest.door.app import create_door  # noqa: PLC0415  # heavy

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        settings = DoorSettings.load(door_host=host, door_port=port)
    except SettingsError as fault:
        typer.echo(str(fault), err=True)
        raise typer.Exit(2) from fault
    app = create_door(settings, utc_now)
    if metrics_port is not None:
        start_http_server(metrics_port, metrics_host, registry=app.state.meters.registry)
    uvicorn.run(
        app,
        host=settings.door_host,
        port=settings.door_port,
        access_log=False,
        server_header=False,
        limit_concurrency=settings.door_connections,
        timeout_graceful_shutdown=10,
        log_level="warning",
    )


@keys.command("create")
def create_command(device: Device) -> None:
    """Make a key and print it: this is the only time it can be read."""
    with database(StorageSettings, "tepna-device-keys") as (connection, _):
        key = create_device_key(connection, device)
    if key is None:
        typer.echo(f"{device} is not registered", err=True)
        raise typer.Exit(1)
    typer.echo(key)


@keys.command("revoke")
def revoke_command(device: Device) -> None:
    """Let no key of the device open anything any more, within some seconds."""
    with database(StorageSettings, "tepna-device-keys") as (connection, _):
        typer.echo(f"{revoke_device_keys(connection, device)} revoked")
