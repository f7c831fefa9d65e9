"""The process of one camera: it alone decodes, and only numbers and pixelated pictures leave it.

``python -m edge.capture`` reads the camera's configuration as one line of JSON from its standard
input and writes messages (`edge.wire`) to its standard output. A line ``picture`` asks for
pictures during the next seconds. When its standard input ends, so does the process.
"""

import ctypes
import os
import signal
import sys
import threading
import time
from io import FileIO
from typing import Final

import cv2
import numpy as np

from contracts.clock import MICROSECONDS, utc_now
from edge.config import Camera
from edge.errors import SourceError
from edge.sources import open_video
from edge.video import Video
from edge.vision.frames import Boxes, Frame, Image
from edge.vision.ground import GroundError
from edge.vision.pipeline import Observation, Pipeline
from edge.vision.privacy import Veil, pixelate
from edge.wire import (
    TRACKS,
    Crossed,
    Ended,
    Message,
    Occupied,
    Opened,
    Picture,
    Seen,
    Turned,
    Visited,
    pack,
)

ASKED: Final = 5.0
"""For so long after it was asked the process makes pictures [s] ..."""
PERIOD: Final = 0.5
"""... this far apart. [s]"""
WARM_UP: Final = 5_000_000
"""Motion is found against a background that is learnt first; who is there meanwhile would not be
found, so pictures of that time are pixelated whole. [us]"""
QUALITY: Final = 70
"""Of the JPEG. [%]"""
GRACE: Final = 2.0
"""How long the frame at hand may take when it is time to end. [s]"""
_PR_SET_PDEATHSIG: Final = 1


class Parent:
    """The agent: what it asks for, and where messages go."""

    def __init__(self, output: FileIO) -> None:
        self.gone = threading.Event()
        self._output = output
        self._asked = -ASKED  # monotonic [s]
        self._pictured = -PERIOD

    def listen(self) -> None:
        """Take in requests until the agent wants no more, or is no more."""
        for line in sys.stdin.buffer:
            if line == b"picture\n":
                self._asked = time.monotonic()
        self.gone.set()
        # The frame at hand may be stuck in a decoder or in a network: then the process goes anyway.
        time.sleep(GRACE)
        os._exit(1)

    def wants_picture(self) -> bool:
        """Whether this frame is to be shown."""
        now = time.monotonic()
        if now - self._asked > ASKED or now - self._pictured < PERIOD:
            return False
        self._pictured = now
        return True

    def send(self, message: Message) -> None:
        """Write a message; waits while the agent is busy, which slows the camera down."""
        rest = memoryview(pack(message))
        while rest:
            rest = rest[self._output.write(rest) :]


def main() -> None:
    """Run the camera that standard input describes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the agent, which ends us in order
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    output = FileIO(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a library prints is no message
    cv2.setNumThreads(1)
    camera = Camera.model_validate_json(sys.stdin.buffer.readline())
    parent = Parent(output)
    threading.Thread(target=parent.listen, name="requests", daemon=True).start()
    try:
        _watch(camera, parent)
    except BrokenPipeError:  # the agent is gone: nobody to tell
        os._exit(1)
    except (SourceError, GroundError) as fault:
        parent.send(Ended(str(fault)))


def _watch(camera: Camera, parent: Parent) -> None:
    pipeline = Pipeline(camera.vision)
    veil = Veil()
    last = first = None
    with open_video(camera, utc_now) as video:
        parent.send(Opened(video.width, video.height, video.rate))
        for frame in video.frames:
            began = time.perf_counter()
            seen = pipeline.step(frame)
            hide = veil.step(seen.hide, frame.captured)
            first = frame.captured if first is None else first
            picture = None
            if parent.wants_picture():
                learning = frame.captured - first < WARM_UP
                boxes = _whole(frame.image) if learning else hide
                picture = _picture(frame, pixelate(frame.image, boxes, pipeline.masks))
            same = last is not None and _same(frame, last)
            last = frame
            parent.send(_message(seen, video, time.perf_counter() - began, same=same))
            if picture is not None:
                parent.send(picture)
            if parent.gone.is_set():
                break
    parent.send(Ended(""))


def _same(one: Frame, other: Frame) -> bool:
    """Whether two pictures agree in every bit; few rows tell those apart that do not."""
    if one.planes is None or other.planes is None:
        pairs = [(one.image, other.image)]
    else:
        pairs = [*zip(one.planes[:3], other.planes[:3], strict=True)]
    return all(np.array_equal(a[::16], b[::16]) for a, b in pairs) and all(
        np.array_equal(a, b) for a, b in pairs
    )


def _whole(image: Image) -> Boxes:
    """One box around all of an image."""
    height, width = image.shape[:2]
    return np.array([[0.0, 0.0, width, height]])


def _picture(frame: Frame, hidden: Image) -> Picture:
    _, jpeg = cv2.imencode(".jpg", hidden, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return Picture(frame.captured, jpeg.tobytes())


def _message(seen: Observation, video: Video, processing: float, *, same: bool) -> Seen:
    return Seen(
        captured=seen.captured,
        processing=processing,
        dropped=video.dropped,
        same=same,
        tracks=_rows(seen),
        crossings=[
            Crossed(
                crossing.captured,
                crossing.line,
                1 if crossing.direction == "in" else -1,
                crossing.kind,
                crossing.track,
                crossing.speed,
                crossing.confidence,
            )
            for crossing in seen.crossings
        ],
        turns=[
            Turned(
                turn.captured,
                f"{turn.entry or ''}>{turn.exit or ''}",
                turn.kind,
                turn.track,
                turn.duration,
                turn.confidence,
            )
            for turn in seen.turns
        ],
        visits=[
            Visited(
                visit.left,
                visit.zone,
                visit.kind,
                visit.track,
                (visit.left - visit.entered) / MICROSECONDS,
                visit.confidence,
            )
            for visit in seen.visits
        ],
        occupancy=[
            Occupied(occupancy.captured, occupancy.zone, kind, number)
            for occupancy in seen.occupancy
            for kind, number in occupancy.by_class.items()
        ],
    )


def _rows(seen: Observation) -> bytes:
    """Rows of `TRACKS` of who has a place on the ground."""
    placed = np.isfinite(seen.x) & np.isfinite(seen.y)
    rows = np.empty(np.count_nonzero(placed), TRACKS)
    rows["t"] = seen.captured
    rows["track"] = seen.id[placed]
    rows["cls"] = seen.kind[placed]
    for name in ("x", "y", "vx", "vy", "heading", "sd", "length", "width"):
        rows[name] = getattr(seen, name)[placed]
    return rows.tobytes()


if __name__ == "__main__":
    main()
