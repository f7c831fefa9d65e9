"""`tepna edge`: run and check the agent of one device, and how well it sees."""

import json
import logging
import signal
import sys
from math import isnan
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from contracts.clock import utc_now
from contracts.enrolment import read_code
from contracts.errors import SettingsError
from edge.agent import Agent
from edge.config import AgentConfig, read_config
from edge.configuration.camera import Camera
from edge.configuration.change import Followed
from edge.configuration.remote import Remote
from edge.errors import EdgeError, SourceError

app = typer.Typer(
    no_args_is_help=True, help="The agent on the box: camera, sensors, modem, uplink."
)
model_app = typer.Typer(no_args_is_help=True, help="Detectors that name road users.")
app.add_typer(model_app, name="model")

cameras = typer.Typer(no_args_is_help=True, help="Cameras of the network.")
app.add_typer(cameras, name="cameras")

ConfigPath = Annotated[Path, typer.Argument(help="Configuration of the agent (YAML).")]
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
    next start. When the file changes, or at SIGHUP, camera, sensors, modem and batches are applied
    at once, and all else waits for a restart; a file that is wrong changes nothing. Ends with 0,
    with 2 if the configuration cannot be used, with 3 if --until-done left batches in the outbox.
    """
    logging.basicConfig(
        level=logging.INFO,
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    try:
        outbox = read_config(config, flags or ()).outbox.path
        remote = Remote(
            outbox.with_name(outbox.name + ".desired"),
            lambda overlay: read_config(config, flags or (), overlay=overlay),
            clock=utc_now,
        )
        followed = Followed(config, remote.current)
        agent = Agent(remote.begin(), clock=utc_now, followed=followed, remote=remote)
    except (EdgeError, SettingsError, OSError) as fault:
        _refuse(str(fault))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: agent.stop())
    signal.signal(signal.SIGHUP, lambda *_: followed.ask())
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


@cameras.command()
def find(
    user: Annotated[str | None, typer.Option(help="Account to ask the cameras with.")] = None,
    password_file: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="File of its password.")
    ] = None,
    interface: Annotated[
        list[str] | None,
        typer.Option(metavar="ADDRESS", help="Address of this machine in the network to look in."),
    ] = None,
    seconds: Annotated[float, typer.Option(min=0.1, help="How long to wait for answers.")] = 3.0,
) -> None:
    """Find ONVIF cameras; print their profiles, and the lines of a configuration for each.

    Without an account most cameras tell their name only. With one, every camera found is asked
    with it, its password as a digest. Ends with 1 if there are none.
    """
    from edge.onvif.find import find_cameras  # noqa: PLC0415  # not for `run`

    if password_file is not None and user is None:
        _refuse("--password-file: whose? give --user, too")
    password = None if password_file is None else password_file.read_text(encoding="utf-8").strip()
    try:
        number = find_cameras(
            typer.echo,
            addresses=interface or (),
            seconds=seconds,
            user=user,
            password=password,
        )
    except OSError as fault:
        _refuse(f"--interface: {fault.strerror}; give an IPv4 address of this machine")
    if not number:
        raise typer.Exit(1)


@cameras.command()
def events(
    config: ConfigPath,
    flags: Flags = None,
    seconds: Annotated[float, typer.Option(min=0, help="How long to listen.")] = 10.0,
) -> None:
    """Say which events the ONVIF camera of a configuration offers, and those that come meanwhile.

    Beside each stands what the platform is told of it. Nothing is sent there, and an agent that
    runs goes on listening. Ends with 1 if the camera does not answer or has no events, with 2 if
    the configuration cannot be used.
    """
    from edge.onvif.show import show_events  # noqa: PLC0415  # not for `run`

    camera = _read(config, flags).camera
    if camera is None or not camera.source.startswith("onvif"):
        _refuse(f"{config}: camera.source is no onvif:// address; only such a camera is asked")
    try:
        show_events(camera, seconds, typer.echo)
    except SourceError as fault:
        typer.echo(str(fault), err=True)
        raise typer.Exit(1) from fault


@app.command()
def schema() -> None:
    """Print the JSON Schema of a configuration, for editors that complete and check it.

    Kinds of sensors that are installed here are in it, those of other packages, too.
    """
    from edge.configuration.schema import agent_schema  # noqa: PLC0415  # not for `run`

    typer.echo(json.dumps(agent_schema(), indent=2, ensure_ascii=False))


@app.command()
def doctor(
    config: ConfigPath,
    flags: Flags = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
) -> None:
    """Find what is wrong with this box, each with what helps; an agent that runs goes on.

    Ends with 1 if the agent cannot do its work like that.
    """
    from edge.doctor.examine import examine  # noqa: PLC0415  # heavy, and not for `run`
    from edge.doctor.finding import Verdict  # noqa: PLC0415

    marks = {Verdict.GOOD: "ok  ", Verdict.NOTE: "note", Verdict.BAD: "BAD "}
    worst = Verdict.GOOD
    for found in examine(_read(config, flags)):
        worst = max(worst, found.verdict, key=list(Verdict).index)
        if as_json:
            typer.echo(json.dumps(found._asdict()))
            continue
        typer.echo(f"{marks[found.verdict]}  {found.name:<12}{found.detail}")
        if found.fix:
            typer.echo(f"      {'':<12}{found.fix}")
    if worst is Verdict.BAD:
        raise typer.Exit(1)


@app.command()
def probe(
    config: ConfigPath,
    flags: Flags = None,
    count: Annotated[int, typer.Option(min=1, max=1000, help="Round trips.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure the link to the broker now: round trip, one-way delay, rate of the uplink.

    An agent that runs goes on, and what this takes is not of its budget. A quantile needs as many
    round trips as make it one of several: 20 for p95, 100 for p99. Ends with 0, with 1 if nothing
    came back, with 2 if the broker does not let this box in.
    """
    from edge.probing.command import probe as measure  # noqa: PLC0415  # not for `run`

    try:
        found = measure(_read(config, flags), count)
    except (EdgeError, SettingsError) as fault:
        _refuse(str(fault))
    if as_json:
        typer.echo(json.dumps(found.document()))
    else:
        for line in found.lines():
            typer.echo(line)
    if not found.trips:
        raise typer.Exit(1)


