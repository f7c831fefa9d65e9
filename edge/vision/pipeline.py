"""All stages for one camera: a frame in, road users and passages out."""

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np

from contracts.classes import SIZE, RoadUser
from edge.vision.boxes import area, centre, clip, foot, intersection, size
from edge.vision.classify import by_size
from edge.vision.counting import Counter, Crossing, Line
from edge.vision.detections import Detections
from edge.vision.frames import Bytes, Float32s, Floats, Frame, Ids, Integers
from edge.vision.fusion import blind, fuse, without_motion
from edge.vision.ground import Ground, Motions, Odometer, clear_heading
from edge.vision.incidents.cases import Incident
from edge.vision.incidents.scene import scene
from edge.vision.incidents.watch import Watch
from edge.vision.lens import Lens
from edge.vision.motion import Motion
from edge.vision.naming import Naming
from edge.vision.pose import projection
from edge.vision.settings import VisionSettings
from edge.vision.sizes import Dimensions, Sizes, View
from edge.vision.small import Small, small
from edge.vision.tracker import BORDER, PATIENCE, Tracker
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
    speed_sd: Float32s  # (n,) standard error of vx and of vy [m/s]
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
    incidents: list[Incident]  # that begin or end


class Pipeline:
    """Vision of one camera. The first frame sets the size; another size starts afresh.

    Parameters
    ----------
    settings
        For pictures of the size that is expected.
    at_size
        Gives the settings for pictures of another width and height [px]; the same without it.
    must_name
        Whether a detector that cannot be used is an error; else motion goes on alone.
    """

    def __init__(
        self,
        settings: VisionSettings,
        at_size: Callable[[int, int], VisionSettings] | None = None,
        *,
        must_name: bool = True,
    ) -> None:
        self._at_size = at_size
        self.naming = Naming(settings, must=must_name)
        self._draw(settings)
        self._shape = (0, 0)
        self._first_id = 1

    def _draw(self, settings: VisionSettings) -> None:
        """Take in what lies where in the picture."""
        self._settings = settings
        self._ground: Ground | None = None

    def _begin(self, width: int, height: int, seen: Small) -> None:
        self._shape = (height, width)
        if self._at_size is not None:
            self._draw(self._at_size(width, height))
        self._motion = Motion(*seen.luma.shape[::-1])
        self._tracker = Tracker(width, height, self._first_id)
        lines = [Line(line.id, line.a, line.b) for line in self._settings.lines]
        self._counter = Counter([line.beyond_borders(width, height) for line in lines])
        self._turns = Turns({line.id: line.enters for line in self._settings.lines if line.enters})
        self._zones = Zones(
            [Zone(zone.id, np.array(zone.corners, float)) for zone in self._settings.zones]
        )
        self._odometer = Odometer()
        self._ground = ground_of(self._settings, width, height)
        self._sizes = (
            None
            if self._ground is None
            else Sizes(view_of(self._settings, self._ground, width, height))
        )
        corners = {zone.id: np.array(zone.corners, float) for zone in self._settings.zones}
        by_id = {line.id: line for line in lines}
        self._watch = Watch(self._settings.incidents, corners, by_id)

    def step(self, frame: Frame) -> Observation:
        """Look at the next frame."""
        look = small(frame)
        height, width = frame.height, frame.width
        if (height, width) != self._shape:
            if self._shape != (0, 0):
                self._first_id = self._tracker.next_id
            self._begin(width, height, look)
        before = self._tracker.tracks
        still = standing(before, frame.captured, self._settings.longest_stop)
        blobs = self._motion.look(look, frame.captured, still)
        predicted = self._tracker.predict(frame.captured)
        named = self.naming.step(frame)
        self.blind = blind(blobs)
        if self.blind and self.naming.able:
            found = without_motion(named)
        else:
            found = fuse(blobs, named, predicted, frame.captured, width, height)
        tracks = self._tracker.update(found)
        seen = self._observe(tracks, found, frame.captured)
        return seen._replace(incidents=seen.incidents + self._watch.look(look.luma, frame.captured))

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
            captured, self._tracker.parted, state.speed_sd,
        )  # fmt: skip
        turns = self._turns.step(tracks.id, crossings)
        visits, occupancy = self._zones.step(
            tracks.id, seen, tracks.confirmed, point, extent, kind, tracks.score, captured
        )
        show = shown(tracks, captured, width, height)
        dimensions = self._measure(tracks, state, kind, captured)
        xy = self._middle(state, point, kind, dimensions)
        single = (*xy.T, *state.velocity.T, state.speed_sd, state.heading, sd, *dimensions)
        x, y, vx, vy, speed_sd, heading, sd, length, breadth = (
            column[show].astype(np.float32) for column in single
        )
        box = clip(boxes[show], width, height).astype(np.float32)
        return Observation(
            captured, tracks.id[show], kind[show], box,
            x, y, vx, vy, speed_sd, heading, sd, length, breadth,
            tracks.score[show].astype(np.float32),
            crossings, turns, visits, occupancy,
            clip(np.concatenate((boxes, found.boxes)), width, height),
            self._watch.step(scene(tracks, point, state.xy, crossings, captured, self._shape)),
        )  # fmt: skip

    def _measure(self, tracks: Tracks, state: Motions, kind: Bytes, captured: int) -> Dimensions:
        """Length and width of all tracks."""
        if self._sizes is None:
            unknown = np.full(len(tracks), np.nan)
            return Dimensions(unknown, unknown)
        height, width = self._shape[:2]
        boxes = tracks.boxes
        inside = (boxes[:, :2] > BORDER * width).all(axis=1)
        inside &= (boxes[:, 2:] < np.array([width, height]) - BORDER * width).all(axis=1)
        whole = (tracks.seen == captured) & tracks.alone_now & inside
        return self._sizes.step(tracks.id, boxes, whole, clear_heading(state), kind, captured)

    def _middle(self, state: Motions, point: Floats, kind: Bytes, dimensions: Dimensions) -> Floats:
        """Middle (n, 2) [m] of road users: their foot point is where they begin, seen from here."""
        if self._ground is None or self._settings.anchor == "centre":
            return state.xy
        away = -self._ground.places(point).jacobian[:, :, 1]
        away /= np.hypot(*away.T)[:, None]
        along = state.heading - np.arctan2(away[:, 1], away[:, 0])
        usual = np.where((kind == RoadUser.UNKNOWN)[:, None], 0.0, _SIZES[kind])
        length, width = (
            np.where(np.isnan(own), other, own)
            for own, other in zip(dimensions, usual.T, strict=True)
        )
        half = (length * np.abs(np.cos(along)) + width * np.abs(np.sin(along))) / 2
        half = np.where(np.isnan(half), (length + width) / 4, half)
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


