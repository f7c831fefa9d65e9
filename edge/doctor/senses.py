"""Camera, detector and sensors: whether they are there."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from contracts.clock import utc_now
from edge.config import AgentConfig
from edge.configuration.camera import Camera
from edge.doctor.finding import Finding, bad, good, note
from edge.errors import SourceError
from edge.sources import open_video


def camera(config: AgentConfig) -> Iterator[Finding]:
    """Look through the camera once."""
    wanted = config.camera
    if wanted is None:
        return
    fix = "See its cable, address, user and password: tepna edge check"
    try:
        with open_video(wanted, utc_now) as video:
            seen = len(list(islice(video.frames, 2)))
    except SourceError as fault:
        yield bad("camera", f"{wanted.shown}: {fault}", fix)
        return
    if not seen:
        yield bad("camera", f"{wanted.shown} ended before its first picture", fix)
        return
    rate = f"{video.rate:.3g}/s" if video.rate else "of unknown rate"
    yield good("camera", f"{wanted.shown}: {video.width}x{video.height}, {rate}")
    if not wanted.calibration:
        fix = "tepna edge calibrate; until then nothing is on the ground, and no speed is known."
        yield note("ground", "is not calibrated: crossings are counted, no more", fix)
    yield from _lines(wanted)


def _lines(camera: Camera) -> Iterator[Finding]:
    if not camera.lines and not camera.zones:
        yield note("lines", "none, and no zones: nothing is counted", "Draw them: camera.lines.")


def detector(config: AgentConfig) -> Iterator[Finding]:
    """Whether the model is there."""
    model = None if config.camera is None else config.camera.detector
    if model is None:
        return
    if model.is_file():
        yield good("detector", f"{model}; tepna edge model check says more")
    else:
        yield bad("detector", f"{model} is not there", "Copy it there, or remove camera.detector.")


def sensors(config: AgentConfig) -> Iterator[Finding]:
    """Whether what is plugged in is there and may be opened."""
    for sensor in (*config.sensors, *([config.modem] if config.modem else [])):
        place = next((str(x) for key in ("port", "chip") if (x := getattr(sensor, key, ""))), "")
        name = f"sensor {sensor.kind}"
        if not place.startswith("/dev/"):
            yield good(name, sensor.place)
            continue
        try:
            with Path(place).open("rb", buffering=0):
                pass
        except FileNotFoundError:
            yield bad(name, f"{place} is not there", "See the plug, and `ls /dev/serial/by-id`.")
        except PermissionError:
            fix = "Add the agent's user to the group of that file: dialout, or gpio."
            yield bad(name, f"{place} may not be opened", fix)
        except OSError as fault:
            yield note(name, f"{place}: {fault.strerror}", "An agent that runs may hold it.")
        else:
            yield good(name, f"{place} is there")
