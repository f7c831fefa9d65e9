"""Start everything, count for a while, and hold the result to what it promises."""

import asyncio
import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple
from urllib.error import URLError
from urllib.request import urlopen

from pydantic import SecretStr
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from contracts.clock import from_micros, to_micros, utc_now
from storage import report
from storage.keys import COMMANDS
from storage.migrate import migrate
from storage.pool import Connection, StorageSettings, connect
from storage.registry import create_api_key, register_site
from storage.report import Windows
from tepna.demo.results import analysed
from tepna.demo.scene import Scene, picture, street
from tepna.demo.table import Line, count_lines, delivery_lines, read_truth, table
from tepna.processes import Processes
from tepna.stack.local import Stack
from tepna.stack.progress import shown_progress
from tepna.stack.server import choose_port

READY: Final = 60.0  # [s]
SETTLE: Final = 10.0
"""Cameras learn what stands still before anything is counted. [s]"""
MINUTE: Final = 60.0  # [s]
CLOSING: Final = 30.0
"""What was counted last has this long to become a closed window. [s]"""


class Wishes(NamedTuple):
    """What the caller asked for."""

    source: str | None
    lines: Sequence[str]
    detector: Path | None
    seconds: float
    seed: int
    port: int
    once: bool


class Span(NamedTuple):
    """A stretch of capture time: [start, end)."""

    start: datetime
    end: datetime


def run_demo(home: Path, wishes: Wishes, console: Console) -> bool:
    """Run the whole way; True if every line of the table holds."""
    folder = home / "demo"
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as ends:
        with shown_progress() as step:
            stack = ends.enter_context(Stack(home, step))
            step("Bringing the schema up to date", 0.0)
            migrate(stack.endpoints.database_url)
        settings = StorageSettings(database_url=SecretStr(stack.endpoints.database_url))
        connection = ends.enter_context(connect(settings, name="tepna demo"))
        programs = ends.enter_context(Processes(folder))
        link = _start_services(stack, programs, connection, wishes.port)
        began = from_micros(utc_now())
        scene = _film(folder, wishes, programs)
        site = register_site(connection, scene.site)
        _start_agents(stack, folder, programs, scene)
        console.print(f"Console: [bold]{link}[/]", soft_wrap=True)
        programs.wait_for("the first batch", _first_batch(connection, scene, began), READY)
        span = _count(connection, programs, scene, wishes.seconds, console)
        lines = list(_judge(settings, connection, programs, scene, site, span, began))
        console.print(table(lines))
        if not wishes.once:
            console.print(f"It goes on until Ctrl-C. Console: [bold]{link}[/]", soft_wrap=True)
            _stay(programs)
        return all(line.holds for line in lines)


def _start_services(
    stack: Stack, programs: Processes, connection: Connection, wished_port: int
) -> str:
    """Start ingest, analytics and console; return the ready-made link."""
    database = {"TEPNA_DATABASE_URL": stack.endpoints.database_url}
    token = {"TEPNA_PICTURE_TOKEN": _picture_token(stack.home)}
    port = choose_port(wished_port)
    programs.start(
        "ingest", ["ingest", "run"], database | {"TEPNA_MQTT_URL": stack.mqtt_url("ingest")}
    )
    programs.start("analytics", ["analytics", "run"], database)
    programs.start(
        "api",
        ["api", "run", "--host", "127.0.0.1", "--port", str(port)],
        database | token | {"TEPNA_MQTT_URL": stack.mqtt_url("api")},
    )
    address = f"http://127.0.0.1:{port}"
    programs.wait_for("the API", lambda: _answers(f"{address}/v1/health"), READY)
    return f"{address}/?key={create_api_key(connection, 'demo', [COMMANDS])}"


def _film(folder: Path, wishes: Wishes, programs: Processes) -> Scene:
    if wishes.source is not None:
        return picture(folder, wishes.source, wishes.lines, wishes.detector)

    def start(arguments: Sequence[str], endpoints: Path) -> None:
        programs.start("street", arguments, {})
        programs.wait_for("the simulated street", endpoints.is_file, READY)

    return street(folder, wishes.seed, wishes.detector, start)


