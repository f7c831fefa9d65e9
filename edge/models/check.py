"""What a model's file can do on this machine: head, classes, speed, memory."""

import gc
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

import cv2
import numpy as np
import psutil

from edge.configuration.camera import Camera
from edge.errors import DetectorError
from edge.models.names import Classes
from edge.models.signature import Signature
from edge.models.weights import weights
from edge.vision.detections import Detections
from edge.vision.detector import Detector
from edge.vision.frames import Image

THREADS: Final = (1, 2)
"""Numbers of threads that the speed is measured with."""
RUNS: Final = 50
"""Most requests that a speed is measured from ..."""
PATIENCE: Final = 10.0
"""... and how long they may take together, the first ones aside. [s]"""
FEWEST: Final = 5
"""Requests that are measured however long they take."""
WARM_UP: Final = 2
"""Requests before, which take longer and are not counted."""
WIDTH, HEIGHT = 1280, 720  # of the picture that is asked about where none is given [px]
_MEGABYTE: Final = 1e6


class Speed(NamedTuple):
    """Time of one request, from the camera's picture to the road users."""

    threads: int
    requests: int
    median_ms: float
    p95_ms: float
    per_s: float  # 1 / median
    core_ms: float  # processor time, mean


class Memory(NamedTuple):
    """What the process grew by when the model was loaded and asked. [MB]."""

    rss: float
    pss: float | None  # None: this system does not tell


class Checked(NamedTuple):
    """A model, as it was found."""

    path: Path
    weights: list[Path]  # files beside it
    sha256: str  # of all of them
    bytes: int  # in all of them
    head: str
    placing: str  # what is done about pictures of another shape
    signature: Signature
    classes: Classes
    speeds: list[Speed]
    memory: Memory
    picture: Path | None
    found: Detections | None  # in that picture


def check_model(path: Path, picture: Path | None, progress: Callable[[float], None]) -> Checked:
    """Load a model and measure it.

    Parameters
    ----------
    path, picture : Path
        The model, and a picture that it is asked about.
    progress
        Told the share that is done.

    Raises
    ------
    DetectorError
        If the model cannot be used, or the picture not be read.
    """
    image = _noise() if picture is None else _read(picture)
    before = _memory()
    detector = Detector(path, THREADS[0])
    found = detector(image)
    after = _memory()
    pss = None if after.pss is None or before.pss is None else after.pss - before.pss
    speeds = []
    for n, threads in enumerate(THREADS):

        def part(share: float, n: int = n) -> None:
            progress((n + share) / len(THREADS))

        timed = detector if threads == THREADS[0] else Detector(path, threads)
        speeds.append(_speed(timed, threads, image, part))
    beside = weights(path)
    return Checked(
        path, beside, detector.sha256, sum(file.stat().st_size for file in (path, *beside)),
        detector.head.name, detector.head.placing.fit.value, detector.signature,
        detector.classes, speeds, Memory(after.rss - before.rss, pss),
        picture, None if picture is None else found,
    )  # fmt: skip


def explain_detector(camera: Camera) -> list[str]:
    """Say in lines what the detector of a camera is, and how often it will be asked.

    Raises
    ------
    DetectorError
        If it cannot be used.
    """
    if camera.detector is None:
        return []
    detector = Detector(camera.detector, camera.detector_threads, camera.detector_sha256)
    users = sorted({user.name.lower() for user in detector.classes.used.values()})
    assumed = " (assumed, the file does not say)" if detector.classes.assumed else ""
    size = f"{detector.signature.width}x{detector.signature.height}"
    often = (
        f"as often as {camera.detector_share:g} of a core allows"
        if camera.detector_every == "auto"
        else f"every {camera.detector_every} frames"
    )
    return [
        f"detector {detector.head.name}, {size}, sha256 {detector.sha256}",
        f"         names {', '.join(users)}{assumed}; asked {often}",
    ]


def _speed(
    detector: Detector, threads: int, image: Image, progress: Callable[[float], None]
) -> Speed:
    for _ in range(WARM_UP):
        detector(image)
    walls: list[float] = []
    core, began = time.process_time(), time.perf_counter()
    while len(walls) < RUNS:
        start = time.perf_counter()
        detector(image)
        now = time.perf_counter()
        walls.append(now - start)
        late = (now - began) / PATIENCE
        progress(min(max(len(walls) / RUNS, late), 1.0))
        if late >= 1 and len(walls) >= FEWEST:
            break
    core = time.process_time() - core
    median, p95 = np.percentile(walls, [50, 95])
    n = len(walls)
    return Speed(threads, n, 1e3 * median, 1e3 * p95, 1 / median, 1e3 * core / n)


def _memory() -> Memory:
    gc.collect()
    info = psutil.Process().memory_full_info()
    pss = getattr(info, "pss", None)
    return Memory(info.rss / _MEGABYTE, None if pss is None else pss / _MEGABYTE)


def _noise() -> Image:
    return np.random.default_rng(1).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)


def _read(path: Path) -> Image:
    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as fault:
        msg = f"--picture {path}: {fault.strerror}; give a picture"
        raise DetectorError(msg) from fault
    image = cv2.imdecode(data, cv2.IMREAD_COLOR) if len(data) else None
    if image is None:
        msg = f"--picture {path}: not a picture that can be read; give a JPEG or PNG"
        raise DetectorError(msg)
    return np.asarray(image, np.uint8)
