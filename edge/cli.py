"""`tepna edge`: run and check the agent of one device, and how well it sees."""

import json
import logging
import signal
import sys
from math import isnan
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from contracts.clock import utc_now
from contracts.settings import SettingsError
from edge.agent import Agent
from edge.config import AgentConfig, Camera, read_config
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
    # it opens the camera itself; the agent, whose camera is a process of its own, loads no FFmpeg
    from edge.check import check_config  # noqa: PLC0415

    good = check_config(_read(config, flags), typer.echo)
    if not good:
        raise typer.Exit(1)


@app.command()
def verify(
    clip: Annotated[Path, typer.Argument(help="Recording of a street.")],
    truth: Annotated[
        Path, typer.Argument(help="What is true of it: .toml, .json, or MOTChallenge's gt.txt.")
    ],
    config: Annotated[
        Path | None, typer.Option(help="Configuration of the agent (TOML); else the defaults.")
    ] = None,
    model: Annotated[Path | None, typer.Option(help="Detector (ONNX).")] = None,
    tolerance: Annotated[
        float,
        typer.Option(min=0, help="Difference up to which two passages may be the same one. [s]"),
    ] = 1.0,
    max_count_error: Annotated[
        int | None, typer.Option(min=0, help="End with 1 if the count error is larger.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Replay a recording through the agent's vision and compare with what is true of it.

    The count error is summed over lines and ways, so that too many on one do not make up for too
    few on another. Ends with 0 if it could be compared, with 1 if --max-count-error is exceeded,
    with 2 if anything given cannot be used.
    """
    from edge.verify.command import verify_clip  # noqa: PLC0415  # heavy, and not for `run`
    from edge.verify.report import as_document, tables  # noqa: PLC0415

    try:
        found = verify_clip(clip, truth, _camera(clip, config, model), tolerance)
    except EdgeError as fault:
        _refuse(str(fault))
    if as_json:
        typer.echo(json.dumps(as_document(found)))
    else:
        console = Console()
        for part in tables(found):
            console.print(part, soft_wrap=True, markup=False, highlight=False)
    if max_count_error is None:
        return
    error = found.comparison.overall.error
    if isnan(error):
        _refuse("--max-count-error: the count error is unknown, see above; give what is missing")
    if error > max_count_error:
        typer.echo(f"count error {error:.0f}: at most {max_count_error} are allowed", err=True)
        raise typer.Exit(1)


def _camera(clip: Path, config: Path | None, model: Path | None) -> Camera:
    """Camera that an agent with this configuration has, looking at a clip instead."""
    if config is None:
        return Camera(source=str(clip), pace="fast", detector=model)
    camera = _read(config, None).camera
    if camera is None:
        _refuse(f"{config}: camera is not set; give the configuration of an agent with a camera")
    replaced = {"source": str(clip), "pace": "fast", "detector": model or camera.detector}
    return camera.model_copy(update=replaced)


def _read(path: Path, flags: list[str] | None) -> AgentConfig:
    try:
        return read_config(path, flags or ())
    except SettingsError as fault:
        _refuse(str(fault))


def _refuse(reason: str) -> NoReturn:
    typer.echo(reason, err=True)
    raise typer.Exit(2)