def _start_agents(stack: Stack, folder: Path, programs: Processes, scene: Scene) -> None:
    token = {"TEPNA_PICTURE_TOKEN": _picture_token(stack.home)}
    for agent in scene.agents:
        name = agent.identity.replace("/", "-")
        flags = ["--until-done"] if scene.ends else []
        programs.start(
            name,
            [*agent.arguments(), *flags],
            token
            | {
                "TEPNA_MQTT_URL": stack.add_device(agent.identity),
                "TEPNA_OUTBOX": str(folder / f"{name}.sqlite"),
            },
        )


def _count(
    connection: Connection, programs: Processes, scene: Scene, seconds: float, console: Console
) -> Span:
    """Let it run; return the span to judge: for a street after the cameras have settled."""
    start = utc_now() / 1e6
    if not scene.ends:
        start = _with_whole_minute(start + SETTLE, seconds)
    end = start + seconds
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("Counting", total=seconds)
        while (now := utc_now() / 1e6) < end:
            if scene.ends and not programs.running(_camera(scene)):
                end = now
                break
            programs.check()
            span = Span(_moment(start), _moment(end))
            counted = report.crossings(connection, pilot=scene.site.pilot, **span._asdict())
            text = "Settling" if now < start else f"{sum(counted.values())} crossings counted"
            progress.update(task, completed=max(0.0, now - start), description=text)
            time.sleep(1.0)
    return Span(_moment(start), _moment(end))


def _judge(
    settings: StorageSettings,
    connection: Connection,
    programs: Processes,
    scene: Scene,
    site: int,
    span: Span,
    began: datetime,
) -> Iterable[Line]:
    pilot = scene.site.pilot
    minutes = _whole_minutes(span, partial=scene.ends)
    windows = Windows(site, scene.simulated, *minutes)
    programs.wait_for(
        "the last window", lambda: not report.open_windows(connection, windows), MINUTE + CLOSING
    )
    truth = None
    if scene.truth is not None:
        truth = read_truth(scene.truth, start=to_micros(span.start), end=to_micros(span.end))
    counted = report.crossings(connection, pilot=pilot, **span._asdict())
    yield from count_lines(scene.site, counted, truth)
    yield from delivery_lines(
        report.delivery(connection, pilot=pilot, start=began, end=from_micros(utc_now()))
    )
    yield from asyncio.run(analysed(settings, windows))


def _with_whole_minute(earliest: float, seconds: float) -> float:
    """Start so that a whole minute of capture time lies in the span: its window closes within."""
    least = 2 * MINUTE - seconds  # of the start within its minute
    if not 0 < least <= MINUTE:
        return earliest
    return earliest + max(0.0, least - earliest % MINUTE)


def _whole_minutes(span: Span, *, partial: bool) -> Span:
    """Minutes within the span; with `partial` those that it touches."""
    floor = span.start.replace(second=0, microsecond=0)
    ceiling = span.end.replace(second=0, microsecond=0)
    if partial:
        return Span(floor, ceiling + timedelta(minutes=1))
    return Span(floor if floor == span.start else floor + timedelta(minutes=1), ceiling)


def _first_batch(connection: Connection, scene: Scene, began: datetime) -> Callable[[], bool]:
    def came() -> bool:
        now = from_micros(utc_now())
        return report.delivery(connection, pilot=scene.site.pilot, start=began, end=now).batches > 0

    return came


def _camera(scene: Scene) -> str:
    return scene.agents[0].identity.replace("/", "-")


def _moment(seconds: float) -> datetime:
    return from_micros(round(seconds * 1e6))


def _answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=2.0) as answer:  # noqa: S310  # our own, on loopback
            return bool(answer.status == 200)  # noqa: PLR2004
    except (URLError, OSError):
        return False


def _picture_token(home: Path) -> str:
    """Token that console and agents share; made once."""
    file = home / "picture-token"
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(secrets.token_urlsafe(32), encoding="utf-8")
    return file.read_text(encoding="utf-8")


def _stay(programs: Processes) -> None:
    while True:
        programs.check()
        time.sleep(1.0)
