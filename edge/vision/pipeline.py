"""All stages for one camera: a frame in, road users and passages out."""

from collections.abc import Callable
from typing import Final, NamedTuple

import cv2
import numpy as np

from contracts.classes import SIZE, RoadUser
from edge.vision.boxes import area, centre, clip, foot, intersection, size
from edge.vision.classify import by_size
from edge.vision.counting import Counter, Crossing, Line
from edge.vision.detections import Detections
from edge.vision.frames import Bytes, Float32s, Floats, Frame, Ids, Image, Integers
from edge.vision.fusion import fuse
from edge.vision.ground import Ground, Motions, Odometer
from edge.vision.motion import Motion
from edge.vision.settings import VisionSettings
from edge.vision.small import Small, blacken, small
from edge.vision.tracker import PATIENCE, Tracker
from edge.vision.tracks import Tracks, standing
from edge.vision.turns import Turn, Turns
from edge.vision.zones import Occupancy, Visit, Zone, Zones

LARGEST: Final = 0.12
"""Size beyond which boxes do not tremble more at a line, as a share of the image's diagonal."""
_SIZES: Final = np.array([SIZE[kind] for kind in RoadUser])
SIZE_VOTE: Final = 0.1
"""Vote of a fitting size for a class; a detector's votes weigh its score."""


class Observation(NamedTuple):
    """What one frame shows: n confirmed road users, and the passages that became certain."""

    captured: int  # [µs]
    id: Ids  # (n,) uint32
    kind: Bytes  # (n,) uint8 RoadUser
    box: Float32s  # (n, 4) left, top, right, bottom [px]
    x: Float32s  # (n,) middle, east of the site's origin [m], nan without homography
    y: Float32s  # (n,) north [m]
    vx: Float32s  # (n,) [m/s]
    vy: Float32s  # (n,) [m/s]
    heading: Float32s  # (n,) 0 = east, counter-clockwise [rad]
    sd: Float32s  # (n,) standard deviation of x and of y [m]
    length: Float32s  # (n,) [m], nan where not measured
    width: Float32s  # (n,) [m]
    confidence: Float32s  # (n,) in [0, 1]
    crossings: list[Crossing]
    turns: list[Turn]  # that are over
    visits: list[Visit]  # that ended
    occupancy: list[Occupancy]  # one for each zone once a second, else none
    hide: Floats  # (k, 4) every box to pixelate, confirmed or not [px]


