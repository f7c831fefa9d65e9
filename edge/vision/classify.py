"""What it may be, by its apparent size, where no detector named it.

The homography tells under which angle a point of the ground is seen, so for each class it is known
how wide and how high a box it would make there, driving the way it drives. What fits no class, or
two, stays unknown: that is an answer, and the honest one.
"""

from typing import Final

import numpy as np

from contracts.classes import SIZE, RoadUser
from edge.vision.frames import Boxes, Bytes, Floats

HEIGHT: Final = {
    RoadUser.PEDESTRIAN: 1.7,
    RoadUser.BICYCLE: 1.7,
    RoadUser.CAR: 1.5,
    RoadUser.VAN: 2.2,
    RoadUser.TRUCK: 3.2,
    RoadUser.BUS: 3.1,
    RoadUser.TRAM: 3.4,
}
"""Height of what can be told apart by size, riders included. [m]"""
FIT: Final = 0.25
"""Largest misfit of a class, as logarithm of the ratio of sizes."""
LEAD: Final = 0.10
"""By how much the best class must fit better than the next."""
FASTEST_WALK: Final = 3.0
"""Speed beyond which nobody walks. [m/s]"""
SLOWEST_WALK: Final = 0.5
"""Speed below which the direction of travel, and with it the shape, is not known. [m/s]"""
_KINDS: Final = np.array([*HEIGHT], np.uint8)
_SHAPES: Final = np.array([(*SIZE[kind], height) for kind, height in HEIGHT.items()])


def apparent(along: Floats, elevation: Floats) -> Floats:
    """Width and height (n, classes, 2) of the boxes [m] that the classes would make.

    Parameters
    ----------
    along : (n,) float
        Angle between the direction of travel and the direction of view, on the ground. [rad]
    elevation : (n,) float
        Angle at which the camera looks down there. [rad]
    """
    length, width, height = _SHAPES.T
    sin, cos = np.abs(np.sin(along))[:, None], np.abs(np.cos(along))[:, None]
    across, deep = length * sin + width * cos, length * cos + width * sin
    upright = height * np.cos(elevation)[:, None] + deep * np.sin(elevation)[:, None]
    return np.stack((across, upright), axis=2)


def by_size(boxes: Boxes, jacobian: Floats, heading: Floats, speed: Floats) -> Bytes:
    """Class (n,) of road users by the size of their boxes.

    Parameters
    ----------
    boxes : (n, 4) float
        Boxes, all edges seen. [px]
    jacobian : (n, 2, 2) float
        d(ground) / d(image) at the foot point of each. [m/px]
    heading, speed : (n,) float
        Direction of travel [rad] and speed [m/s]; nan where not known.
    """
    right, down = jacobian[:, :, 0], jacobian[:, :, 1]
    metre = np.hypot(*right.T)  # per pixel, across
    with np.errstate(invalid="ignore", divide="ignore"):
        elevation = np.arcsin(np.clip(metre / np.hypot(*down.T), 0, 1))
        view = np.arctan2(-down[:, 1], -down[:, 0])
        shape = apparent(heading - view, elevation)
        box = (boxes[:, 2:] - boxes[:, :2]) * metre[:, None]
        misfit = np.sqrt((np.log(box[:, None] / shape) ** 2).mean(axis=2))
    misfit[np.isnan(misfit)] = np.inf
    misfit[speed > FASTEST_WALK, 0] = np.inf
    order = np.argsort(misfit, axis=1)
    row = np.arange(len(boxes))
    best, second = misfit[row, order[:, 0]], misfit[row, order[:, 1]]
    with np.errstate(invalid="ignore"):
        clear = (best < FIT) & (second - best > LEAD) & (speed > SLOWEST_WALK)
    return np.where(clear, _KINDS[order[:, 0]], 0).astype(np.uint8)