@app.command()
def service(
    config: ConfigPath,
    user: Annotated[str, typer.Option(help="Who the agent runs as.")] = "tepna",
) -> None:
    """Print the systemd unit of this agent, closed to all that it does not need."""
    from edge.service.unit import unit  # noqa: PLC0415

    typer.echo(unit(_read(config, None), config, user), nl=False)


@app.command()
def enroll(
    door: Annotated[str, typer.Argument(help="Address of the platform's door, https://...")],
    into: Annotated[Path, typer.Option(help="Folder for the identity.")] = Path("identity"),
    ca: Annotated[
        Path | None, typer.Option(help="Who signed the door's certificate (PEM), if not public.")
    ] = None,
    renew: Annotated[
        bool, typer.Option(help="Renew the certificate of this folder; needs no code.")
    ] = False,
) -> None:
    """Make this box a device: with the operator's one-time code, and a key that stays here.

    The code is asked for, or read from standard input; never give it as an argument. If the
    answer is lost on the way, run it again with the same code.
    """
    from edge.identity import enroll as office  # noqa: PLC0415  # only here

    try:
        if renew:
            found = office.renew(into)
        else:
            code = read_code(typer.prompt("One-time code"))
            found = office.enroll(door, code, into, ca)
    except ValueError as fault:
        _refuse(f"the code is {fault}")
    except EdgeError as fault:
        _refuse(str(fault))
    typer.echo(
        f"This box is {found.place.device}, until {found.expires:%Y-%m-%d}; it renews itself."
    )


