"""`tepna demo`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from tepna.demo.run import Wishes, run_demo
from tepna.demo.scene import SceneError
from tepna.processes import NotReadyError, ProcessEndedError
from tepna.stack.errors import StackError
from tepna.stack.places import home_folder

app = typer.Typer(add_completion=False, help="The whole way once, and what came of it.")


@app.command()
def demo(
    source: Annotated[
        str | None,
        typer.Option(help="A video file or an RTSP address instead of the simulated street."),
    ] = None,
    line: Annotated[
        list[str] | None,
        typer.Option(help="Count line x1,y1,x2,y2 [px] for --source; default: both middle lines."),
    ] = None,
    detector: Annotated[
        Path | None, typer.Option(help="ONNX model; default: motion detection alone.")
    ] = None,
    seconds: Annotated[float, typer.Option(min=10, help="How long it counts.")] = 90.0,
    seed: Annotated[int, typer.Option(help="Of the simulated street.")] = 1,
    port: Annotated[int, typer.Option(help="Of the console, if it is free.")] = 8080,
    once: Annotated[
        bool, typer.Option("--once", help="Stop after the table; exit 0 only if it all holds.")
    ] = False,
) -> None:
    """Run street, cameras, agents, broker, database, analytics and console on this machine."""
    wishes = Wishes(source, tuple(line or ()), detector, seconds, seed, port, once)
    try:
        holds = run_demo(home_folder(), wishes, Console())
    except (StackError, SceneError, ProcessEndedError, NotReadyError) as fault:
        typer.echo(f"tepna demo: {fault}", err=True)
        raise typer.Exit(2) from fault
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    if once:
        raise typer.Exit(0 if holds else 1)
