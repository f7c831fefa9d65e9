"""From the picture to the ground: where, how fast, which way, with what uncertainty."""

from typing import Any, Final, NamedTuple, Self

import cv2
import numpy as np
import numpy.typing as npt

from edge.vision.frames import Floats, Ids
from edge.vision.lens import Lens

FEWEST_PAIRS: Final = 4
CLICK: Final = 1.5
"""Standard error of a point that somebody marked in a picture, per axis. [px]"""
SURVEY: Final = 0.05
"""Standard error of a point that somebody measured on the ground, per axis. [m]"""
WINDOW: Final = 0.8
"""Time over which a speed is measured. [s]"""
SHORTEST: Final = 0.25
"""Time of observation below which no speed is given. [s]"""
LINE: Final = 1e-4
"""Clouds of points more slender than this are a line, give or take rounding."""
HISTORY: Final = 32  # positions kept per track; full: the oldest goes
CLEAR: Final = 3.0
"""Speed in its standard errors from which its direction is clear, to a third of a radian."""
MOVING: Final = 0.5
"""Speed below which the direction of travel is noise. [m/s]"""


class GroundError(ValueError):
    """The pairs of points give no usable homography; the text says why and what would do."""


class Places(NamedTuple):
    """Points on the ground."""

    xy: Floats  # (n, 2) east and north of the site's origin [m]
    jacobian: Floats  # (n, 2, 2) d(xy) / d(image point) [m/px]


class Ground:
    """The way from the image to the ground: what the lens bends is unbent, then a homography.

    Parameters
    ----------
    matrix : (3, 3) float
        Takes homogeneous undistorted image points [px] to homogeneous ground points [m]; the last
        coordinate is positive before the horizon.
    lens : Lens or None
        None: it distorts nothing.
    """

    def __init__(self, matrix: Floats, lens: Lens | None = None) -> None:
        self.matrix = matrix
        self.lens = lens

    @classmethod
    def from_pairs(cls, image: Floats, ground: Floats, lens: Lens | None = None) -> Self:
        """Homography that fits n >= 4 pairs of points best, as well as each can be known.

        Parameters
        ----------
        image : (n, 2) float
            Points in the picture. [px]
        ground : (n, 2) float
            The same points on the ground. [m]
        lens : Lens or None
            None: it distorts nothing.
        """
        if len(image) < FEWEST_PAIRS:
            msg = f"homography has {len(image)} point pairs; give at least {FEWEST_PAIRS}"
            raise GroundError(msg)
        image, ground = np.asarray(image, float), np.asarray(ground, float)
        straight = image if lens is None else lens.undistort(image).points
        if not np.isfinite(straight).all():
            msg = "homography: the lens shows no point there; check k1, k2 and the focal length"
            raise GroundError(msg)
        origin = ground.mean(axis=0)  # centred, so that large coordinates cost no digits
        matrix, _ = cv2.findHomography(straight, ground - origin, 0)
        flat = matrix is None or not np.isfinite(matrix).all()
        flat = flat or min(slender(straight), slender(ground)) < LINE
        # the inverse of a good homography exists well beyond rounding
        if flat or abs(np.linalg.det(matrix / np.linalg.norm(matrix))) < 1e-12:  # noqa: PLR2004
            msg = "homography: the points lie on one line; give four of which no three do"
            raise GroundError(msg)
        if len(image) > FEWEST_PAIRS:
            matrix = weighed(np.asarray(matrix, float), straight, ground - origin)
        back = np.array([[1, 0, origin[0]], [0, 1, origin[1]], [0, 0, 1]])
        matrix = back @ matrix
        front = np.column_stack((straight, np.ones(len(image)))) @ matrix[2]
        if front.min() <= 0 <= front.max():
            msg = "homography: the horizon runs between the points; check their order"
            raise GroundError(msg)
        return cls(matrix * np.sign(front[0]), lens)

    def places(self, points: Floats) -> Places:
        """Ground positions of image points (n, 2) [px]; nan beyond the horizon."""
        if self.lens is None:
            return projected(self.matrix, points)
        straight = self.lens.undistort(points)
        at = projected(self.matrix, straight.points)
        return Places(at.xy, at.jacobian @ straight.jacobian)

    def image(self, xy: Floats) -> Floats:
        """Image points (n, 2) [px] of ground positions (n, 2) [m]; nan behind the camera."""
        u = np.column_stack((xy, np.ones(len(xy)))) @ np.linalg.inv(self.matrix).T
        # the inverse of a matrix that is positive in front is positive in front
        u[u[:, 2] <= 0] = np.nan
        points: Floats = u[:, :2] / u[:, 2:]
        return points if self.lens is None else self.lens.distort(points)


