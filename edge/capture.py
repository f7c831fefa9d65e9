"""The process of one camera: it alone decodes, and only numbers and pixelated pictures leave it.

``python -m edge.capture`` reads the camera's configuration as one line of JSON from its standard
input and writes messages (`edge.wire`) to its standard output. Further lines ask for pictures
(`edge.darkroom.Requests`). When its standard input ends, so does the process. Its one argument, if
any, is the name of the device, for the pictures' proof.
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
from contracts.incidents import Detail, to_text
from edge.configuration.camera import Camera
from edge.darkroom import Darkroom, Requests
from edge.errors import SourceError
from edge.sources import open_video
from edge.video import Video
from edge.vision.frames import Frame
from edge.vision.ground import GroundError
from edge.vision.incidents.cases import Incident
from edge.vision.pipeline import Observation, Pipeline
from edge.wire import (
    TRACKS,
    Crossed,
    Detecting,
    Ended,
    Happened,
    Message,
    Occupied,
    Opened,
    Resized,
    Seen,
    Timed,
    Turned,
    Visited,
    pack,
)

GRACE: Final = 2.0
"""How long the frame at hand may take when it is time to end. [s]"""
_PR_SET_PDEATHSIG: Final = 1


class Parent:
    """The agent: what it asks for, and where messages go."""

    def __init__(self, output: FileIO) -> None:
        self.gone = threading.Event()
        self.requests = Requests()
        self._output = output

    def listen(self) -> None:
        """Take in requests until the agent wants no more, or is no more."""
        for line in sys.stdin.buffer:
            self.requests.take(line)
        self.gone.set()
        # The frame at hand may be stuck in a decoder or in a network: then the process goes anyway.
        time.sleep(GRACE)
        os._exit(1)

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
    last = said = None
    with open_video(camera, utc_now) as video:
        size = video.width, video.height
        camera = camera.opened(*size)
        pipeline = Pipeline(camera.vision(*size), camera.vision, must_name=False)
        darkroom = Darkroom(camera, sys.argv[1]) if len(sys.argv) > 1 else None
        parent.send(Opened(*size, video.rate))
        untold = video.sender
        for frame in video.frames:
            began = time.perf_counter()
            if untold is not None and untold.told is not None:
                parent.send(Timed(*untold.told))
                untold = None
            if size != (video.width, video.height):
                size = video.width, video.height
                last = None
                parent.send(Resized(*size))
            seen = pipeline.step(frame)
            for incident in seen.incidents:
                if incident.phase == "begins":
                    parent.requests.snapshot(str(incident.id), incident.kind)
            due = parent.requests.due()
            pictures = darkroom.step(frame, seen.hide, due) if darkroom is not None else []
            same = last is not None and _same(frame, last)
            last = frame
            if (naming := pipeline.naming.state) is not None and naming != said:
                said = naming
                parent.send(Detecting(frame.captured, *naming, pipeline.naming.rate))
            parent.send(
                _message(
                    seen, video, time.perf_counter() - began, same=same,
                    blind=pipeline.blind, detector=pipeline.naming.spent,
                )
            )  # fmt: skip
            for picture in pictures:
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


def _message(
    seen: Observation,
    video: Video,
    processing: float,
    *,
    same: bool,
    blind: bool,
    detector: float | None,
) -> Seen:
    return Seen(
        captured=seen.captured,
        processing=processing,
        dropped=video.dropped,
        same=same,
        blind=blind,
        detector=detector,
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
                crossing.speed_sd,
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
        incidents=[_happened(incident) for incident in seen.incidents],
    )


def _happened(one: Incident) -> Happened:
    detail = Detail(
        incident=one.id,
        phase=one.phase,
        began=one.began,
        why=one.why,
        tracks=one.tracks,
        at=one.at,
    )
    return Happened(
        one.id, one.kind, one.phase, one.captured, one.place, one.cls, one.track, one.value,
        one.confidence, to_text(detail),
    )  # fmt: skip


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