def ground_of(settings: VisionSettings, width: int, height: int) -> Ground | None:
    """Find the way to the ground from pictures of this size [px]; None where nothing tells it.

    Raises
    ------
    GroundError
        If the pairs of points give none.
    """
    if not settings.ground:
        return None
    return Ground.from_pairs(
        np.array([pair.image for pair in settings.ground], float),
        np.array([pair.ground for pair in settings.ground], float),
        None if settings.lens is None else settings.lens.lens(width, height),
    )


def view_of(settings: VisionSettings, ground: Ground, width: int, height: int) -> View:
    """Geometry of the camera that shows the ground so."""
    lens = ground.lens or Lens.ideal(width, height)
    known = settings.lens is not None and settings.lens.knows_focal
    camera = projection(ground, lens, float(lens.focal[0]) if known else None)
    return View(camera, ground.matrix, lens, settings.anchor == "centre")


def shown(tracks: Tracks, captured: int, width: int, height: int) -> Integers:
    """Rows of who is shown: believed, in the picture, and seen lately enough."""
    boxes = tracks.boxes
    inside = intersection(boxes, np.array([[0.0, 0.0, width, height]]))[:, 0] > 0.3 * area(boxes)
    recent = captured - tracks.seen <= PATIENCE / 3 * 1e6
    return np.flatnonzero(tracks.confirmed & inside & recent)
