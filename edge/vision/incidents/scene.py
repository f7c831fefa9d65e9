"""What one frame says of the road users, as far as incidents need it."""

from typing import NamedTuple

import numpy as np

from edge.vision.boxes import clip, size
from edge.vision.counting import Crossing
from edge.vision.frames import Bools, Boxes, Bytes, Floats, Ids
from edge.vision.tracks import Tracks


class Scene(NamedTuple):
    """n confirmed road users, ascending by id: who is not believed makes no incident."""

    captured: int  # [µs]
    id: Ids  # (n,)
    seen: Bools  # (n,) in this very frame
    kind: Bytes  # (n,) RoadUser
    box: Boxes  # (n, 4) [px]
    point: Floats  # (n, 2) where it is on the ground [px]
    size: Floats  # (n,) [px]
    velocity: Floats  # (n, 2) [px/s]
    moved: Floats  # (n,) longest way from where it was first seen [own sizes]
    score: Floats  # (n,)
    xy: Floats  # (n, 2) on the ground, nan where it is not known [m]
    crossings: list[Crossing]  # of lines, that became certain in this frame

    @property
    def pace(self) -> Floats:
        """Speed (n,) [own sizes / s]."""
        pace: Floats = np.hypot(*self.velocity.T) / np.maximum(self.size, 1.0)
        return pace

    def pick(self, rows: Bools) -> "Scene":
        """Scene with some of them."""
        return Scene(
            self.captured, self.id[rows], self.seen[rows], self.kind[rows], self.box[rows],
            self.point[rows], self.size[rows], self.velocity[rows], self.moved[rows],
            self.score[rows], self.xy[rows], self.crossings,
        )  # fmt: skip


def scene(
    tracks: Tracks,
    point: Floats,
    xy: Floats,
    crossings: list[Crossing],
    captured: int,
    shape: tuple[int, ...],
) -> Scene:
    """Scene of the confirmed among the tracks in a picture of this shape (h, w, ...)."""
    rows = np.flatnonzero(tracks.confirmed)
    boxes = tracks.boxes[rows]
    height, width = shape[:2]
    return Scene(
        captured,
        tracks.id[rows],
        tracks.seen[rows] == captured,
        tracks.kind[rows].astype(np.uint8),
        clip(boxes, width, height),
        point[rows],
        np.maximum(size(boxes), 1.0),
        tracks.mean[rows, :, 2],
        tracks.moved[rows],
        tracks.score[rows],
        xy[rows],
        crossings,
    )
