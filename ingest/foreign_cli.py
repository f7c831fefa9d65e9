"""`tepna ingest foreign`: look at the sources, and at what a payload would become."""

from pathlib import Path
from typing import Annotated

import typer

from contracts.clock import from_micros, utc_now
from contracts.metrics import Quality
from contracts.topics import is_ours
from ingest.foreign.judge import Foreigner, Interpreter
from ingest.foreign.settings import Foreign, ForeignConfigError, read_foreign
from ingest.inbox import Delivery
from ingest.settings import ReplaySettings

AHEAD: float = ReplaySettings.model_fields["clock_ahead_s"].default

app = typer.Typer(no_args_is_help=True, help="Sources that speak other formats.")


@app.callback()
def _foreign() -> None:
    """Look at the sources that speak other formats."""


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="The file of the sources.")],
    topic: Annotated[str | None, typer.Option(help="Topic of a message.")] = None,
    payload: Annotated[
        Path | None, typer.Option(help="File that holds its payload; - is the standard input.")
    ] = None,
) -> None:
    """Say what is wrong with the file, or what a message on a topic would become.

    Exits with 2 if the file is wrong, with 1 if the message would be a dead letter.
    """
    try:
        foreign = read_foreign(file)
    except ForeignConfigError as fault:
        typer.echo(str(fault), err=True)
        raise typer.Exit(2) from fault
    if topic is None:
        _show_sources(foreign)
        return
    if is_ours(topic):
        typer.echo(f"{topic} is a topic of Tepna's own devices", err=True)
        raise typer.Exit(1)
    raw = typer.get_binary_stream("stdin").read() if payload in {None, Path("-")} else None
    content = payload.read_bytes() if raw is None and payload is not None else raw or b""
    delivery = Delivery(0, 1, topic, content, {}, utc_now())
    message = Interpreter(foreign, ahead=AHEAD).judge(delivery)
    _show(message)
    if message.letters:
        raise typer.Exit(1)


def _show_sources(foreign: Foreign) -> None:
    for one in foreign.source:
        devices = f"{len(one.devices)} devices listed, others are {one.pilot}/{one.device}"
        typer.echo(f"{one.name}: {one.format} on {', '.join(one.topics)}; {devices}")
    for name, topics in foreign.accounts().items():
        typer.echo(f"account {name} may publish to {', '.join(topics)}")


def _show(message: Foreigner) -> None:
    for part in message.parts:
        columns = (part.t, part.names, part.values, part.units, part.quality)
        for t, name, value, unit, quality in zip(*columns, strict=True):
            marks = f"  ({Quality(quality).name})" if quality else ""
            typer.echo(f"{part.identity}  {_time(t)}  {name} = {value:g} {unit}{marks}")
        for t, kind, word in part.words:
            typer.echo(f"{part.identity}  {_time(t)}  event {kind}: {word}")
        how = "its delivery alone, nothing in it tells it from the next"
        typer.echo(f"named by {how if part.claim.delivery else part.claim.key}")
    for change in message.changes:
        typer.echo(f"{change.identity}  is {change.state.status if change.state else 'unknown'}")
    for letter in message.letters:
        typer.echo(f"dead letter, {letter.reason}: {letter.detail}", err=True)
    if not (message.parts or message.changes or message.letters):
        typer.echo("nothing in it is stored")


def _time(t: int) -> str:
    try:
        return f"{from_micros(t):%Y-%m-%dT%H:%M:%S.%fZ}"
    except OverflowError:
        return f"{t} us"