def projected(matrix: Floats, points: Floats) -> Places:
    """Where a homography (3, 3) takes points (n, 2), with the slope; nan beyond the horizon."""
    u = np.column_stack((points, np.ones(len(points)))) @ matrix.T
    u[~(u[:, 2] > 0)] = np.nan
    with np.errstate(divide="ignore", invalid="ignore"):
        xy = u[:, :2] / u[:, 2:]
        jacobian = (matrix[None, :2, :2] - xy[:, :, None] * matrix[None, None, 2, :2]) / u[
            :, 2, None, None
        ]
    return Places(xy, jacobian)


def whitened(jacobian: Floats) -> Floats:
    """Factors (n, 2, 2) that give errors on the ground (n, 2) [m] unit variance.

    A click errs by `CLICK` in the picture, which is little near by and much far away; what was
    surveyed errs by `SURVEY` everywhere.
    """
    cov = CLICK**2 * jacobian @ jacobian.swapaxes(1, 2) + SURVEY**2 * np.eye(2)
    white: Floats = np.linalg.inv(np.linalg.cholesky(cov))
    return white


def weighed(matrix: Floats, image: Floats, ground: Floats) -> Floats:
    """Homography (3, 3) near `matrix` with the least weighted squares of its errors.

    Parameters
    ----------
    matrix : (3, 3) float
        Where to begin.
    image, ground : (n, 2) float
        Undistorted points [px], and the same ones on the ground. [m]
    """
    middle, spread = image.mean(axis=0), image.std()
    near = np.column_stack(((image - middle) / spread, np.ones(len(image))))
    scale = np.array([[spread, 0, middle[0]], [0, spread, middle[1]], [0, 0, 1]])
    h = matrix @ scale
    for _ in range(8):
        h = h / h[2, 2]
        u = near @ h.T
        xy = u[:, :2] / u[:, 2:]
        slope = (h[None, :2, :2] - xy[:, :, None] * h[None, None, 2, :2]) / u[:, 2, None, None]
        white = whitened(slope / spread)
        zero, part = np.zeros_like(near), near / u[:, 2:]
        rows = np.stack((
            np.hstack((part, zero, -xy[:, :1] * part[:, :2])),
            np.hstack((zero, part, -xy[:, 1:] * part[:, :2])),
        ), axis=1)  # fmt: skip
        error = np.einsum("nij,nj->ni", white, ground - xy)
        step, *_ = np.linalg.lstsq((white @ rows).reshape(-1, 8), error.ravel(), rcond=None)
        h = h + np.append(step, 0.0).reshape(3, 3)
        if np.abs(step).max() < 1e-9 * np.abs(h).max():
            break
    better: Floats = h @ np.linalg.inv(scale)
    return better if np.isfinite(better).all() else matrix


def away_from_camera(ground: Ground, xy: Floats) -> Floats:
    """Directions (n, 2), of unit length, in which what is at places (n, 2) [m] is looked at."""
    up = -ground.places(ground.image(xy)).jacobian[:, :, 1]
    away: Floats = up / np.hypot(up[:, :1], up[:, 1:])
    return away


class Motions(NamedTuple):
    """State on the ground of n tracks; nan where it is not known."""

    xy: Floats  # (n, 2) [m]
    velocity: Floats  # (n, 2) [m/s]
    speed_sd: Floats  # (n,) standard error of the velocity, per axis [m/s]
    heading: Floats  # (n,) 0 = east, counter-clockwise [rad]


def clear_heading(motions: Motions) -> Floats:
    """Directions of travel (n,) of who surely moves; nan for the others. [rad]."""
    pace = np.hypot(*motions.velocity.T)
    with np.errstate(invalid="ignore"):
        clear = (pace >= MOVING) & (pace > CLEAR * motions.speed_sd)
    return np.where(clear, motions.heading, np.nan)


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


def slender(points: Floats) -> float:
    """How nearly points (n, 2) lie on a line: shorter over longer axis of their cloud."""
    long, short = np.linalg.svd(points - points.mean(axis=0), compute_uv=False)
    return float(short / long) if long > 0 else 0.0
