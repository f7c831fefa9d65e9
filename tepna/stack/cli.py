"""`tepna up`, `down`, `status` and `doctor`: the local stack by hand."""

import shlex
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from tepna.stack.doctor import Verdict, examine
from tepna.stack.errors import StackError
from tepna.stack.local import Stack
from tepna.stack.places import home_folder
from tepna.stack.progress import shown_progress
from tepna.stack.secret_files import BROKER_HOST, write_secrets

MARKS = {Verdict.GOOD: "[green]ok[/]", Verdict.NOTE: "[yellow]note[/]", Verdict.BAD: "[red]bad[/]"}

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="The local stack: TimescaleDB and Mosquitto."
)


@app.command()
def up(
    foreign: Annotated[
        Path | None,
        typer.Option(help="File of the foreign sources: makes accounts, prints passwords."),
    ] = None,
) -> None:
    """Start TimescaleDB and Mosquitto; they stay until `tepna down`."""
    try:
        with shown_progress() as step:
            stack = Stack(home_folder(), step)
            stack.start()
        accounts = stack.add_sources(_topics(foreign)) if foreign is not None else {}
        _show(stack)
        for name, url in accounts.items():
            typer.echo(f"{name} publishes to {url}")
    except (StackError, OSError, ValueError) as error:
        _fail(error)


@app.command()
def down() -> None:
    """End the local stack; the data stay."""
    try:
        ended = Stack(home_folder()).stop()
    except (StackError, OSError) as error:
        _fail(error)
    typer.echo(
        "The local stack has ended; its data stay." if ended else "No local stack runs here."
    )


@app.command()
def status(
    env: Annotated[
        bool, typer.Option("--env", help='Print export lines, passwords included: eval "$(...)".')
    ] = False,
) -> None:
    """Say where the servers are."""
    stack = Stack(home_folder())
    try:
        if env:
            endpoints = stack.endpoints
            typer.echo(f"export TEPNA_DATABASE_URL={shlex.quote(endpoints.database_url)}")
            typer.echo(f"export TEPNA_MQTT_URL={shlex.quote(endpoints.mqtt_url)}")
        else:
            _show(stack)
    except (StackError, OSError) as error:
        _fail(error)


@app.command()
def doctor() -> None:
    """Examine all that the local stack needs; say what is wrong and how to mend it."""
    console, worst = Console(), Verdict.GOOD
    for finding in examine(home_folder()):
        worst = max(worst, finding.verdict)
        console.print(
            f"{MARKS[finding.verdict]:>16}  {finding.name}: {finding.detail}", soft_wrap=True
        )
        if finding.fix:
            console.print(f"      -> {finding.fix}", soft_wrap=True, markup=False)
    raise typer.Exit(1 if worst is Verdict.BAD else 0)


@app.command()
def secrets(
    folder: Annotated[Path, typer.Argument(help="Where docker-compose.yml looks: secrets.")],
    host: Annotated[
        list[str] | None, typer.Option(help="Name or address by which devices reach the broker.")
    ] = None,
    device: Annotated[
        list[str] | None, typer.Option(help="Identity {pilot}/{device} that gets an account.")
    ] = None,
    foreign: Annotated[
        Path | None, typer.Option(help="File of the foreign sources: accounts and access list.")
    ] = None,
) -> None:
    """Make passwords and certificates for docker-compose.yml; what is there is kept."""
    try:
        topics = _topics(foreign) if foreign is not None else {}
        written = write_secrets(folder, host or [BROKER_HOST], device or [], topics)
    except (StackError, OSError, ValueError) as error:
        _fail(error)
    typer.echo("\n".join(f"wrote {path}" for path in written) or "all there")


def _topics(file: Path) -> dict[str, list[str]]:
    # Only here: the local stack runs without what reads foreign formats.
    from ingest.foreign.settings import read_foreign  # noqa: PLC0415

    return read_foreign(file).accounts()


def _show(stack: Stack) -> None:
    table = Table("server", "address", "process", "log", box=None)
    for row in stack.describe():
        table.add_row(*row)
    Console().print(table)


def _fail(error: Exception) -> None:
    typer.echo(str(error), err=True)
    raise typer.Exit(1) from error
