"""Which moving region belongs to whom.

Motion merges road users that touch and breaks up one that resembles the road. Boxes where road
users are expected (predicted tracks, the detector's boxes) *claim* the moving pixels: pieces under
one claim are put together, a region under several is parted among them, and what nobody claims is
new. An edge along which a part touches another part was not really seen, and is said not to be.
"""

from typing import Final, NamedTuple

import cv2
import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from edge.vision.boxes import area, intersection
from edge.vision.detections import Detections
from edge.vision.frames import Bools, Boxes, Bytes, Floats, Integers
from edge.vision.motion import SMALLEST, Blobs

LINK: Final = 0.2
"""Common area of claim and region, as a share of the smaller one, that makes them one matter."""
REACH: Final = 1.35
"""Pixels belong to a claim up to so many times its half size from its centre."""
SUPPORT: Final = 0.15
"""Moving share of a claim's box below which nobody was seen there."""
SWELL: Final = 1.7
"""A region so many times larger than the only box that claims it holds someone else too."""
FILL: Final = 0.45
"""Least share of their common box that the pieces of one road user fill."""
GAP: Final = (0.12, 0.25)
"""Gap between them, across and upright, as a share of that box."""
TOUCH: Final = 0.4
"""Share of an edge that touches another part, from which the edge counts as hidden."""
SCORE: Final = 0.6
"""Score of what moved."""
LEFT_OVER: Final = 0.45
"""Smallest side of a left-over, as a share of its neighbours', that may be somebody new."""
_ENOUGH: Final = 60_000  # pixel-claim pairs; beyond, every second pixel answers


class Claims(NamedTuple):
    """Boxes where somebody is expected."""

    boxes: Boxes  # (k, 4) [px]
    owner: Integers  # (k,) row of the track, -1 for a detector's box
    growing: Bools  # (k,) still entering the image or newly born: may swell


def part(blobs: Blobs, claims: Claims) -> tuple[Detections, Integers]:
    """Divide moving regions among claims.

    Returns
    -------
    detections : Detections
        One for each claim that is moving, then one for each unclaimed thing. [image px]
    found : (d,) int
        Row of the claim that each detection answers, -1 for unclaimed ones.
    """
    boxes = claims.boxes / blobs.scale
    common = intersection(blobs.boxes, boxes)
    least = np.minimum(area(blobs.boxes)[:, None], area(boxes)[None, :])
    row, column = np.nonzero(common >= LINK * np.maximum(least, 1.0))
    total = len(blobs.boxes) + len(boxes)
    graph = coo_array((np.ones(len(row)), (row, column + len(blobs.boxes))), shape=(total, total))
    _, group = connected_components(graph, directed=False)
    blob_group, claim_group = group[: len(blobs.boxes)], group[len(blobs.boxes) :]
    claimed = np.isin(blob_group, claim_group)
    parts = _fresh(blobs, np.flatnonzero(~claimed))
    for g in np.unique(blob_group[claimed]):
        members, claimants = np.flatnonzero(blob_group == g), np.flatnonzero(claim_group == g)
        parts += _share(blobs, members, boxes, claimants, claims.growing)
    return _collect(parts, claims, blobs.scale)


class _Part(NamedTuple):
    box: Floats  # (4,) [working px]
    seen: Bools  # (4,)
    claim: int
    alone: bool


def _share(
    blobs: Blobs, members: Integers, boxes: Boxes, claimants: Integers, growing: Bools
) -> list[_Part]:
    """Divide one group of touching regions and claims."""
    if len(members) == len(claimants) == 1:
        box, claim = blobs.boxes[members[0]], claimants[0]
        swollen = area(box[None])[0] > SWELL * area(boxes[claimants])[0]
        if growing[claim] or not swollen:
            return [_Part(box, np.ones(4, bool), int(claim), True)]
    left, top = np.floor(blobs.boxes[members, :2].min(axis=0)).astype(int)
    right, bottom = np.ceil(blobs.boxes[members, 2:].max(axis=0)).astype(int)
    step = 1 if blobs.area[members].sum() * len(claimants) < _ENOUGH else 2
    region = blobs.labels[top:bottom:step, left:right:step]
    chosen = np.zeros(len(blobs.boxes) + 1, bool)
    chosen[members + 1] = True
    moving = chosen[region]
    own = _nearest(moving, (boxes[claimants] - [left, top, left, top]) / step)
    parts = [
        p
        for k, claim in enumerate(claimants)
        if (p := _part_of(own, k, claim, area(boxes[[claim]])[0] / step**2))
    ]
    side = (boxes[claimants, 2:] - boxes[claimants, :2]).min(axis=0) / step
    parts += _left_over(own, side, SMALLEST * blobs.labels.size / step**2)
    offset = np.array([left, top, left, top])
    return [p._replace(box=p.box * step + offset) for p in parts]


