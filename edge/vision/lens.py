"""What a lens does to straight lines, and how to undo it."""

from typing import Annotated, Final, NamedTuple, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from edge.vision.frames import Floats

TURNS: Final = 12
"""Newton's steps; from the side of the root where each only comes nearer."""
CLOSE: Final = 1e-9
"""Error of a radius at which it is found, in focal lengths."""

Coefficient = Annotated[float, Field(ge=-10, le=10, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Row = tuple[float, float, float]


class LensSettings(BaseModel):
    """Distortion of a lens: radial, by Brown's model as OpenCV writes it.

    Lengths are in widths of the picture, so that they hold for each resolution. Who calibrated a
    camera elsewhere gives its `matrix` [px] with the `size` of the pictures that it was made from.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    k1: Coefficient = 0.0
    k2: Coefficient = 0.0
    focal: Positive = Field(1.0, description="focal length, in widths of the picture")
    centre: tuple[float, float] = Field((0.5, 0.5), description="where the axis meets the picture")
    matrix: tuple[Row, Row, Row] | None = Field(
        None, description="camera matrix [px], in place of focal and centre"
    )
    size: tuple[Positive, Positive] | None = Field(
        None, description="width and height of the pictures that the matrix is of [px]"
    )

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if (self.matrix is None) != (self.size is None):
            msg = "lens: matrix and size go together; give both or none"
            raise ValueError(msg)
        if self.matrix is None:
            return self
        if self.model_fields_set & {"focal", "centre"}:
            msg = "lens: a matrix says focal and centre; remove them"
            raise ValueError(msg)
        (fx, skew, _), (zero, fy, _), last = self.matrix
        if min(fx, fy) <= 0 or any((skew, zero)) or last != (0, 0, 1):
            msg = "lens: matrix is [[fx, 0, cx], [0, fy, cy], [0, 0, 1]] with fx, fy above 0"
            raise ValueError(msg)
        return self

    @property
    def knows_focal(self) -> bool:
        """Whether the focal length was measured, not just taken as the unit of `k1`."""
        return self.matrix is not None or "focal" in self.model_fields_set

    def lens(self, width: int, height: int) -> "Lens":
        """Lens in pictures of this size [px]."""
        if self.matrix is not None and self.size is not None:
            across, down = width / self.size[0], height / self.size[1]
            (fx, _, cx), (_, fy, cy), _ = self.matrix
            focal, centre = (fx * across, fy * down), (cx * across, cy * down)
        else:
            focal = (self.focal * width, self.focal * width)
            centre = (self.centre[0] * width, self.centre[1] * height)
        return Lens(self.k1, self.k2, np.array(focal), np.array(centre))


class Undistorted(NamedTuple):
    """Points as a lens without distortion would show them."""

    points: Floats  # (n, 2) [px], nan where the lens shows nothing
    jacobian: Floats  # (n, 2, 2) d(points) / d(image points)


class Lens(NamedTuple):
    """Radial distortion: a point at radius r from the axis appears at r (1 + k1 r² + k2 r⁴) [1]_.

    References
    ----------
    .. [1] D. C. Brown, "Close-range camera calibration," Photogrammetric Engineering 37 (8), 1971,
       pp. 855-866.
    """

    k1: float
    k2: float
    focal: Floats  # (2,) [px]
    centre: Floats  # (2,) [px]

    @classmethod
    def ideal(cls, width: float, height: float) -> Self:
        """One that distorts nothing."""
        return cls(0.0, 0.0, np.array([width, width], float), np.array([width, height]) / 2)

    def distort(self, points: Floats) -> Floats:
        """Image points (n, 2) of undistorted ones; nan where the model folds back."""
        x = (points - self.centre) / self.focal
        square = (x**2).sum(axis=1, keepdims=True)
        factor = 1 + self.k1 * square + self.k2 * square**2
        slope = 1 + 3 * self.k1 * square + 5 * self.k2 * square**2
        out: Floats = np.where(slope > 0, x * factor, np.nan) * self.focal + self.centre
        return out

    def undistort(self, points: Floats) -> Undistorted:
        """Undistorted points of image points (n, 2)."""
        y = (points - self.centre) / self.focal
        shown = np.sqrt((y**2).sum(axis=1))
        r = self._radius(shown)
        with np.errstate(divide="ignore", invalid="ignore"):
            x = y * np.where(shown > 0, r / shown, 1.0)[:, None]
        square = r**2
        factor = 1 + self.k1 * square + self.k2 * square**2
        bend = 2 * self.k1 + 4 * self.k2 * square
        forth = factor[:, None, None] * np.eye(2) + bend[:, None, None] * (
            x[:, :, None] * x[:, None, :]
        )
        back = np.linalg.inv(forth) * (self.focal[:, None] / self.focal[None, :])
        return Undistorted(x * self.focal + self.centre, back)

    def _radius(self, shown: Floats) -> Floats:
        """Radii (n,) whose images have the radii `shown`; nan where there are none."""
        r = shown.copy()
        for _ in range(TURNS):
            square = r**2
            value = r * (1 + self.k1 * square + self.k2 * square**2) - shown
            slope = 1 + 3 * self.k1 * square + 5 * self.k2 * square**2
            with np.errstate(divide="ignore", invalid="ignore"):
                r = np.where(slope > 0, r - value / slope, np.nan)
                if not (np.abs(value) > CLOSE / 100).any():
                    break
        square = r**2
        left = np.abs(r * (1 + self.k1 * square + self.k2 * square**2) - shown)
        rising = 1 + 3 * self.k1 * square + 5 * self.k2 * square**2 > 0
        return np.where((left < CLOSE) & rising & (r >= 0), r, np.nan)