class Pipeline:
    """Vision of one camera. The first frame sets the size; another size starts afresh."""

    def __init__(self, settings: VisionSettings) -> None:
        self._settings = settings
        self._detector = _detector(settings)
        pairs = settings.ground
        self._ground = (
            Ground.from_pairs(
                np.array([p.image for p in pairs], float),
                np.array([p.ground for p in pairs], float),
            )
            if pairs
            else None
        )
        self.masks: list[Integers] = [np.round(m).astype(np.int64) for m in settings.masks]
        self._shape = (0, 0)
        self._asked = 0
        self.small: Small | None = None
        """The last frame as motion saw it, masks blacked out."""

    def _begin(self, width: int, height: int, small: Small) -> None:
        self._shape = (height, width)
        self._motion = Motion(*small.luma.shape[::-1])
        self._tracker = Tracker(width, height)
        lines = (Line(line.id, line.a, line.b) for line in self._settings.lines)
        self._counter = Counter([line.beyond_borders(width, height) for line in lines])
        self._turns = Turns({line.id: line.enters for line in self._settings.lines if line.enters})
        self._zones = Zones(
            [Zone(zone.id, np.array(zone.corners, float)) for zone in self._settings.zones]
        )
        self._odometer = Odometer()

    def step(self, frame: Frame) -> Observation:
        """Look at the next frame."""
        seen = small(frame)
        height, width = frame.height, frame.width
        if (height, width) != self._shape:
            self._begin(width, height, seen)
        blacken(seen, self.masks)
        self.small = seen
        before = self._tracker.tracks
        still = standing(before, frame.captured, self._settings.longest_stop)
        blobs = self._motion.look(seen, frame.captured, still)
        predicted = self._tracker.predict(frame.captured)
        named = self._ask(frame)
        found = fuse(blobs, named, predicted, frame.captured, width, height)
        tracks = self._tracker.update(found)
        return self._observe(tracks, found, frame.captured)

    def _ask(self, frame: Frame) -> Detections | None:
        if self._detector is None:
            return None
        self._asked += 1
        if (self._asked - 1) % self._settings.detector_every:
            return None
        image = frame.image
        if self.masks:
            image = image.copy()
            cv2.fillPoly(image, [m.astype(np.int32) for m in self.masks], (0, 0, 0))
        return self._detector(image)

    def _observe(self, tracks: Tracks, found: Detections, captured: int) -> Observation:
        boxes = tracks.boxes
        seen = tracks.seen == captured
        point = foot(boxes) if self._settings.anchor == "foot" else centre(boxes)
        state, sd = self._locate(tracks, point, captured)
        speed = np.hypot(*state.velocity.T)
        kind = tracks.kind.astype(np.uint8)
        height, width = self._shape
        extent = np.minimum(size(clip(boxes, width, height)), LARGEST * np.hypot(width, height))
        crossings = self._counter.step(
            tracks.id, seen, tracks.confirmed, point, extent, kind, speed, tracks.score,
            captured, self._tracker.parted,
        )  # fmt: skip
        turns = self._turns.step(tracks.id, crossings)
        visits, occupancy = self._zones.step(
            tracks.id, seen, tracks.confirmed, point, extent, kind, tracks.score, captured
        )
        show = shown(tracks, captured, width, height)
        xy = self._middle(state, point, kind)
        single = (xy[:, 0], xy[:, 1], *state.velocity.T, state.heading, sd)
        x, y, vx, vy, heading, sd = (column[show].astype(np.float32) for column in single)
        unknown = np.full(len(show), np.nan, np.float32)
        box = clip(boxes[show], width, height).astype(np.float32)
        return Observation(
            captured, tracks.id[show], kind[show], box,
            x, y, vx, vy, heading, sd, unknown, unknown, tracks.score[show].astype(np.float32),
            crossings, turns, visits, occupancy,
            clip(np.concatenate((boxes, found.boxes)), width, height),
        )  # fmt: skip

    def _middle(self, state: Motions, point: Floats, kind: Bytes) -> Floats:
        """Middle (n, 2) [m] of road users: their foot point is where they begin, seen from here."""
        if self._ground is None or self._settings.anchor == "centre":
            return state.xy
        away = -self._ground.places(point).jacobian[:, :, 1]
        away /= np.hypot(*away.T)[:, None]
        along = state.heading - np.arctan2(away[:, 1], away[:, 0])
        length, width = _SIZES[kind].T
        half = (length * np.abs(np.cos(along)) + width * np.abs(np.sin(along))) / 2
        half = np.where(np.isnan(half), (length + width) / 4, half)
        half[kind == RoadUser.UNKNOWN] = 0.0
        middle: Floats = state.xy + half[:, None] * away
        return middle

    def _locate(self, tracks: Tracks, point: Floats, captured: int) -> tuple[Motions, Floats]:
        """Ground state of all tracks; sizes on the ground vote for a class."""
        n = len(tracks)
        if self._ground is None:
            none = np.full((n, 2), np.nan)
            return Motions(none, none, none[:, 0], none[:, 0]), none[:, 0]
        places = self._ground.places(point)
        pixel = np.sqrt(np.maximum(tracks.cov[:, :, 0, 0], 0))
        sd = np.sqrt(((places.jacobian * pixel[:, None, :]) ** 2).sum(axis=(1, 2)) / 2)
        seen = tracks.seen == captured
        state = self._odometer.step(tracks.id, places.xy, sd, seen, captured)
        kind = by_size(tracks.boxes, places.jacobian, state.heading, np.hypot(*state.velocity.T))
        vote = seen & tracks.alone_now & (kind != RoadUser.UNKNOWN)
        tracks.votes[np.flatnonzero(vote), kind[vote]] += SIZE_VOTE
        return state, sd


def _detector(settings: VisionSettings) -> Callable[[Image], Detections] | None:
    if settings.detector is None:
        return None
    # ONNX Runtime takes 12 MB that a camera without a detector has no use for
    from edge.vision.detector import Detector  # noqa: PLC0415

    return Detector(settings.detector, settings.detector_threads)


def shown(tracks: Tracks, captured: int, width: int, height: int) -> Integers:
    """Rows of who is shown: believed, in the picture, and seen lately enough."""
    boxes = tracks.boxes
    inside = intersection(boxes, np.array([[0.0, 0.0, width, height]]))[:, 0] > 0.3 * area(boxes)
    recent = captured - tracks.seen <= PATIENCE / 3 * 1e6
    return np.flatnonzero(tracks.confirmed & inside & recent)
