"""Motion finds all that moves, the detector names it and separates what motion merges.

Either alone keeps working: without a detector the tracks' own predictions part merged regions;
where the detector is blind (from straight above, in the dark) motion goes on without it. Where
motion is blind, as all of the picture seems to move, the detector goes on without that.
"""

from typing import Final

import numpy as np

from edge.vision.boxes import area, covered, iou
from edge.vision.detections import Detections
from edge.vision.frames import Bools
from edge.vision.motion import UPHEAVAL, Blobs
from edge.vision.parting import Claims, part
from edge.vision.tracker import BORDER
from edge.vision.tracks import Tracks, mature

TRUSTED: Final = 0.4
"""Score from which a detector's box claims what moves in it."""
SAME: Final = 0.4
"""Overlap from which a detector's box and a track are about the same road user."""
WHOLE: Final = 0.6
"""Overlap of a moving region with a track from which the region is that road user, whole, ..."""
FRAGMENT: Final = 0.5
"""... and a detector's box that covers less of it than this names only a part."""
ENTERED: Final = 1.0
"""Way after which who is at the image's border is no longer entering, in own sizes."""
OCCUPIED: Final = 0.5
"""Share of a track's box that the detector gives to others, from which the track is in doubt."""
YOUNG: Final = 0.5
"""Age up to which a track may swell, as it is still entering. [s]"""


def blind(blobs: Blobs) -> bool:
    """Whether so much seems to move that motion says nothing of road users."""
    return bool(blobs.area.sum() > UPHEAVAL * blobs.size)


def without_motion(named: Detections | None) -> Detections:
    """Take what the detector alone shows of a frame: nothing where it was not asked."""
    return Detections.empty() if named is None else named


def fuse(
    blobs: Blobs, named: Detections | None, tracks: Tracks, now: int, width: int, height: int
) -> Detections:
    """Join moving regions and the detector's answer, if it was asked, to what a frame shows.

    Parameters
    ----------
    blobs : Blobs
        What moves.
    named : Detections or None
        The detector's answer; None in frames in which it was not asked.
    tracks : Tracks
        Tracks predicted to this frame.
    now : int
        Moment of the frame. [µs]
    width, height : int
        Size of the image. [px]
    """
    rows = np.flatnonzero(mature(tracks))
    claims = Claims(tracks.boxes[rows], rows, _growing(tracks, now, width, height)[rows])
    if named is None:
        return part(blobs, claims)[0]
    trusted = named.pick((named.score >= TRUSTED) & ~_fragments(named, blobs, tracks))
    tracks.doubt = np.where(_contradicted(tracks, trusted), tracks.doubt + 1, 0)
    free = (iou(claims.boxes, trusted.boxes) < SAME).all(axis=1) & (tracks.doubt[rows] == 0)
    n = len(trusted.score)
    both = Claims(
        np.concatenate((trusted.boxes, claims.boxes[free])),
        np.concatenate((np.full(n, -1), claims.owner[free])),
        np.concatenate((np.ones(n, bool), claims.growing[free])),
    )
    moving, claim = part(blobs, both)
    moving = moving.pick((claim < 0) | (claim >= n))  # of the others the detector's box is better
    return (
        _name(moving, named.pick(named.score >= TRUSTED))
        + trusted
        + named.pick(named.score < TRUSTED)
    )


def _growing(tracks: Tracks, now: int, width: int, height: int) -> Bools:
    margin = BORDER * max(width, height)
    limit = np.array([width - margin, height - margin])
    boxes = tracks.boxes
    beyond: Bools = np.hstack((boxes[:, :2] <= margin, boxes[:, 2:] >= limit))
    entering = beyond.any(axis=1) & (tracks.moved < ENTERED)
    growing: Bools = entering | (now - tracks.born < YOUNG * 1e6)
    return growing


def _fragments(named: Detections, blobs: Blobs, tracks: Tracks) -> Bools:
    """Detector's boxes (n,) on a part of a road user that motion sees whole."""
    regions = blobs.boxes * blobs.scale
    whole: Bools = np.any(iou(regions, tracks.boxes) > WHOLE, axis=1, keepdims=True)
    small = area(named.boxes)[:, None] < FRAGMENT * area(regions)[None, :]
    inside = covered(named.boxes, regions) > 0.8  # noqa: PLR2004
    fragments: Bools = np.any(inside & small & whole.T, axis=1)
    return fragments


def _contradicted(tracks: Tracks, trusted: Detections) -> Bools:
    """Tracks (n,) in whose place the detector sees others, and not them."""
    boxes = tracks.boxes
    unseen: Bools = np.all(iou(boxes, trusted.boxes) < SAME, axis=1)
    occupied: Bools = np.sum(covered(boxes, trusted.boxes), axis=1) > OCCUPIED
    return unseen & occupied


def _name(moving: Detections, named: Detections) -> Detections:
    """Give moving things the class of the detector's box that they match best, if any."""
    if not len(named.score) or not len(moving.score):
        return moving
    alike = iou(moving.boxes, named.boxes)
    best = alike.argmax(axis=1)
    good = alike[np.arange(len(best)), best] > SAME
    return moving._replace(kind=np.where(good, named.kind[best], moving.kind).astype(np.uint8))
