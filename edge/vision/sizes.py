"""How long and wide road users are, from their boxes all along their way.

A box has two sides and a body three. Which of them a box tells depends on whence it is seen: from
the side length, from behind width, from above both. So what all boxes of a track say of the
logarithms of length, width and height is summed up, beside what the class lets expect; what then
still rests on expectation more than on pictures is not given.
"""

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from contracts.classes import SIZE, RoadUser
from edge.vision.classify import HEIGHT
from edge.vision.frames import Bools, Boxes, Bytes, Floats, Ids
from edge.vision.ground import projected
from edge.vision.lens import Lens

PERIOD: Final = 200_000
"""Time between two boxes that are taken of a track. [us]"""
NOISE: Final = 0.08
"""Standard error of a side of a box, as logarithm."""
MEMORY: Final = 25.0
"""Boxes that are remembered; older ones fade."""
WORTH: Final = 4.0
"""As many independent boxes they are worth: neighbours err alike."""
OUTLYING: Final = 2.0
"""Error from which a box counts less, in its standard errors (Huber)."""
SURE: Final = 0.12
"""Largest standard error of what is given, as logarithm."""
OWN: Final = 0.5
"""Largest share of the expectation's variance that may be left."""
STRANGE: Final = 3.0
"""Distance from what is expected that is not believed, in standard deviations."""
_STEP: Final = 0.02  # of the derivatives
_CORNERS: Final = np.array(
    [(x, y, z) for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (0.0, 1.0)]
)


def _expected() -> tuple[Floats, Floats]:
    """Mean and standard deviation of the logarithms of length, width and height of each class."""
    mean, sd = np.empty((len(RoadUser), 3)), np.empty((len(RoadUser), 3))
    for kind in RoadUser:
        mean[kind] = np.log((*SIZE[kind], HEIGHT.get(kind, 1.6)))
        sd[kind] = (0.3, 0.15, 0.15)
    sd[[RoadUser.TRUCK, RoadUser.TRAM]] = (0.5, 0.15, 0.2)
    sd[RoadUser.PEDESTRIAN] = (0.4, 0.4, 0.15)
    sd[RoadUser.UNKNOWN] = (1.0, 0.7, 0.7)
    return mean, sd


_MEAN, _SD = _expected()


class View(NamedTuple):
    """Geometry of a camera."""

    camera: Floats  # (3, 4) see `pose.projection`
    to_ground: Floats  # (3, 3) undistorted image [px] to ground [m]
    lens: Lens
    from_above: bool  # the middle of a box, not its foot, is on the ground


class Sides(NamedTuple):
    """Boxes without the lens's distortion."""

    size: Floats  # (n, 2) width and height [px]
    point: Floats  # (n, 2) that is on the ground [px]


