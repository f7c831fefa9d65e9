"""A pinhole camera on a mast: where a point of the street appears in the picture."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from contracts import site

Floats = NDArray[np.float64]


class View(NamedTuple):
    """Projection of a camera: ``image = matrix @ (x, y, z, 1)``, homogeneous.

    Image coordinates are pixels from the top left corner of the picture, so the middle of the
    first pixel is (0.5, 0.5).
    """

    matrix: Floats  # (3, 4)
    position: Floats  # (3,) [m]
    width: int  # [px]
    height: int  # [px]

    @property
    def homography(self) -> Floats:
        """Ground plane to image, (3, 3); its inverse leads from the image to the ground."""
        return self.matrix[:, [0, 1, 3]]

    def project(self, points: Floats) -> tuple[Floats, Floats]:
        """Image (..., 2) [px] and depth (...,) [m] of points (..., 3) [m].

        What lies behind the camera has a depth of at most 0 and no image that means anything.
        """
        seen = points @ self.matrix[:, :3].T + self.matrix[:, 3]
        depth = seen[..., 2]
        with np.errstate(divide="ignore", invalid="ignore"):
            return seen[..., :2] / depth[..., None], depth

    def ground(self, pixels: Floats) -> Floats:
        """Points of the ground (N, 2) [m] that pixels (N, 2) show."""
        rays = np.column_stack([pixels, np.ones(len(pixels))]) @ np.linalg.inv(self.homography).T
        return np.asarray(rays[:, :2] / rays[:, 2:])


def view(camera: site.Camera) -> View:
    """Projection of a camera of the site plan: square pixels, level horizon, no distortion."""
    position = np.array(camera.position)
    forward = np.array(camera.target) - position
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    rotation = np.array([right, np.cross(forward, right), forward])
    focal = camera.width / 2 / math.tan(math.radians(camera.fov_deg) / 2)
    inner = np.array([[focal, 0, camera.width / 2], [0, focal, camera.height / 2], [0, 0, 1]])
    matrix = inner @ np.column_stack([rotation, -rotation @ position])
    return View(matrix, position, camera.width, camera.height)
