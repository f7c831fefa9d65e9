"""A clip through the agent's own source and vision, as fast as it goes."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from contracts.clock import MICROSECONDS, Clock
from edge.configuration.camera import Camera
from edge.errors import SourceError
from edge.sources import open_video
from edge.verify.scoring import Boxed
from edge.verify.truth import TruthLine
from edge.vision.counting import Crossing
from edge.vision.frames import Bytes, Floats, Integers
from edge.vision.ground import away_from_camera
from edge.vision.pipeline import Pipeline, ground_of
from edge.vision.settings import LineSettings, VisionSettings


class Replay(NamedTuple):
    """What the agent saw in a clip."""

    width: int
    height: int
    lines: list[LineSettings]
    dropped: int  # frames that were corrupt or out of order
    number: Integers  # (n,) of each frame that was looked at, the clip's first is 0
    captured: Integers  # (n,) [us]
    stated: float  # how long it says to be [s], 0 unknown
    crossings: list[Crossing]
    boxes: Boxed
    kind: Bytes  # RoadUser of each box
    place: Floats  # (n, 2) middle of each on the ground, nan without calibration [m]
    away: Floats  # (n, 2) direction away from the camera there, of unit length

    @property
    def lasted(self) -> float:
        """Time [s] from its first frame to its last."""
        return float(self.captured[-1] - self.captured[0]) / MICROSECONDS

    def moment(self, number: Floats) -> Floats:
        """Moments [s] since the first frame of frames by their numbers."""
        moments = (self.captured - self.captured[0]) / MICROSECONDS
        found: Floats = np.interp(number, self.number, moments)
        return found


def replay(
    camera: Camera,
    lines: Sequence[TruthLine] | None,
    clock: Clock,
    progress: Callable[[float], None],
) -> Replay:
    """Let the agent's vision look at the recording that is its camera.

    Parameters
    ----------
    camera
        What the agent is told.
    lines
        Where to count; at the camera's own lines if None.
    clock
        Says what time it is.
    progress
        Told the share that is done, 0 while it is not known.

    Raises
    ------
    SourceError
        If it cannot be read to its end.
    """
    crossings: list[Crossing] = []
    number, captured, ids, boxes, kinds, places = [], [], [], [], [], []
    with open_video(camera, clock) as video:
        size, stated = (video.width, video.height), video.duration
        camera = camera.opened(*size)

        def settings(width: int, height: int) -> VisionSettings:
            own = camera.vision(width, height)
            if lines is None:
                return own
            given = [in_pixels(line, width, height) for line in lines]
            return own.model_copy(update={"lines": given})

        drawn = settings(*size).lines
        pipeline = Pipeline(settings(*size), settings)
        for frame in video.frames:
            seen = pipeline.step(frame)
            number.append(frame.number)
            captured.append(frame.captured)
            ids.append(seen.id)
            boxes.append(seen.box)
            kinds.append(seen.kind)
            places.append(np.column_stack((seen.x, seen.y)))
            crossings += seen.crossings
            done = (frame.captured - captured[0]) / MICROSECONDS
            progress(min(done / video.duration, 1.0) if video.duration else 0.0)
    if not number:
        msg = f"{camera.shown} has no frame that can be decoded"
        raise SourceError(msg)
    each = np.array([len(one) for one in ids])
    place = np.concatenate(places).astype(float)
    ground = ground_of(camera.vision(*size), *size)
    return Replay(
        *size, drawn, video.dropped,
        np.array(number), np.array(captured), stated, crossings,
        Boxed(
            np.repeat(number, each),
            np.concatenate(ids).astype(np.int64),
            np.concatenate(boxes).astype(float),
        ),
        np.concatenate(kinds),
        place,
        np.full_like(place, np.nan) if ground is None else away_from_camera(ground, place),
    )  # fmt: skip


def in_pixels(line: TruthLine, width: int, height: int) -> LineSettings:
    """Line of a truth file in a picture of this size [px].

    >>> in_pixels(TruthLine(id="road", a=(0, 0.5), b=(1, 0.5)), 320, 240).b
    (320.0, 120.0)
    """
    (ax, ay), (bx, by) = line.a, line.b
    return LineSettings(id=line.id, a=(ax * width, ay * height), b=(bx * width, by * height))
