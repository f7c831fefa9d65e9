"""The street without its users, as a camera sees it: ground, kerbs, markings, buildings."""

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from contracts.site import Shape
from simulators.camera import View

Image = NDArray[np.uint8]
Floats = NDArray[np.float64]

CELL: Final = 0.05
"""Size of a cell of the ground texture. [m]"""

# Blue, green, red; then the grain of the surface: standard deviation of its brightness.
_SURFACE: Final = {
    "ground": ((62, 104, 92), 13.0),
    "sidewalk": ((150, 154, 156), 7.0),
    "carriageway": ((96, 94, 92), 8.0),
    "crossing": ((96, 94, 92), 8.0),
    "marking": ((216, 220, 220), 6.0),
    "cycleway": ((92, 92, 122), 8.0),
    "building": ((120, 120, 120), 4.0),
}
_KERB: Final = (180, 182, 182)
_HAZE: Final = (176, 168, 160)
_STRIPE: Final = 0.5  # of a zebra crossing [m]
_STOREY: Final = 3.2  # [m]
_STOREYS: Final = 3


def background(shapes: Sequence[Shape], view: View, seed: int) -> Image:
    """Picture of the empty street, (height, width, 3).

    Drawn at twice the size and shrunk, so that thin markings far away do not break up.
    """
    texture, origin = ground_texture(shapes, seed)
    middle = CELL / 2  # OpenCV counts from the middle of the first cell and pixel
    to_ground = np.array([[CELL, 0, origin[0] + middle], [0, -CELL, origin[1] - middle], [0, 0, 1]])
    double = np.array([[2.0, 0, -0.5], [0, 2.0, -0.5], [0, 0, 1]])
    size = (2 * view.width, 2 * view.height)
    picture: Image = np.empty((size[1], size[0], 3), np.uint8)
    cv2.warpPerspective(
        texture,
        double @ view.homography @ to_ground,
        size,
        picture,
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=_HAZE,
    )
    buildings = [np.array(s.points) for s in shapes if s.kind == "building"]
    for outline in sorted(buildings, key=lambda p: -np.linalg.norm(p.mean(0) - view.position[:2])):
        _draw_building(picture, outline, view)
    return np.asarray(cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))


def ground_texture(shapes: Sequence[Shape], seed: int) -> tuple[Image, Floats]:
    """Plan of the ground from above, north up, and the place of its top left corner [m]."""
    corners = np.concatenate([np.array(shape.points) for shape in shapes])
    low, high = corners.min(0), corners.max(0)
    columns, rows = np.ceil((high - low) / CELL).astype(int)
    origin = np.array([low[0], high[1]])
    plan = np.empty((rows, columns, 3), np.uint8)
    plan[:] = _SURFACE["ground"][0]
    grain = np.full((rows, columns), _SURFACE["ground"][1], np.float32)
    for shape in shapes:
        colour, deviation = _SURFACE[shape.kind]
        points = _cells(np.array(shape.points), origin)
        cv2.fillPoly(plan, [points], colour)
        cv2.fillPoly(grain, [points], deviation)
        if shape.kind == "sidewalk":
            cv2.polylines(plan, [points], isClosed=True, color=_KERB, thickness=4)
        if shape.kind == "carriageway":
            cv2.polylines(plan, [points], isClosed=True, color=_KERB, thickness=5)
        if shape.kind == "crossing":
            for stripe in _stripes(np.array(shape.points)):
                cv2.fillPoly(plan, [_cells(stripe, origin)], _SURFACE["marking"][0])
    return _weathered(plan, grain, seed), origin


def _cells(points: Floats, origin: Floats) -> NDArray[np.int32]:
    return np.rint((points - origin) * [1, -1] / CELL).astype(np.int32)


def _stripes(outline: Floats) -> list[Floats]:
    """Bars of a zebra crossing: across the way people walk, the outline's first edge."""
    walk, across = outline[1] - outline[0], outline[3] - outline[0]
    length = float(np.linalg.norm(walk))
    starts = np.arange(_STRIPE / 2, length - _STRIPE, 2 * _STRIPE) / length
    bars = []
    for start in starts:
        near, far = outline[0] + walk * start, outline[0] + walk * (start + _STRIPE / length)
        bars.append(np.array([near, far, far + across, near + across]))
    return bars


def _weathered(plan: Image, grain: NDArray[np.float32], seed: int) -> Image:
    """Add what no surface is without: grain, patches, stains."""
    random = np.random.default_rng([seed, 1])
    shape = grain.shape
    fine = random.standard_normal(shape, np.float32)
    coarse = random.standard_normal((shape[0] // 40 + 1, shape[1] // 40 + 1), np.float32)
    patches = cv2.resize(coarse, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)
    light = grain * (0.8 * fine + 0.6 * patches)
    lit: Image = np.clip(plan + light[..., None], 0, 255).astype(np.uint8)
    return lit


def _draw_building(picture: Image, outline: Floats, view: View) -> None:
    height = _STOREY * _STOREYS
    middle = outline.mean(0)
    order = np.argsort(-np.linalg.norm(outline - view.position[:2], axis=1))
    for k in order:
        wall = outline[[k, (k + 1) % len(outline)]]
        if (view.position[:2] - wall[0]) @ (wall[0] + wall[1] - 2 * middle) < 0:
            continue  # turned away
        _fill(picture, _wall(wall, 0.0, height), view, (138, 150, 162))
        for window in _windows(wall):
            _fill(picture, window, view, (86, 76, 70))
    if view.position[2] > height:
        roof = np.column_stack([outline, np.full(len(outline), height)])
        _fill(picture, roof, view, (92, 96, 110))


def _wall(ends: Floats, low: float, high: float) -> Floats:
    (ax, ay), (bx, by) = ends
    return np.array([[ax, ay, low], [bx, by, low], [bx, by, high], [ax, ay, high]])


def _windows(wall: Floats) -> list[Floats]:
    length = float(np.linalg.norm(wall[1] - wall[0]))
    way = (wall[1] - wall[0]) / length
    return [
        _wall(np.array([wall[0] + way * at, wall[0] + way * (at + 1.4)]), low + 1.0, low + 2.5)
        for low in np.arange(_STOREYS) * _STOREY
        for at in np.arange(1.2, length - 2.0, 3.0)
    ]


def _fill(picture: Image, points: Floats, view: View, colour: tuple[int, int, int]) -> None:
    points = _before(points, view)
    if len(points):
        pixels = np.rint(view.project(points)[0] * 2).astype(np.int32)
        cv2.fillPoly(picture, [pixels], colour, lineType=cv2.LINE_AA)


def _before(points: Floats, view: View) -> Floats:
    """Part of a convex outline (N, 3) that lies at least 1 m before the camera."""
    depth = view.project(points)[1] - 1.0
    kept = []
    for k in range(len(points)):
        if depth[k] >= 0:
            kept.append(points[k])
        after = (k + 1) % len(points)
        if depth[k] * depth[after] < 0:
            share = depth[k] / (depth[k] - depth[after])
            kept.append(points[k] + share * (points[after] - points[k]))
    return np.array(kept).reshape(-1, 3)
