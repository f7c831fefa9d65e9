"""`tepna ingest`: from the broker to the database."""

import logging
import signal
import threading
from typing import Annotated

import typer
from prometheus_client import start_http_server

from contracts.clock import utc_now
from contracts.settings import SettingsError
from ingest import clock_cli
from ingest.door.cli import door, keys
from ingest.run import Ingest
from ingest.settings import IngestSettings
from storage.errors import DatabaseError

app = typer.Typer(no_args_is_help=True, help="From the broker to the database.")
app.add_typer(clock_cli.app, name="clock")
app.command("door")(door)
app.add_typer(keys, name="key")


@app.callback()
def _ingest() -> None:
    """From the broker to the database."""


@app.command()
def run(
    metrics_port: Annotated[
        int | None, typer.Option(help="Answer Prometheus on this port of 127.0.0.1.")
    ] = None,
    metrics_host: Annotated[str, typer.Option(help="Address to answer on.")] = "127.0.0.1",
) -> None:
    """Commit what devices send until SIGTERM or SIGINT.

    TEPNA_DATABASE_URL and TEPNA_MQTT_URL say where; addresses carry passwords, so no flag takes
    them.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        settings = IngestSettings.load()
    except SettingsError as fault:
        typer.echo(str(fault), err=True)
        raise typer.Exit(2) from fault
    ingest = Ingest(settings, utc_now)

    def stop(*_: object) -> None:
        # Not in the handler itself: it may have interrupted who holds the locks that this needs.
        threading.Thread(target=ingest.stop).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    if metrics_port is not None:
        start_http_server(metrics_port, metrics_host, registry=ingest.meters.registry)
    try:
        ingest.run()
    except DatabaseError as fault:
        typer.echo(f"{fault}\nIs the schema up to date? Run: tepna db migrate", err=True)
        raise typer.Exit(1) from fault
