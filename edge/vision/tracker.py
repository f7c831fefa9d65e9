"""Who is who from frame to frame: vectorised SORT [1]_ with ByteTrack's two-stage association [2]_.

All tracks are one set of arrays; nothing here loops over tracks.

References
----------
.. [1] A. Bewley et al., "Simple online and realtime tracking," ICIP 2016.
.. [2] Y. Zhang et al., "ByteTrack: multi-object tracking by associating every detection box,"
   ECCV 2022.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np

from edge.vision import kalman
from edge.vision.assignment import assign
from edge.vision.boxes import area, covered, gap, grow, intersection, iou, joint_area, size
from edge.vision.detections import Detections
from edge.vision.frames import Bools, Boxes, Floats, Integers
from edge.vision.tracks import MATURE_AGE, Tracks

HIGH: Final = 0.4
"""Score from which a detection may start a track; lower ones may only continue one."""
BUFFER: Final = 0.25
"""Boxes are compared grown by this share: what moves by its own size still meets itself."""
LEAST_IOU: Final = 0.1
"""Overlap of the grown boxes below which two boxes are not the same road user."""
LEAST_IOU_WEAK: Final = 0.5
"""The same for detections that are not sure of themselves."""
UNLIKE: Final = 3.0
"""Ratio of areas beyond which they are not either."""
CONFIRM_HITS: Final = 3
CONFIRM_AGE: Final = 0.25
"""Age at which what was seen often enough is believed. [s]"""
CONFIRM_MOVED: Final = 0.35
"""Way that what only motion saw must have made, in its own sizes: leaves flutter on the spot."""
LONELY: Final = 0.35
"""Gap to the next thing, in own sizes, from which nobody is near; pieces are nearer."""
PATIENCE: Final = 1.5
"""How long a confirmed track that is not seen is expected back. [s]"""
PATIENCE_NEW: Final = 0.35
"""The same for one that is not confirmed yet. [s]"""
STILL: Final = 0.15
"""Speed below which a road user stands. [own sizes / s]"""
BORDER: Final = 0.006
"""Margin at the image's border, as a share of its longer side, in which boxes are cut."""
TWINS: Final = 0.75
"""Overlap of two tracks that follow the same road user ..."""
TWINS_TIME: Final = 0.8
"""... when it lasts that long. [s]"""
TILING: Final = 0.8
"""Share of their common box that two boxes cover together, from which they may be two pieces."""
ALIKE: Final = 0.4
"""Difference of their speeds up to which they move alike. [sizes of the common box / s]"""
TILING_TIME: Final = 0.5
"""Time for which they must do so while moving alike, and longer than it was seen alone. [s]"""
WITHIN: Final = 0.5
"""Share of its box in another's from which a road user that is first seen was behind that one."""
PARTED: Final = 0.15
"""Share of its box in the other's down to which it has come out."""
SHORT: Final = 0.2
"""Share of its extent that a road user lacks from which something hides it, ..."""
HIDDEN: Final = 1.5
"""... unless it is so short for longer: then that is its extent. [s]"""
TRUE: Final = 0.35
"""Share of what it lacks up to which an edge may be off and be believed."""
LEARNT: Final = 0.5
"""Time constant with which the extent is learnt. [s]"""
NOBODY: Final = np.zeros((0, 2), np.uint32)
CAPACITY: Final = 500  # tracks; full: further detections are not followed


