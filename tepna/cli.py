"""The `tepna` command: one front door, and no room is imported before it is asked for."""

from importlib import import_module
from typing import Annotated, Any, NamedTuple

import typer

from contracts.version import __version__


class Room(NamedTuple):
    """A room's command line."""

    target: str  # module:attribute of its typer application
    extra: str  # of the installation, that brings what it imports
    help: str
    leading: tuple[str, ...] = ()  # arguments that come first: a command of a shared application


ROOMS = {
    "demo": Room(
        "tepna.demo.cli:app", "edge,server,sim", "The whole way once, and what came of it."
    ),
    "up": Room("tepna.stack.cli:app", "sim", "Start TimescaleDB and Mosquitto here.", ("up",)),
    "down": Room("tepna.stack.cli:app", "sim", "End them; the data stay.", ("down",)),
    "status": Room("tepna.stack.cli:app", "sim", "Say where they are.", ("status",)),
    "doctor": Room("tepna.stack.cli:app", "sim", "Find what is wrong, with the fix.", ("doctor",)),
    "secrets": Room(
        "tepna.stack.cli:app", "server", "Make them for docker-compose.yml.", ("secrets",)
    ),
    "db": Room("storage.cli:app", "server", "The database: schema and retention."),
    "registry": Room("storage.registry_cli:app", "server", "Devices and metrics: what they are."),
    "device": Room("tepna.device_cli:app", "server", "Devices from afar: what is desired of them."),
    "edge": Room("edge.cli:app", "edge", "The agent on the box."),
    "sim": Room("simulators.cli:app", "sim", "The simulated street."),
    "ingest": Room("ingest.cli:app", "server", "From the broker to the database."),
    "dead-letters": Room("ingest.dead_letters_cli:app", "server", "What could not be decoded."),
    "analytics": Room("analytics.cli:app", "server", "Metrics of each minute."),
    "indicators": Room("analytics.indicators.cli:app", "server", "Values, with their evidence."),
    "api": Room("api.cli:app", "server", "The API and the operator's console."),
}
PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True}

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Tepna: from the street to the indicator."
)


def _enter(name: str, room: Room, arguments: list[str]) -> None:
    module, _, attribute = room.target.partition(":")
    try:
        command: Any = getattr(import_module(module), attribute)
    except ModuleNotFoundError as error:
        typer.echo(
            f"tepna {name} needs {error.name}, which is not installed here: "
            f"pip install 'tepna[{room.extra}]'",
            err=True,
        )
        raise typer.Exit(1) from error
    program = "tepna" if room.leading else f"tepna {name}"
    command(args=[*room.leading, *arguments], prog_name=program)


def mount(name: str, room: Room) -> None:
    """Make a room's command line a command of ours."""

    @app.command(name, help=room.help, context_settings=PASS_ON, add_help_option=False)
    def enter(context: typer.Context) -> None:
        _enter(name, room, context.args)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tepna {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_show_version, help="Say which.")
    ] = False,
) -> None:
    """Tepna: from the street to the indicator."""


for _name, _room in ROOMS.items():
    mount(_name, _room)


def main() -> None:
    """Run the command line."""
    app()
