"""From the picture to the ground: where, how fast, which way, with what uncertainty."""

from typing import Any, Final, NamedTuple, Self

import cv2
import numpy as np
import numpy.typing as npt

from edge.vision.frames import Floats, Ids

FEWEST_PAIRS: Final = 4
WINDOW: Final = 0.8
"""Time over which a speed is measured. [s]"""
SHORTEST: Final = 0.25
"""Time of observation below which no speed is given. [s]"""
HISTORY: Final = 32  # positions kept per track; full: the oldest goes
MOVING: Final = 0.5
"""Speed below which the direction of travel is noise. [m/s]"""


class GroundError(ValueError):
    """The pairs of points give no usable homography; the text says why and what would do."""


class Places(NamedTuple):
    """Points on the ground."""

    xy: Floats  # (n, 2) east and north of the site's origin [m]
    jacobian: Floats  # (n, 2, 2) d(xy) / d(image point) [m/px]


class Ground:
    """Homography from image to ground.

    Parameters
    ----------
    matrix : (3, 3) float
        Takes homogeneous image points [px] to homogeneous ground points [m]; the last coordinate
        is positive before the horizon.
    """

    def __init__(self, matrix: Floats) -> None:
        self.matrix = matrix

    @classmethod
    def from_pairs(cls, image: Floats, ground: Floats) -> Self:
        """Least-squares homography through n >= 4 pairs of points.

        Parameters
        ----------
        image : (n, 2) float
            Points in the picture. [px]
        ground : (n, 2) float
            The same points on the ground. [m]
        """
        if len(image) < FEWEST_PAIRS:
            msg = f"homography has {len(image)} point pairs; give at least {FEWEST_PAIRS}"
            raise GroundError(msg)
        image, ground = np.asarray(image, float), np.asarray(ground, float)
        origin = ground.mean(axis=0)  # centred, so that large coordinates cost no digits
        matrix, _ = cv2.findHomography(image, ground - origin, 0)
        flat = matrix is None or not np.isfinite(matrix).all()
        # the inverse of a good homography exists well beyond rounding
        if flat or abs(np.linalg.det(matrix / np.linalg.norm(matrix))) < 1e-12:  # noqa: PLR2004
            msg = "homography: the points lie on one line; give four of which no three do"
            raise GroundError(msg)
        back = np.array([[1, 0, origin[0]], [0, 1, origin[1]], [0, 0, 1]])
        matrix = back @ matrix
        front = np.column_stack((image, np.ones(len(image)))) @ matrix[2]
        if front.min() <= 0 <= front.max():
            msg = "homography: the horizon runs between the points; check their order"
            raise GroundError(msg)
        return cls(matrix * np.sign(front[0]))

    def places(self, points: Floats) -> Places:
        """Ground positions of image points (n, 2) [px]; nan beyond the horizon."""
        h = self.matrix
        u = np.column_stack((points, np.ones(len(points)))) @ h.T
        u[u[:, 2] <= 0] = np.nan
        with np.errstate(divide="ignore", invalid="ignore"):
            xy = u[:, :2] / u[:, 2:]
            jacobian = (h[None, :2, :2] - xy[:, :, None] * h[None, None, 2, :2]) / u[
                :, 2, None, None
            ]
        return Places(xy, jacobian)

    def image(self, xy: Floats) -> Floats:
        """Image points (n, 2) [px] of ground positions (n, 2) [m]."""
        u = np.column_stack((xy, np.ones(len(xy)))) @ np.linalg.inv(self.matrix).T
        points: Floats = u[:, :2] / u[:, 2:]
        return points


class Motions(NamedTuple):
    """State on the ground of n tracks; nan where it is not known."""

    xy: Floats  # (n, 2) [m]
    velocity: Floats  # (n, 2) [m/s]
    speed_sd: Floats  # (n,) standard error of the velocity, per axis [m/s]
    heading: Floats  # (n,) 0 = east, counter-clockwise [rad]