class Tracker:
    """Follows the road users of one camera.

    Parameters
    ----------
    width, height : int
        Size of the image. [px]
    first_id : int
        Id of the first track; those before are another tracker's of the same camera.
    """

    def __init__(self, width: int, height: int, first_id: int = 1) -> None:
        self.tracks = Tracks.empty()
        self.parted = NOBODY
        """Who came out of a group in this frame (k, 2): the new track, and the one it was in."""
        self._image = np.array([[0.0, 0.0, width, height]])
        self._now = -1
        self._step = 0.0
        self._next = first_id

    @property
    def next_id(self) -> int:
        """Id that no track has had yet."""
        return self._next

    def predict(self, captured: int) -> Tracks:
        """Move every track to a moment [µs]."""
        seconds = max(captured - self._now, 0) / 1e6 if self._now >= 0 else 0.0
        self._now, self._step = captured, seconds
        tracks = self.tracks
        if len(tracks):
            tracks.move(kalman.predict(kalman.BoxState(tracks.mean, tracks.cov), seconds))
        return tracks

    def update(self, detections: Detections) -> Tracks:
        """Take in what the frame shows; call `predict` first. Returns all tracks."""
        self.parted = NOBODY
        if not len(self.tracks) and not len(detections.score):
            return self.tracks
        track, detection = self._associate(detections)
        self._measure(track, detections.pick(detection), _lonely(detections.boxes)[detection])
        free = detections.score >= HIGH
        free[detection] = False
        if free.any():
            self._start(detections.pick(free))
        self._join()
        self._end()
        self._part()
        return self.tracks

    def _associate(self, detections: Detections) -> tuple[Integers, Integers]:
        """Pairs of rows: owners first, then strong with all, then weak, then the unconfirmed."""
        tracks = self.tracks
        owned = np.flatnonzero(detections.owner >= 0)
        pairs = [(detections.owner[owned], owned)]
        if len(owned) < min(len(tracks), len(detections.score)):
            pairs += self._matched(detections, *pairs[0])
        track, detection = (np.concatenate(side) for side in zip(*pairs, strict=True))
        return track, detection

    def _matched(
        self, detections: Detections, row: Integers, column: Integers
    ) -> Iterator[tuple[Integers, Integers]]:
        """Pairs of rows of each stage, without the tracks and detections that are paired."""
        tracks = self.tracks
        alike = iou(grow(tracks.boxes, BUFFER), grow(detections.boxes, BUFFER))
        mine, theirs = area(tracks.boxes)[:, None], area(detections.boxes)[None, :]
        mine, theirs = np.maximum(mine, 1), np.maximum(theirs, 1)
        alike[(mine > UNLIKE * theirs) | (theirs > UNLIKE * mine)] = 0
        alike[row] = 0
        alike[:, column] = 0
        high = detections.score >= HIGH
        stages = (
            (tracks.confirmed, high, LEAST_IOU),
            (tracks.confirmed, ~high, LEAST_IOU_WEAK),
            (~tracks.confirmed, high, LEAST_IOU),
        )  # fmt: skip
        for some, others, least in stages:
            if not (some.any() and others.any()):
                continue
            row, column = assign(alike * some[:, None] * others, least)
            alike[row] = 0
            alike[:, column] = 0
            yield row, column

    def _measure(self, track: Integers, found: Detections, lonely: Bools) -> None:
        t, now = self.tracks, self._now
        if not len(t):
            return
        if len(track):
            before = kalman.BoxState(t.mean[track], t.cov[track])
            seen = found.seen & ~self._cut(found.boxes, t.boxes[track])
            boxes = self._completed(track, found, seen)
            t.mean[track], t.cov[track] = kalman.update(before, boxes, seen)
            t.move(kalman.BoxState(t.mean, t.cov))
        t.alone_now[:] = False
        t.alone_now[track] = found.alone
        t.free[track] += np.where(found.alone & lonely, (now - t.seen[track]) / 1e6, 0)
        t.seen[track] = now
        t.alone[track] += found.alone
        t.votes[track, found.kind] += np.where(found.kind > 0, found.score, 0)
        t.named[track] |= (found.kind > 0) & (found.score >= HIGH)
        t.score[track] += 0.2 * (found.score - t.score[track])
        scale = np.maximum(kalman.scale_of(t.mean), 1.0)
        way = self._way(t.origin, t.boxes) / scale
        t.moved = np.where(t.seen == now, np.maximum(t.moved, way), t.moved)
        pace = np.hypot(t.mean[:, 0, 2], t.mean[:, 1, 2]) / scale
        t.still = np.where(pace > STILL, now, t.still)
        believed = (t.alone >= CONFIRM_HITS) & (now - t.born >= CONFIRM_AGE * 1e6)
        t.confirmed |= believed & (t.named | (t.moved >= CONFIRM_MOVED))

    def _completed(self, track: Integers, found: Detections, seen: Bools) -> Boxes:
        """Boxes (k, 4) [px] with what something that stands before them hides.

        Of a box that lacks much of its extent the edge is true that is where it was expected. Only
        for what motion saw alone: a detector sees whole road users.
        """
        t, now = self.tracks, self._now
        low, high = found.boxes[:, :2], found.boxes[:, 2:]
        extent, expected = t.extent[track], t.boxes[track]
        fair = seen[:, :2] & seen[:, 2:] & (found.alone & (found.kind == 0))[:, None]
        left = (high - low) / np.maximum(extent, 1e-9)
        # a post hides one extent; who goes away lacks something of both
        lacks = fair & (left < 1 - SHORT) & (left[:, ::-1] >= 1 - SHORT / 2)
        lacks &= (t.free[track] >= MATURE_AGE)[:, None]
        hidden = lacks & (now - t.whole[track] <= HIDDEN * 1e6)
        late = lacks & ~hidden
        share = 1 - np.exp(-self._step / LEARNT)
        learnt = np.where(fair & ~hidden, extent + share * (high - low - extent), extent)
        t.extent[track] = np.where(late, high - low, learnt)
        t.whole[track] = np.where(hidden, t.whole[track], now)
        off_low = np.abs(low - expected[:, :2])
        off_high = np.abs(high - expected[:, 2:])
        known = hidden & (np.minimum(off_low, off_high) <= TRUE * (extent - (high - low)))
        at_low = off_low <= off_high
        boxes: Boxes = np.hstack(
            (
                np.where(known & ~at_low, high - extent, low),
                np.where(known & at_low, low + extent, high),
            )
        )
        return boxes

    def _cut(self, boxes: Boxes, expected: Boxes) -> Bools:
        """Edges (n, 4) that the image's border shows in place of the true ones beyond it."""
        width, height = self._image[0, 2:]
        margin = BORDER * max(width, height)
        low = (boxes[:, :2] <= margin) & (expected[:, :2] < boxes[:, :2])
        high = (boxes[:, 2:] >= [width - margin, height - margin]) & (
            expected[:, 2:] > boxes[:, 2:]
        )
        return np.hstack((low, high))

    def _way(self, start: Boxes, end: Boxes) -> Floats:
        """Distance (n,) [px] that boxes moved as a whole: what only stretches has not moved."""
        margin = BORDER * self._image.max()
        limit = self._image[0, 2:]
        low, high = end[:, :2] - start[:, :2], end[:, 2:] - start[:, 2:]
        both = np.where(low * high > 0, np.minimum(np.abs(low), np.abs(high)), 0.0)
        low_cut = np.minimum(start[:, :2], end[:, :2]) <= margin
        high_cut = np.maximum(start[:, 2:], end[:, 2:]) >= limit - margin
        axes = np.where(low_cut, np.abs(high), np.where(high_cut, np.abs(low), both))
        way: Floats = np.hypot(axes[:, 0], axes[:, 1])
        return way

    def _start(self, found: Detections) -> None:
        found = found.pick(np.arange(min(len(found.score), CAPACITY - len(self.tracks))))
        fresh, old = Tracks.start(found, self._next, self._now), self.tracks
        if len(fresh) and len(old):
            share = covered(fresh.boxes, old.boxes)
            # who had met nobody can hide only those who came with it, and only a detector tells
            # two road users from two pieces of one
            share[:, old.met | ~old.confirmed | ~old.named] = 0
            share[~fresh.named] = 0
            around = share.argmax(axis=1)
            fresh.group[:] = np.where(share.max(axis=1) > WITHIN, old.id[around], 0)
        self.tracks += fresh
        self._next += len(found.score)

    def _part(self) -> None:
        """Note who came out of another's box by now: they came as a group."""
        t = self.tracks
        near = (intersection(t.boxes, t.boxes) > 0) & t.confirmed
        if not t.group.any():
            t.met |= near.sum(axis=1) > t.confirmed  # who is believed meets itself
            return
        one = t.group[:, None] == t.id[None, :]
        near &= ~one & ~one.T
        np.fill_diagonal(near, val=False)
        t.met |= near.any(axis=1)
        rows = np.flatnonzero((t.group > 0) & t.confirmed & (t.seen == self._now))
        row, other = np.nonzero(one[rows])
        row = rows[row]
        share = covered(t.boxes[row], t.boxes[other])[np.arange(len(row)), np.arange(len(row))]
        out = (share < PARTED) & (t.seen[other] == self._now)
        self.parted = np.column_stack((t.id[row[out]], t.id[other[out]]))
        t.group[row[out]] = 0

    def _join(self) -> None:
        """Make one of two tracks that are pieces of one thing: the older takes over."""
        t = self.tracks
        shared = np.flatnonzero((t.seen == self._now) & ~t.alone_now)
        if len(shared) < 2:  # noqa: PLR2004
            t.tiled[:] = 0.0
            return
        boxes, velocity = t.boxes[shared], t.mean[shared, :, 2]
        joint = joint_area(boxes, boxes)
        both = area(boxes)[:, None] + area(boxes)[None, :] - intersection(boxes, boxes)
        apart = np.hypot(*(velocity[:, None] - velocity[None, :]).transpose(2, 0, 1))
        pieces = np.tril((both > TILING * joint) & (apart < ALIKE * np.sqrt(joint)), -1)
        younger = np.flatnonzero(pieces.any(axis=1))
        best = np.where(pieces, both / joint, 0)[younger]
        older = shared[best.argmax(axis=1)] if len(best) else younger
        rows = shared[younger]
        tiled = np.where(t.still[rows] == self._now, t.tiled[rows] + self._step, t.tiled[rows])
        t.tiled[:] = 0.0
        t.tiled[rows] = tiled
        joined = (tiled > np.maximum(TILING_TIME, t.free[rows])) & ~t.named[rows]
        if not joined.any():
            return
        for piece, whole in zip(rows[joined], older[joined], strict=True):  # seldom even one
            pair = t.boxes[[piece, whole]]
            low, high = pair[:, :2].min(axis=0), pair[:, 2:].max(axis=0)
            t.mean[whole, :, :2] = np.column_stack(((low + high) / 2, high - low))
            t.move(kalman.BoxState(t.mean, t.cov))
        gone = np.zeros(len(t), bool)
        gone[rows[joined]] = True
        self.tracks = t.pick(~gone)

    def _end(self) -> None:
        """Forget who left, who was not seen for long, and who follows another's road user."""
        t, now, boxes = self.tracks, self._now, self.tracks.boxes
        age = (t.seen - t.born) / 1e6
        patience = np.where(t.confirmed, np.clip(age, PATIENCE_NEW, PATIENCE), PATIENCE_NEW)
        waiting = now - t.seen <= patience * 1e6
        inside = intersection(boxes, self._image)[:, 0] > 0.3 * area(boxes)
        older = np.tril(iou(boxes, boxes), -1) > TWINS
        t.twin = np.where(older.any(axis=1), t.twin, now)
        own = now - t.twin <= TWINS_TIME * 1e6
        stays = waiting & own & (inside | (t.seen == now))
        if not stays.all():
            self.tracks = t.pick(stays)


def _lonely(boxes: Boxes) -> Bools:
    """Who of boxes (n, 4) has nobody near."""
    apart = gap(boxes, boxes)
    np.fill_diagonal(apart, np.inf)
    lonely: Bools = apart.min(axis=1, initial=np.inf) > LONELY * size(boxes)
    return lonely