def straightened(boxes: Boxes, view: View) -> Sides:
    """Sides of boxes (n, 4) [px] as a lens without distortion would show them."""
    x, y = (boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2
    ends = [(boxes[:, 0], y), (x, boxes[:, 1]), (boxes[:, 2], y), (x, boxes[:, 3])]
    left, top, right, bottom = (view.lens.undistort(np.column_stack(p)).points for p in ends)
    size = np.column_stack((right[:, 0] - left[:, 0], bottom[:, 1] - top[:, 1]))
    return Sides(size, (left + right) / 2 if view.from_above else bottom)


def sides_of(view: View, middle: Floats, heading: Floats, shape: Floats) -> Sides:
    """Sides of the boxes around bodies that stand on the ground.

    Parameters
    ----------
    middle : (n, 2) float
        Where each stands. [m]
    heading : (n,) float
        Direction of its length. [rad]
    shape : (n, 3) float
        Length, width and height. [m]
    """
    body = _CORNERS[None] * shape[:, None, :]
    cos, sin = np.cos(heading)[:, None], np.sin(heading)[:, None]
    x = middle[:, :1] + body[..., 0] * cos - body[..., 1] * sin
    y = middle[:, 1:] + body[..., 0] * sin + body[..., 1] * cos
    u = np.stack((x, y, body[..., 2], np.ones_like(x)), axis=2) @ view.camera.T
    with np.errstate(divide="ignore", invalid="ignore"):
        pixel = np.where(u[..., 2:] > 0, u[..., :2] / u[..., 2:], np.nan)
    low, high = pixel.min(axis=1), pixel.max(axis=1)
    foot = np.column_stack(((low[:, 0] + high[:, 0]) / 2, high[:, 1]))
    return Sides(high - low, (low + high) / 2 if view.from_above else foot)


def placed(view: View, point: Floats, heading: Floats, shape: Floats) -> tuple[Floats, Sides]:
    """Middles (n, 2) [m] of bodies that touch the ground at image points, and their sides."""
    wanted = projected(view.to_ground, point).xy
    middle = wanted
    for _ in range(3):
        sides = sides_of(view, middle, heading, shape)
        middle = middle + wanted - projected(view.to_ground, sides.point).xy
    return middle, sides_of(view, middle, heading, shape)


class Dimensions(NamedTuple):
    """Length and width of n road users; nan where the pictures do not tell."""

    length: Floats  # (n,) [m]
    width: Floats  # (n,) [m]


class Sizes:
    """Memory of all tracks' sizes; who is forgotten by the tracker is forgotten here."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._id = np.zeros(0, np.uint32)
        self._information = np.zeros((0, 3, 3))
        self._said = np.zeros((0, 3))  # information times the logarithms
        self._due = np.zeros(0, np.int64)  # [us]

    def step(
        self, ids: Ids, boxes: Boxes, whole: Bools, heading: Floats, kind: Bytes, captured: int
    ) -> Dimensions:
        """Advance by one frame.

        Parameters
        ----------
        ids : (n,) uint32
            Living tracks, ascending; others are forgotten.
        boxes : (n, 4) float
            Their boxes. [px]
        whole : (n,) bool
            Whose box is wholly seen in this frame, and nobody else's.
        heading : (n,) float
            Direction of travel; nan where it is not known now. [rad]
        kind : (n,) uint8
            RoadUser.
        captured : int
            Moment of the frame. [us]
        """
        self._align(ids)
        use = whole & np.isfinite(heading) & (captured >= self._due)
        rows = np.flatnonzero(use)
        if len(rows):
            self._learn(rows, boxes[rows], heading[rows], kind[rows])
            self._due[rows] = captured + PERIOD
        mean, cov = self._believed(kind)
        variance = cov[:, (0, 1), (0, 1)]
        own = (variance < SURE**2) & (variance < OWN * _SD[kind][:, :2] ** 2)
        # what no body of the class has tells that the class is wrong, and with it the height
        strange = np.abs(mean - _MEAN[kind]) > STRANGE * _SD[kind]
        own &= ~np.any(strange, axis=1, keepdims=True)
        length, width = np.where(own, np.exp(mean[:, :2]), np.nan).T
        return Dimensions(length, width)

    def _believed(self, kind: Bytes) -> tuple[Floats, Floats]:
        """Mean (n, 3) and covariance (n, 3, 3) of the logarithms."""
        weight = 1 / _SD[kind] ** 2
        cov = np.linalg.inv(self._information + weight[:, :, None] * np.eye(3))
        mean: Floats = np.einsum("nij,nj->ni", cov, self._said + weight * _MEAN[kind])
        return mean, np.asarray(cov, float)

    def _learn(
        self, rows: npt.NDArray[np.int64], boxes: Boxes, heading: Floats, kind: Bytes
    ) -> None:
        every = np.zeros(len(self._id), np.uint8)
        every[rows] = kind
        now = self._believed(every)[0][rows]
        seen = straightened(boxes, self._view)
        at = _sides(self._view, seen.point, heading, now)
        slope = np.stack(
            [
                (_sides(self._view, seen.point, heading, now + _STEP * axis) - at) / _STEP
                for axis in np.eye(3)
            ],
            axis=2,
        )
        with np.errstate(invalid="ignore", divide="ignore"):
            error = np.log(seen.size) - at
        far = np.sqrt((error**2).sum(axis=1)) / NOISE
        good = np.isfinite(far) & np.isfinite(slope).all(axis=(1, 2))
        rows, slope, error, now, far = rows[good], slope[good], error[good], now[good], far[good]
        weight = np.minimum(1, OUTLYING / np.maximum(far, 1e-9)) * WORTH / MEMORY / NOISE**2
        fade = 1 - 1 / MEMORY
        told = error + np.einsum("nij,nj->ni", slope, now)
        self._information[rows] = fade * self._information[rows] + weight[:, None, None] * (
            slope.swapaxes(1, 2) @ slope
        )
        self._said[rows] = fade * self._said[rows] + weight[:, None] * np.einsum(
            "nij,ni->nj", slope, told
        )

    def _align(self, ids: Ids) -> None:
        if len(ids) == len(self._id) and (ids == self._id).all():
            return
        _, old, new = np.intersect1d(self._id, ids, assume_unique=True, return_indices=True)

        def carry(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
            moved = np.zeros((len(ids), *values.shape[1:]), values.dtype)
            moved[new] = values[old]
            return moved

        self._information, self._said = carry(self._information), carry(self._said)
        self._due = carry(self._due)
        self._id = ids.copy()


def _sides(view: View, point: Floats, heading: Floats, logarithms: Floats) -> Floats:
    """Logarithms (n, 2) of the sides of bodies that touch the ground at image points."""
    with np.errstate(invalid="ignore", divide="ignore"):
        sides: Floats = np.log(placed(view, point, heading, np.exp(logarithms))[1].size)
    return sides