class Odometer:
    """Positions of the last moments of each track, and the velocity that fits them best."""

    def __init__(self) -> None:
        self._id = np.zeros(0, np.uint32)
        self._xy = np.zeros((0, HISTORY, 2))
        self._sd = np.zeros((0, HISTORY))
        self._at = np.zeros((0, HISTORY), np.int64)
        self._count = np.zeros(0, np.int64)
        self._heading = np.zeros(0)

    def step(self, ids: Ids, xy: Floats, sd: Floats, seen: Floats, captured: int) -> Motions:
        """Advance by one frame.

        Parameters
        ----------
        ids : (n,) uint32
            Living tracks, ascending; others are forgotten.
        xy, sd : (n, 2), (n,) float
            Where each is, and how well that is known. [m]
        seen : (n,) bool
            Who was really seen in this frame.
        captured : int
            Moment of the frame. [µs]
        """
        self._align(ids)
        use = np.flatnonzero(np.asarray(seen, bool) & np.isfinite(xy).all(axis=1))
        slot = self._count[use] % HISTORY
        self._xy[use, slot], self._sd[use, slot], self._at[use, slot] = xy[use], sd[use], captured
        self._count[use] += 1
        age = (self._at - captured) / 1e6
        filled = np.arange(HISTORY) < self._count[:, None]
        fit = line_fit(
            np.where(filled & (age >= -WINDOW) & (age <= 0), age, np.nan), self._xy, self._sd
        )
        pace = np.hypot(*fit.velocity.T)
        course = np.arctan2(fit.velocity[:, 1], fit.velocity[:, 0])
        with np.errstate(invalid="ignore"):
            self._heading = np.where(pace >= MOVING, course, self._heading)
        return Motions(xy, fit.velocity, fit.sd, self._heading)

    def _align(self, ids: Ids) -> None:
        _, old, new = np.intersect1d(self._id, ids, assume_unique=True, return_indices=True)

        def carry(values: npt.NDArray[Any], empty: float) -> npt.NDArray[Any]:
            moved = np.full((len(ids), *values.shape[1:]), empty, values.dtype)
            moved[new] = values[old]
            return moved

        self._xy, self._sd = carry(self._xy, np.nan), carry(self._sd, np.nan)
        self._at, self._count = carry(self._at, 0), carry(self._count, 0)
        self._heading = carry(self._heading, np.nan)
        self._id = ids


class Fit(NamedTuple):
    """Constant-velocity fit of n tracks."""

    velocity: Floats  # (n, 2) [m/s]
    sd: Floats  # (n,) [m/s]


def line_fit(age: Floats, xy: Floats, sd: Floats) -> Fit:
    """Weighted least-squares velocity of n tracks from m positions each.

    Parameters
    ----------
    age : (n, m) float
        Time of each position; nan where it is not to be used. [s]
    xy, sd : (n, m, 2), (n, m) float
        Positions and their standard deviations. [m]
    """
    used = np.isfinite(age)
    weight = np.where(used, 1 / np.maximum(sd, 1e-3) ** 2, 0.0)
    t = np.where(used, age, 0.0)
    p = np.where(used[..., None], xy, 0.0)
    total = np.maximum(weight.sum(axis=1), 1e-12)
    mean_t = (weight * t).sum(axis=1) / total
    mean_p = (weight[..., None] * p).sum(axis=1) / total[:, None]
    dt = t - mean_t[:, None]
    spread = (weight * dt**2).sum(axis=1)
    cross = (weight[..., None] * dt[..., None] * (p - mean_p[:, None])).sum(axis=1)
    first = np.where(used, age, np.inf).min(axis=1, initial=np.inf)
    last = np.where(used, age, -np.inf).max(axis=1, initial=-np.inf)
    enough = (last - first >= SHORTEST) & (used.sum(axis=1) >= 3)  # noqa: PLR2004
    with np.errstate(divide="ignore", invalid="ignore"):
        velocity = np.where(enough[:, None], cross / spread[:, None], np.nan)
        return Fit(velocity, np.where(enough, 1 / np.sqrt(spread), np.nan))
