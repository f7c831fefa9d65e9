"""`tepna edge`: run and check the agent of one device."""

import logging
import signal
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from contracts.clock import utc_now
from contracts.settings import SettingsError
from edge.agent import Agent
from edge.check import check_config
from edge.config import AgentConfig, read_config
from edge.errors import EdgeError

app = typer.Typer(
    no_args_is_help=True, help="The agent on the box: camera, sensors, modem, uplink."
)

ConfigPath = Annotated[Path, typer.Argument(help="Configuration of the agent (TOML).")]
Flags = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Set a key, e.g. camera.source=rtsp://..."),
]


@app.command()
def run(
    config: ConfigPath,
    flags: Flags = None,
    until_done: Annotated[
        bool, typer.Option(help="End when recordings and streams are over and all is durable.")
    ] = False,
    drain: Annotated[float, typer.Option(help="How long that may take in the end. [s]")] = 60.0,
) -> None:
    """Run the agent until SIGTERM or Ctrl-C.

    Nothing is lost when it is stopped or killed: what is not durable waits in the outbox for the
    next start. Ends with 0, with 2 if the configuration cannot be used, with 3 if --until-done
    left batches in the outbox.
    """
    logging.basicConfig(
        level=logging.INFO,
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    settings = _read(config, flags)
    try:
        agent = Agent(settings, clock=utc_now)
    except (EdgeError, OSError) as fault:
        _refuse(str(fault))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: agent.stop())
    nothing_left = agent.run(until_done=until_done, drain=drain)
    if until_done and not nothing_left:
        raise typer.Exit(3)


@app.command()
def check(config: ConfigPath, flags: Flags = None) -> None:
    """Explain a configuration and open its camera once; needs no network but the camera's."""
    good = check_config(_read(config, flags), typer.echo)
    if not good:
        raise typer.Exit(1)


def _read(path: Path, flags: list[str] | None) -> AgentConfig:
    try:
        return read_config(path, flags or ())
    except SettingsError as fault:
        _refuse(str(fault))


def _refuse(reason: str) -> NoReturn:
    typer.echo(reason, err=True)
    raise typer.Exit(2)
