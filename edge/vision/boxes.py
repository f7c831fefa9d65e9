"""Geometry of boxes (n, 4): left, top, right, bottom."""

import numpy as np

from edge.vision.frames import Boxes, Floats


def area(boxes: Boxes) -> Floats:
    """Area [px²] of each box, 0 for an empty one."""
    side = np.maximum(boxes[:, 2:] - boxes[:, :2], 0.0)
    return side[:, 0] * side[:, 1]


def size(boxes: Boxes) -> Floats:
    """Geometric mean [px] of width and height of each box."""
    return np.sqrt(area(boxes))


def centre(boxes: Boxes) -> Floats:
    """Centre (n, 2) [px] of each box."""
    return (boxes[:, :2] + boxes[:, 2:]) / 2


def foot(boxes: Boxes) -> Floats:
    """Bottom centre (n, 2) [px] of each box: where what stands upright touches the ground."""
    point = np.empty((len(boxes), 2))
    point[:, 0] = (boxes[:, 0] + boxes[:, 2]) / 2
    point[:, 1] = boxes[:, 3]
    return point


def grow(boxes: Boxes, share: float) -> Boxes:
    """Boxes grown on each side by a share of their width and height."""
    margin = share * (boxes[:, 2:] - boxes[:, :2])
    grown: Boxes = np.empty_like(boxes)
    grown[:, :2], grown[:, 2:] = boxes[:, :2] - margin, boxes[:, 2:] + margin
    return grown


def clip(boxes: Boxes, width: float, height: float) -> Boxes:
    """Boxes cut to the image."""
    limit = np.array([width, height, width, height])
    cut: Boxes = np.minimum(np.maximum(boxes, 0.0), limit)
    return cut


def overlap(one: Boxes, other: Boxes, axis: int) -> Floats:
    """Length (n, m) [px] common to each pair along x (0) or y (1); negative: the gap between."""
    low = np.maximum(one[:, axis, None], other[None, :, axis])
    high = np.minimum(one[:, axis + 2, None], other[None, :, axis + 2])
    return high - low


def intersection(one: Boxes, other: Boxes) -> Floats:
    """Area (n, m) [px²] common to each pair."""
    x, y = overlap(one, other, 0), overlap(one, other, 1)
    return np.maximum(x, 0.0) * np.maximum(y, 0.0)


def iou(one: Boxes, other: Boxes) -> Floats:
    """Intersection over union (n, m) of each pair.

    >>> iou(np.array([[0.0, 0.0, 2.0, 2.0]]), np.array([[1.0, 0.0, 3.0, 2.0]])).round(3)
    array([[0.333]])
    """
    common = intersection(one, other)
    union = area(one)[:, None] + area(other)[None, :] - common
    return common / np.maximum(union, 1e-9)


def covered(one: Boxes, other: Boxes) -> Floats:
    """Share (n, m) of each box of `one` that lies in each box of `other`."""
    return intersection(one, other) / np.maximum(area(one), 1e-9)[:, None]


def gap(one: Boxes, other: Boxes) -> Floats:
    """Distance (n, m) [px] between each pair along the axis on which they are farther apart.

    Negative where they overlap.
    """
    return -np.minimum(overlap(one, other, 0), overlap(one, other, 1))


def joint_area(one: Boxes, other: Boxes) -> Floats:
    """Area (n, m) [px²] of the box around each pair."""
    x, y = (
        np.maximum(one[:, axis + 2, None], other[None, :, axis + 2])
        - np.minimum(one[:, axis, None], other[None, :, axis])
        for axis in (0, 1)
    )
    around: Floats = x * y
    return around
