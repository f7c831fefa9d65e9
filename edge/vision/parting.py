"""Which moving region belongs to whom.

Motion merges road users that touch and breaks up one that resembles the road. Boxes where road
users are expected (predicted tracks, the detector's boxes) *claim* the moving pixels: pieces under
one claim are put together, a region under several is parted among them, and what nobody claims is
new. An edge along which a part touches another part was not really seen, and is said not to be.
"""

from bisect import bisect_left
from typing import Final, NamedTuple

import cv2
import numpy as np

from edge.vision.boxes import area, intersection
from edge.vision.detections import Detections
from edge.vision.frames import Bools, Boxes, Bytes, Floats, Integers
from edge.vision.groups import groups
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
_WHOLE: Final = np.ones(4, bool)  # all edges are seen
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
    boxes, n = claims.boxes / blobs.scale, len(blobs.boxes)
    if not len(boxes):
        return _collect(_fresh(blobs, np.arange(n)), claims, blobs.scale)
    common = intersection(blobs.boxes, boxes)
    least = np.minimum(area(blobs.boxes)[:, None], area(boxes)[None, :])
    row, column = np.nonzero(common >= LINK * np.maximum(least, 1.0))
    group = groups(n + len(boxes), zip(row.tolist(), (column + n).tolist(), strict=True))
    members: dict[int, list[int]] = {}
    for thing, g in enumerate(group.tolist()):
        members.setdefault(g, []).append(thing)
    fresh: list[int] = []
    parts: list[_Part] = []
    for things in members.values():  # regions come before claims
        count = bisect_left(things, n)
        claimants = np.array(things[count:], int) - n
        if not len(claimants):
            fresh += things
        elif count:
            parts += _share(blobs, np.array(things[:count], int), boxes, claimants, claims.growing)
    return _collect(_fresh(blobs, np.array(fresh, int)) + parts, claims, blobs.scale)


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
        if growing[claim] or _area(box) <= SWELL * _area(boxes[claim]):
            return [_Part(box, _WHOLE, int(claim), True)]
    left, top, right, bottom = _around(blobs.boxes[members]).astype(int).tolist()
    step = 1 if blobs.area[members].sum() * len(claimants) < _ENOUGH else 2
    moving = blobs.pixels(members, np.s_[top:bottom:step, left:right:step])
    own = _nearest(moving, (boxes[claimants] - [left, top, left, top]) / step)
    expected = (area(boxes[claimants]) / step**2).tolist()
    parts = [
        p
        for k, claim in enumerate(claimants.tolist())
        if (p := _part_of(own, k, claim, expected[k]))
    ]
    side = (boxes[claimants, 2:] - boxes[claimants, :2]).min(axis=0) / step
    parts += _left_over(own, side, SMALLEST * blobs.size / step**2)
    offset = np.array([left, top, left, top])
    return [p._replace(box=p.box * step + offset) for p in parts]


def _fresh(blobs: Blobs, members: Integers) -> list[_Part]:
    """Regions that nobody claims, close pieces put together."""
    if len(members) < 2:  # noqa: PLR2004
        return [_Part(blobs.boxes[m], _WHOLE, -1, True) for m in members]
    boxes = blobs.boxes[members]
    joint_low = np.minimum(boxes[:, None, :2], boxes[None, :, :2])
    joint = np.maximum(boxes[:, None, 2:], boxes[None, :, 2:]) - joint_low
    gap = np.maximum(boxes[:, None, :2], boxes[None, :, :2]) - np.minimum(
        boxes[:, None, 2:], boxes[None, :, 2:]
    )
    one, other = np.nonzero(np.triu(np.all(gap < joint * GAP, axis=2), 1))
    group = groups(len(members), zip(one.tolist(), other.tolist(), strict=True))
    parts = []
    for g in range(group.max() + 1):
        pieces = members[group == g]
        if len(pieces) == 1 or not _one(blobs.boxes[pieces], blobs.area[pieces]):
            parts += [_Part(blobs.boxes[m], _WHOLE, -1, True) for m in pieces]
        else:
            parts.append(_Part(_around(blobs.boxes[pieces]), _WHOLE, -1, True))
    return parts


def _around(boxes: Boxes) -> Floats:
    """Box (4,) around boxes (n, 4)."""
    return np.concatenate((boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)))


def _area(box: Floats) -> float:
    left, top, right, bottom = box.tolist()
    return float((right - left) * (bottom - top))


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
            parts.append(_Part(box, _WHOLE, -1, False))
    return parts


def _collect(parts: list[_Part], claims: Claims, scale: float) -> tuple[Detections, Integers]:
    if not parts:
        return Detections.empty(), np.zeros(0, int)
    claim = np.array([p.claim for p in parts])
    detections = Detections.of(np.array([p.box for p in parts]) * scale, np.full(len(parts), SCORE))
    owner = np.where(claim >= 0, np.append(claims.owner, -1)[claim], -1)
    seen, alone = np.array([p.seen for p in parts]), np.array([p.alone for p in parts])
    return detections._replace(seen=seen, owner=owner, alone=alone), claim
