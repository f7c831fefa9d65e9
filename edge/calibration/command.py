"""`tepna edge calibrate`: judge the pairs, say what to write, write it."""

import json
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from contracts.clock import utc_now
from contracts.site import SiteError, read_site
from edge.calibration.block import block_of, check_writable, pasted, write
from edge.calibration.coordinates import written
from edge.calibration.fit import Calibrated, Pairs, calibrate
from edge.calibration.read import CalibrationError, read_marks
from edge.calibration.report import as_document, lines, places_of, report
from edge.config import AgentConfig
from edge.configuration.camera import Camera
from edge.sources import open_video
from edge.vision.ground import GroundError


def camera_of(config: AgentConfig, path: Path) -> Camera:
    """Camera of an agent.

    Raises
    ------
    CalibrationError
        If it has none.
    """
    if config.camera is None:
        msg = f"{path}: camera is not set; write a table camera with its source"
        raise CalibrationError(msg)
    return config.camera


def size_of(camera: Camera, given: str | None) -> tuple[int, int]:
    """Size of the camera's pictures [px]: as given, `1280x720`, or as the camera says.

    Raises
    ------
    EdgeError
        If the text is none, or the camera gives no picture.
    """
    if given is None:
        with open_video(camera, utc_now) as video:
            for frame in islice(video.frames, 1):
                height, width = frame.image.shape[:2]
                return width, height
        msg = f"{camera.shown} ended before its first picture; give --size WIDTHxHEIGHT"
        raise CalibrationError(msg)
    across, _, down = given.partition("x")
    if not (across.isdecimal() and down.isdecimal() and int(across) and int(down)):
        msg = f"--size {given}: not WIDTHxHEIGHT; write for instance 1280x720"
        raise CalibrationError(msg)
    return int(across), int(down)


def origin_of(text: str | None, site: Path | None) -> tuple[float, float] | None:
    """Longitude and latitude of the site's origin [deg], if anything says it.

    Raises
    ------
    CalibrationError
        If what says it cannot be used.
    """
    if text is not None:
        try:
            lon, lat = (float(part) for part in text.split(","))
        except ValueError:
            lon = lat = np.nan
        if not (abs(lon) <= 180 and abs(lat) <= 90):  # noqa: PLR2004
            msg = f"--origin {text}: not LON,LAT; write for instance 14.0308,50.6652"
            raise CalibrationError(msg)
        return lon, lat
    if site is None:
        return None
    try:
        plan = read_site(site)
    except SiteError as fault:
        raise CalibrationError(str(fault)) from fault
    return plan.longitude, plan.latitude


def fitted(pairs: Pairs, size: tuple[int, int], camera: Camera, *, seek: bool = True) -> Calibrated:
    """Calibrate with what is known of the camera's lens.

    Raises
    ------
    CalibrationError
        If the pairs give no ground.
    """
    try:
        return calibrate(pairs, size, camera.lens, seek_lens=seek)
    except GroundError as fault:
        raise CalibrationError(str(fault)) from fault


def own_pairs(camera: Camera, size: tuple[int, int]) -> Pairs:
    """Pairs of the camera's configuration, in pictures of this size [px]."""
    ground = camera.opened(*size).vision(*size).ground
    return Pairs(
        np.array([pair.image for pair in ground], float).reshape(-1, 2),
        np.array([pair.ground for pair in ground], float).reshape(-1, 2),
    )


def run(
    path: Path,
    camera: Camera,
    *,
    marks: Path | None,
    size: str | None,
    origin: str | None,
    site: Path | None,
    save: bool,
    as_json: bool,
    say: Callable[[str], Any],
) -> None:
    """Say what the pairs of a file, or of the configuration itself, are worth.

    Raises
    ------
    EdgeError
        If anything given cannot be used.
    """
    if save:
        check_writable(path)
    pixels = size_of(camera, size)
    pairs = own_pairs(camera, pixels)
    if marks is not None:
        pairs = read_marks(marks).pairs(pixels, camera.drawn_on, origin_of(origin, site))
    if not len(pairs.image):
        msg = f"{path}: camera.calibration is empty; give --pairs FILE, or click them with --page"
        raise CalibrationError(msg)
    found = fitted(pairs, pixels, camera)
    given = report(pairs, found, places_of(camera, pixels), pixels)
    block = block_of(pairs, found, [], pixels, camera.drawn_on)
    if as_json:
        say(json.dumps(as_document(given) | {"block": block._asdict()}))
    else:
        for line in lines(given, written(pairs.image, pixels, camera.drawn_on)):
            say(line)
        say("")
        say(pasted(path, block).rstrip())
    if save:
        said = write(path, block, camera.drawn_on)
        if not as_json:
            say(said)