@app.command()
def verify(
    clip: Annotated[Path, typer.Argument(help="Recording of a street.")],
    truth: Annotated[
        Path, typer.Argument(help="What is true of it: .toml, .json, or MOTChallenge's gt.txt.")
    ],
    config: Annotated[
        Path | None, typer.Option(help="Configuration of the agent (YAML); else the defaults.")
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
    from rich.console import Console  # noqa: PLC0415  # heavy, and not for `run`

    from edge.verify.command import verify_clip  # noqa: PLC0415
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


@model_app.command("check")
def check_model(
    file: Annotated[Path, typer.Argument(help="Detector (ONNX).")],
    picture: Annotated[
        Path | None, typer.Option(help="Show what it finds in this picture (JPEG, PNG).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say what a detector's file is and how it does on this machine.

    Ends with 0 if an agent could use it, with 2 if not, or if the picture cannot be read.
    """
    from edge.models.command import print_model  # noqa: PLC0415  # heavy, and not for `run`

    try:
        print_model(file, picture, as_json=as_json)
    except EdgeError as fault:
        _refuse(str(fault))


@app.command()
def calibrate(
    config: ConfigPath,
    flags: Flags = None,
    pairs: Annotated[
        Path | None,
        typer.Option(help="CSV or TOML of u,v,x,y or u,v,lon,lat; else the configuration's own."),
    ] = None,
    size: Annotated[
        str | None, typer.Option(help="WIDTHxHEIGHT of the picture; else the camera is asked. [px]")
    ] = None,
    origin: Annotated[str | None, typer.Option(help="LON,LAT of the site's origin.")] = None,
    site: Annotated[
        Path | None, typer.Option(help="Site plan (site.toml): its origin, and what to click on.")
    ] = None,
    save: Annotated[bool, typer.Option("--write", help="Write into the configuration.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    page: Annotated[bool, typer.Option(help="Serve a page with a picture to click on.")] = False,
    listen: Annotated[str, typer.Option(help="Where to serve the page.")] = "127.0.0.1:0",
    picture: Annotated[
        Path | None, typer.Option(help="Picture for the page, in place of the camera's.")
    ] = None,
) -> None:
    """Find where on the ground each point of the picture is, and say how well that is known.

    Pairs that do not agree with the others are left out. Ends with 0, with 2 if anything given
    cannot be used.
    """
    from edge.calibration.command import camera_of, run  # noqa: PLC0415  # heavy, not for `run`
    from edge.calibration.serve import serve  # noqa: PLC0415

    settings = _read(config, flags)
    try:
        camera = camera_of(settings, config)
        if page:
            serve(
                config, camera, listen=listen, picture=picture, origin=origin, site=site,
                save=save, say=typer.echo,
            )  # fmt: skip
            return
        run(
            config, camera, marks=pairs, size=size, origin=origin, site=site,
            save=save, as_json=as_json, say=typer.echo,
        )  # fmt: skip
    except EdgeError as fault:
        _refuse(str(fault))


def _camera(clip: Path, config: Path | None, model: Path | None) -> Camera:
    """Camera that an agent with this configuration has, looking at a clip instead."""
    if config is None:
        return Camera(source=str(clip), pace="fast", detector=model)
    camera = _read(config, None).camera
    if camera is None:
        _refuse(f"{config}: camera is not set; give the configuration of an agent with a camera")
    replaced: dict[str, object] = {"source": str(clip), "pace": "fast"}
    if model is not None:  # the checksum is that of the configuration's own
        replaced |= {"detector": model, "detector_sha256": None}
    return camera.model_copy(update=replaced)


def _read(path: Path, flags: list[str] | None) -> AgentConfig:
    try:
        return read_config(path, flags or ())
    except SettingsError as fault:
        _refuse(str(fault))


def _refuse(reason: str) -> NoReturn:
    typer.echo(reason, err=True)
    raise typer.Exit(2)
