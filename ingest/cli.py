"""`tepna ingest`: from the broker to the database."""

from typing import Annotated

import typer

from contracts.errors import SettingsError
from ingest import clock_cli, foreign_cli
from ingest.door.cli import door, keys
from ingest.enrolment import cli as enrolment_cli
from ingest.serve import Task, log_to_stderr, stop_on_signals
from ingest.settings import MAX_WORKERS, IngestSettings
from ingest.workers import Workers
from storage.errors import DatabaseError

app = typer.Typer(no_args_is_help=True, help="From the broker to the database.")
app.add_typer(clock_cli.app, name="clock")
app.command("door")(door)
app.add_typer(keys, name="key")
app.add_typer(enrolment_cli.app, name="certificate")
app.add_typer(foreign_cli.app, name="foreign")


@app.callback()
def _ingest() -> None:
    """From the broker to the database."""


@app.command()
def run(
    workers: Annotated[
        int, typer.Option(min=1, max=MAX_WORKERS, help="Processes that share the messages.")
    ] = 1,
    metrics_port: Annotated[
        int | None, typer.Option(help="Answer /metrics and /health here; further workers above.")
    ] = None,
    metrics_host: Annotated[str, typer.Option(help="Address to answer on.")] = "127.0.0.1",
) -> None:
    """Commit what devices send until SIGTERM or SIGINT.

    TEPNA_DATABASE_URL and TEPNA_MQTT_URL say where; addresses carry passwords, so no flag takes
    them.
    """
    log_to_stderr()
    try:
        settings = IngestSettings.load()
    except SettingsError as fault:
        typer.echo(str(fault), err=True)
        raise typer.Exit(2) from fault
    task = Task(settings, workers, metrics_host, metrics_port)
    if workers > 1:
        several = Workers(workers, task.serve)
        stop_on_signals(several.stop)
        several.run()
        return
    try:
        task.serve(0)
    except DatabaseError as fault:
        typer.echo(f"{fault}\nIs the schema up to date? Run: tepna db migrate", err=True)
        raise typer.Exit(1) from fault
