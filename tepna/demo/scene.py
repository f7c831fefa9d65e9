"""What is filmed: a pilot's simulated street, or one camera picture that the caller brings."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import av
import yaml

from contracts.site import Camera, CountLine, LineRole, Name, Point, Site, read_site
from tepna.stack.deployment import deploy_folder

PILOT: Final = "usti-belehradska"
LINE_NUMBERS: Final = 4
"""Numbers that a count line in a picture takes: x1, y1, x2, y2."""


class SceneError(ValueError):
    """What is to be filmed cannot be."""


class Agent(NamedTuple):
    """One agent to start: its configuration and what is set over it."""

    identity: str
    config: Path
    settings: Mapping[str, str]

    def arguments(self) -> list[str]:
        """Arguments of ``tepna`` that run it."""
        flags = [x for key, value in self.settings.items() for x in ("--set", f"{key}={value}")]
        return ["edge", "run", str(self.config), *flags]


class Scene(NamedTuple):
    """What is filmed, by whom, and what is known of it."""

    site: Site
    simulated: bool
    agents: Sequence[Agent]
    truth: Path | None  # JSON lines of the simulator
    ends: bool  # by itself, as a file does


StartStreet = Callable[[Sequence[str], Path], None]
"""Starts ``tepna`` with these arguments and returns when the endpoints' file is there."""


def street(folder: Path, seed: int, detector: Path | None, start: StartStreet) -> Scene:
    """Start the simulated street of the pilot; its cameras and sensors are what agents read."""
    pilot = deploy_folder().parent / "pilots" / PILOT
    site = read_site(pilot / "site.toml")
    truth, endpoints = folder / "truth.jsonl", folder / "endpoints.json"
    endpoints.unlink(missing_ok=True)
    files = ["--truth", str(truth), "--endpoints", str(endpoints)]
    start(["sim", "run", str(pilot), "--seed", str(seed), "--port", "0", *files], endpoints)
    devices = json.loads(endpoints.read_text(encoding="utf-8"))["devices"]
    agents = [
        Agent(
            f"{site.pilot}/{device}",
            pilot / f"{device}.yaml",
            _sources(devices[device], detector),
        )
        for device in site.devices
    ]
    return Scene(site, True, agents, truth, ends=False)


def _sources(urls: Mapping[str, str], detector: Path | None) -> dict[str, str]:
    found = {"modem.source": urls["modem"], "sensors": f'[{{source: "{urls["sensors"]}"}}]'}
    if "camera" in urls:
        found["camera.source"] = urls["camera"]
        if detector is not None:
            found["camera.detector"] = str(detector.absolute())
    return found


def picture(folder: Path, source: str, lines: Sequence[str], detector: Path | None) -> Scene:
    """Film a file or an address: no ground plan, so lines are in the picture and speeds unknown."""
    is_file = "://" not in source and not source.startswith("usb:")
    if is_file and not Path(source).is_file():
        msg = f"--source {source}: no such file; give a video, an rtsp:// address or usb:0"
        raise SceneError(msg)
    where = str(Path(source).absolute()) if is_file else source
    width, height = _size(where)
    ends = [_parse(line) for line in lines] or [
        ((0.0, height / 2), (float(width), height / 2)),
        ((width / 2, 0.0), (width / 2, float(height))),
    ]
    site = _site(width, height, ends)
    config = folder / "camera.yaml"
    config.write_text(_config(site, where, (width, height), ends, detector), encoding="utf-8")
    agent = Agent(f"{site.pilot}/camera", config, {})
    return Scene(site, False, [agent], None, ends=is_file)


def _size(source: str) -> tuple[int, int]:
    try:
        with av.open(source, timeout=10.0) as container:
            stream = container.streams.video[0]
            return stream.width, stream.height
    except (av.FFmpegError, IndexError) as fault:
        msg = f"--source {source}: no video can be read from it ({fault})"
        raise SceneError(msg) from fault


def _parse(line: str) -> tuple[Point, Point]:
    try:
        numbers = [float(number) for number in line.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != LINE_NUMBERS:
        msg = f"--line {line}: not four numbers; give pixels as x1,y1,x2,y2"
        raise SceneError(msg)
    return (numbers[0], numbers[1]), (numbers[2], numbers[3])


def _site(width: int, height: int, ends: Sequence[tuple[Point, Point]]) -> Site:
    """Make a plan of a camera and its lines; pixels stand for metres, as none are known."""
    return Site(
        id="picture",
        pilot="demo",
        name=Name(cs="Vlastní kamera", en="Own camera"),
        latitude=50.0,
        longitude=14.0,
        speed_limit_km_h=50.0,
        cameras=[
            Camera(
                device="camera",
                name=Name(cs="Kamera", en="Camera"),
                position=(0.0, 0.0, 10.0),
                target=(0.0, 10.0, 0.0),
                fov_deg=60.0,
                width=width,
                height=height,
                fps=25.0,
            )
        ],
        lines=[
            CountLine(
                id=f"line-{number}",
                name=Name(cs=f"Řez {number}", en=f"Line {number}"),
                device="camera",
                role=LineRole.EXIT,
                a=a,
                b=b,
            )
            for number, (a, b) in enumerate(ends, 1)
        ],
    )


def _config(
    site: Site,
    source: str,
    size: tuple[int, int],
    ends: Sequence[tuple[Point, Point]],
    detector: Path | None,
) -> str:
    lines = [
        {"id": line.id, "a": list(a), "b": list(b)}
        for line, (a, b) in zip(site.lines, ends, strict=True)
    ]
    camera = {"source": source, "drawn_on": list(size), "lines": lines}
    if detector is not None:
        camera["detector"] = str(detector.absolute())
    agent = {
        "device": f"{site.pilot}/camera",
        "camera": camera,
        "pictures": {"listen": "127.0.0.1:0"},
    }
    text: str = yaml.safe_dump(agent, allow_unicode=True, sort_keys=False)
    return text
