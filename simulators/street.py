"""A whole simulated street without a clock: scenes, pictures and truth, as fast as can be."""

import itertools
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

import cv2
import numpy as np

from contracts.clock import MICROSECONDS
from contracts.site import Site, read_site
from simulators.errors import UnknownCameraError
from simulators.ground import Image
from simulators.render import Renderer, to_jpeg
from simulators.signals import SignalEvent
from simulators.truth import SIGNALS, Passage, passages
from simulators.world import STEP, WARM_UP, Scene, World

START: Final = 1_777_878_000 * MICROSECONDS
"""Start of a run without a clock: 2026-05-04 07:00 UTC, a Monday. [us]"""


class Moment(NamedTuple):
    """What a street shows after one step."""

    scene: Scene
    passages: list[Passage]
    signal: list[SignalEvent]


def moments(world: World, site: Site, seconds: float) -> Iterator[Moment]:
    """Yield the steps of a run, the one that ends at `STEP` first."""
    before = world.scene
    approaches = {approach.id: approach.phase for approach in site.approaches}
    named = ((line.id, approaches[line.approach]) for line in site.lines if line.approach)
    phases = {line: phase for line, phase in named if phase is not None}
    steps: Iterable[int] = itertools.count()  # an infinite run
    if not math.isinf(seconds):
        steps = range(round(seconds / STEP))
    for _ in steps:
        scene = world.step()
        found = [
            p._replace(signal=SIGNALS[world.colour(phases[p.line], p.time)])
            if p.line in phases
            else p
            for p in passages(before, scene, site.lines)
        ]
        yield Moment(scene, found, world.signal_events())
        before = scene


def renderer(site: Site, device: str, *, seed: int) -> Renderer:
    """Make the renderer of a device's camera.

    Raises
    ------
    UnknownCameraError
        If the site plan has none.
    """
    for number, camera in enumerate(site.cameras):
        if camera.device == device:
            return Renderer(camera, site.shapes, seed=seed + 1000 * number)
    msg = f"no camera {device!r} in {site.id}, only {[c.device for c in site.cameras]}"
    raise UnknownCameraError(msg)


def street_frames(
    site_dir: Path,
    camera: str = "cam-1",
    *,
    seed: int,
    seconds: float,
    truth: list[Passage] | None = None,
    warm_up: float = WARM_UP,
) -> Iterator[tuple[Image, int]]:
    """Yield what a camera sends: picture (height, width, 3) and captured time [us].

    Parameters
    ----------
    site_dir : Path
        Folder of the pilot.
    camera : str
        Device whose camera it is.
    seed : int
        Same seed, same pictures, same truth.
    seconds : float
        Duration of the run. [s]
    truth : list of Passage, optional
        Is filled with the passages of this camera's own lines while the run goes on.
    warm_up : float
        Time simulated before the first picture. [s]
    """
    site = read_site(site_dir / "site.toml")
    painter = renderer(site, camera, seed=seed)
    own = {line.id for line in site.lines if line.device == camera}
    with World(site_dir, seed=seed, warm_up=warm_up) as world:
        for moment in moments(world, site, seconds):
            if truth is not None:
                truth.extend(p for p in moment.passages if p.line in own)
            data = np.frombuffer(to_jpeg(painter.picture(moment.scene)), np.uint8)
            yield (
                np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR)),
                captured(START, moment.scene.time),
            )


def captured(start: int, time: float) -> int:
    """Give the captured time [us] of a moment [s] of a run that began at `start` [us]."""
    return start + round(time * MICROSECONDS)
