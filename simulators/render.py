"""Pictures of one camera: the background, and on it the road users with their shadows.

What a real sensor adds is added: noise, light that drifts with the clouds, a little blur.
The picture follows from scene, seed and time alone, so a run repeats bit for bit.
"""

import math
from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from contracts.classes import RoadUser
from contracts.site import Camera, Shape
from simulators.bodies import PALETTE, body
from simulators.camera import Floats, view
from simulators.ground import Image, background
from simulators.world import Scene

_SHIFT: Final = 4  # sub-pixel bits of OpenCV's drawing
_SUN: Final = np.array([0.42, -0.55, 0.72])  # towards the sun: a morning in May
_SKY: Final = 0.68  # how bright the sky alone makes what sun and sky make 1, in grey levels
_SHADE: Final = ((1 + _SKY) / 2, _SKY)  # half-shadow, shadow
_NOISE: Final = 2.6  # of the sensor [grey levels]
_POOL: Final = 96  # the noise is cut out of a picture that is larger by this [px]
_PERIODS: Final = np.array([61.0, 173.0, 419.0])  # of the clouds [s]
_MARGIN: Final = 0.75  # how far from the middle of the picture a road user is still drawn
_NEAREST: Final = 3.0  # [m]
_BASE: Final = np.array([[[-0.5, -0.5, 0], [0.5, -0.5, 0], [0.5, 0.5, 0], [-0.5, 0.5, 0]]])
_QUALITY: Final = 88  # of the camera's JPEG


class Renderer:
    """One camera of a site.

    Parameters
    ----------
    camera : Camera
        Its pose and picture.
    shapes : Sequence[Shape]
        What the ground looks like.
    seed : int
        Decides grain, noise and clouds.
    """

    def __init__(self, camera: Camera, shapes: Sequence[Shape], *, seed: int) -> None:
        self.view = view(camera)
        self._seed = seed
        random = np.random.default_rng([seed, 2])
        empty = background(shapes, self.view, seed)
        self._light = [(empty * share).astype(np.uint8) for share in (1.0, *_SHADE)]
        size = (camera.height + _POOL, camera.width + _POOL, 3)
        self._noise = np.clip(random.normal(0, _NOISE, size), -127, 127).astype(np.int8)
        self._clouds = random.uniform(0, math.tau, 3)

    def picture(self, scene: Scene) -> Image:
        """Picture of a scene, (height, width, 3): blue, green, red."""
        frame = self._light[0].copy()
        seen = self._in_view(scene)
        if seen.ident.size:
            self._draw_shadows(frame, seen)
            self._draw_bodies(frame, seen)
        return self._sensed(frame, scene.time)

    def _in_view(self, scene: Scene) -> Scene:
        """Road users in the picture or near it, the farthest first."""
        middle = np.column_stack([scene.x, scene.y, scene.height / 2])
        pixel, depth = self.view.project(middle)
        size = np.array([self.view.width, self.view.height])
        near = (np.abs(pixel / size - 0.5) < _MARGIN).all(axis=1) & (depth > _NEAREST)
        chosen = np.flatnonzero(near)
        chosen = chosen[np.argsort(-depth[chosen], kind="stable")]
        return Scene(scene.time, *(column[chosen] for column in scene[1:]))  # type: ignore[arg-type]

    def _draw_bodies(self, frame: Image, scene: Scene) -> None:
        polygons: list[list[tuple[NDArray[np.int32], tuple[float, ...]]]]
        polygons = [[] for _ in scene.ident]
        for kind in np.unique(scene.kind):
            rows = np.flatnonzero(scene.kind == kind)
            points, colours, seen = self._faces(RoadUser(int(kind)), scene, rows)
            for row, *user in zip(rows, points, colours, seen, strict=True):
                corners, paint, front = user
                polygons[row] = [
                    (corners[face], tuple(paint[face].tolist())) for face in np.flatnonzero(front)
                ]
        for user_polygons in polygons:
            for corners, colour in user_polygons:
                cv2.fillConvexPoly(frame, corners, colour, cv2.LINE_AA, _SHIFT)

    def _faces(
        self, kind: RoadUser, scene: Scene, rows: NDArray[np.intp]
    ) -> tuple[NDArray[np.int32], Floats, NDArray[np.bool_]]:
        """Faces of N road users of a class: corners, colours (N, F, 3), turned to the camera."""
        model = body(kind)
        corners = _placed(model.corners, scene, rows)
        normal = np.cross(corners[:, :, 1] - corners[:, :, 0], corners[:, :, 2] - corners[:, :, 1])
        normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
        seen = ((self.view.position - corners[:, :, 0]) * normal).sum(-1) > 0
        own = PALETTE[(scene.ident[rows] * 7 + scene.ident[rows] // 9) % len(PALETTE)]
        paint = np.where(np.isnan(model.colours), own[:, None], model.colours)
        light = _SKY + (1 - _SKY) * np.clip(normal @ _SUN, 0, 1)
        points, _ = self.view.project(corners)
        return _fixed(points), paint * light[..., None], seen

    def _draw_shadows(self, frame: Image, scene: Scene) -> None:
        mask = np.zeros(frame.shape[:2], np.uint8)
        rows = np.arange(len(scene.ident))
        foot = _placed(_BASE, scene, rows)[:, 0]
        top = foot.copy()
        top[..., :2] -= (_SUN[:2] / _SUN[2]) * scene.height[:, None, None]
        points, depth = self.view.project(np.concatenate([foot, top], axis=1))
        for outline in _fixed(points[(depth > _NEAREST / 2).all(axis=1)]):
            cv2.fillConvexPoly(mask, cv2.convexHull(outline), 255, cv2.LINE_8, _SHIFT)
        cv2.copyTo(self._light[1], cv2.dilate(mask, np.ones((3, 3), np.uint8)), frame)
        cv2.copyTo(self._light[2], mask, frame)

    def _sensed(self, frame: Image, time: float) -> Image:
        soft = cv2.GaussianBlur(frame, (3, 3), 0.6)
        lit = cv2.convertScaleAbs(soft, alpha=self._gain(time))
        row, column = np.random.default_rng([self._seed, round(time * 1000)]).integers(0, _POOL, 2)
        height, width = frame.shape[:2]
        noise = self._noise[row : row + height, column : column + width]
        return np.asarray(cv2.add(lit, noise, dtype=cv2.CV_8U))

    def _gain(self, time: float) -> float:
        """Drift of the light: clouds, in periods of minutes."""
        return float(1 + 0.02 * np.sin(math.tau * time / _PERIODS + self._clouds).sum())


def to_jpeg(picture: Image) -> bytes:
    """Compress a picture as the camera does."""
    _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return data.tobytes()


def _placed(corners: Floats, scene: Scene, rows: NDArray[np.intp]) -> Floats:
    """Put faces (F, 4, 3) of a unit box where each road user's box is: (N, F, 4, 3) [m]."""
    size = np.column_stack([scene.length[rows], scene.width[rows], scene.height[rows]])
    along, across, up = np.moveaxis(corners * size[:, None, None], -1, 0)
    cos, sin = np.cos(scene.heading[rows]), np.sin(scene.heading[rows])
    cos, sin = cos[:, None, None], sin[:, None, None]
    east = scene.x[rows][:, None, None] + cos * along - sin * across
    north = scene.y[rows][:, None, None] + sin * along + cos * across
    return np.stack([east, north, up], axis=-1)


def _fixed(points: Floats) -> NDArray[np.int32]:
    """Pixels as OpenCV draws them: fixed point, from the middle of the first pixel."""
    return np.rint((points - 0.5) * (1 << _SHIFT)).astype(np.int32)