def _fresh(blobs: Blobs, members: Integers) -> list[_Part]:
    """Regions that nobody claims, close pieces put together."""
    boxes = blobs.boxes[members]
    joint_low = np.minimum(boxes[:, None, :2], boxes[None, :, :2])
    joint = np.maximum(boxes[:, None, 2:], boxes[None, :, 2:]) - joint_low
    gap = np.maximum(boxes[:, None, :2], boxes[None, :, :2]) - np.minimum(
        boxes[:, None, 2:], boxes[None, :, 2:]
    )
    near: Integers = np.all(gap < joint * GAP, axis=2).astype(np.int64)
    _, group = connected_components(coo_array(near), directed=False)
    parts = []
    for g in range(group.max(initial=-1) + 1):
        pieces = members[group == g]
        if not _one(blobs.boxes[pieces], blobs.area[pieces]):
            parts += [_Part(blobs.boxes[m], np.ones(4, bool), -1, True) for m in pieces]
            continue
        low, high = blobs.boxes[pieces, :2].min(axis=0), blobs.boxes[pieces, 2:].max(axis=0)
        parts.append(_Part(np.concatenate((low, high)), np.ones(4, bool), -1, True))
    return parts


def _one(boxes: Boxes, pixels: Floats) -> bool:
    """Whether pieces, largest first, may be of one thing: they fill their box, with no wide gap."""
    low, high = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
    if pixels.sum() < FILL * np.prod(high - low):
        return False
    main, rest = boxes[0], boxes[1:]
    gap = np.maximum(rest[:, :2] - main[2:], main[:2] - rest[:, 2:]) / (high - low)
    return bool((gap < GAP).all())


def _nearest(moving: Bools, boxes: Boxes) -> Integers:
    """Claim (h, w) of each pixel: its row, -1 where nothing moves, -2 where nobody claims."""
    y, x = np.nonzero(moving)
    middle, half = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]) / 2 + 0.5
    away = np.maximum(
        np.abs(x + 0.5 - middle[:, :1]) / half[:, :1], np.abs(y + 0.5 - middle[:, 1:]) / half[:, 1:]
    )
    nearest = away.argmin(axis=0)
    nearest[away[nearest, np.arange(len(x))] > REACH] = -2
    own = np.full(moving.shape, -1)
    own[y, x] = nearest
    return own


def _part_of(own: Integers, k: int, claim: int, expected: float) -> _Part | None:
    """Box of the pixels that claim `k` got, and which of its edges are free.

    Pieces that cannot be of the same thing are given back: -2 in `own`.
    """
    mine = own == k
    if mine.sum() < SUPPORT * expected:
        return None
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mine.astype(np.uint8), connectivity=8)
    order = np.argsort(-stats[1:, cv2.CC_STAT_AREA], kind="stable") + 1
    corner = stats[order, :2].astype(float)
    pieces = np.hstack((corner, corner + stats[order, 2:4]))
    if len(pieces) > 1 and not _one(pieces, stats[order, cv2.CC_STAT_AREA].astype(float)):
        own[mine & (labels != order[0])] = -2
        mine, pieces = labels == order[0], pieces[:1]
    x0, y0 = pieces[:, :2].min(axis=0).astype(int)
    x1, y1 = pieces[:, 2:].max(axis=0).astype(int)
    other = (own >= 0) & ~mine
    band = 3
    seen = [
        _free(mine[y0:y1, x0 : x0 + band], other[y0:y1, max(x0 - band, 0) : x0 + band]),
        _free(mine[y0 : y0 + band, x0:x1], other[max(y0 - band, 0) : y0 + band, x0:x1]),
        _free(mine[y0:y1, max(x1 - band, 0) : x1], other[y0:y1, max(x1 - band, 0) : x1 + band]),
        _free(mine[max(y1 - band, 0) : y1, x0:x1], other[max(y1 - band, 0) : y1 + band, x0:x1]),
    ]
    box = np.array([x0, y0, x1, y1], float)
    return _Part(box, np.array(seen), int(claim), all(seen))


def _free(mine: Bools, other: Bools) -> bool:
    return bool(other.sum() < TOUCH * mine.sum())


def _left_over(own: Integers, side: Floats, smallest: float) -> list[_Part]:
    """Things among the pixels that nobody claims."""
    rest: Bytes = (own == -2).astype(np.uint8)  # noqa: PLR2004
    if rest.sum() < smallest:
        return []
    _, _, stats, _ = cv2.connectedComponentsWithStats(rest, connectivity=4)
    parts = []
    for x, y, w, h, pixels in stats[1:].tolist():
        if pixels >= smallest and w >= LEFT_OVER * side[0] and h >= LEFT_OVER * side[1]:
            box = np.array([x, y, x + w, y + h], float)
            parts.append(_Part(box, np.ones(4, bool), -1, False))
    return parts


def _collect(parts: list[_Part], claims: Claims, scale: float) -> tuple[Detections, Integers]:
    if not parts:
        return Detections.empty(), np.zeros(0, int)
    claim = np.array([p.claim for p in parts])
    detections = Detections.of(np.array([p.box for p in parts]) * scale, np.full(len(parts), SCORE))
    owner = np.where(claim >= 0, np.append(claims.owner, -1)[claim], -1)
    seen, alone = np.array([p.seen for p in parts]), np.array([p.alone for p in parts])
    return detections._replace(seen=seen, owner=owner, alone=alone), claim
