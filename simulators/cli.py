"""`tepna sim`: simulated streets."""

import asyncio
import json
import math
import signal
import sys
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from contracts.clock import to_micros, utc_now
from contracts.site import SiteError
from simulators.errors import SimulatorError
from simulators.serve import Figures, Options, serve

app = typer.Typer(no_args_is_help=True, help="Simulated streets that feed real edge agents.")


@app.callback()
def _group() -> None:
    """Keep `run` a command of its own."""


@app.command()
def run(
    site_dir: Annotated[Path, typer.Argument(help="Folder of the pilot.", metavar="PILOT")],
    seed: Annotated[int, typer.Option(help="Same seed, same street.")] = 1,
    duration: Annotated[
        float | None, typer.Option(min=0.1, help="Simulated seconds; default: until stopped.")
    ] = None,
    speed: Annotated[float, typer.Option(min=0.01, help="Simulated over real time.")] = 1.0,
    start: Annotated[
        str | None, typer.Option(help="Captured time of the start, e.g. 2026-05-04T07:00:00Z.")
    ] = None,
    port: Annotated[
        int, typer.Option(min=0, max=65_000, help="First of consecutive ports; 0: free ones.")
    ] = 5501,
    truth: Annotated[Path | None, typer.Option(help="Write passages here, JSON lines.")] = None,
    endpoints: Annotated[Path | None, typer.Option(help="Write the URLs here, JSON.")] = None,
) -> None:
    """Serve a pilot's street: cameras, sensors, modems and the signal controller as TCP streams."""
    try:
        options = Options(
            site_dir,
            seed,
            math.inf if duration is None else duration,
            speed,
            None if start is None else to_micros(datetime.fromisoformat(start)),
            port,
            truth,
        )
        figures = asyncio.run(_serve(options, endpoints))
    except (SimulatorError, SiteError, OSError, ValueError) as fault:
        typer.echo(f"tepna sim: {fault}", err=True)
        raise typer.Exit(1) from fault
    typer.echo(json.dumps(asdict(figures)))


async def _serve(options: Options, endpoints: Path | None) -> Figures:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)

    def ready(found: dict[str, Any]) -> None:
        text = json.dumps(found)
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
        if endpoints is not None:  # whole, or not there
            part = endpoints.with_suffix(".part")
            part.write_text(text, encoding="utf-8")
            part.replace(endpoints)

    return await serve(options, clock=utc_now, ready=ready, stop=stop)
