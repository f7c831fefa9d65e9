"""What is in a picture is where the projection says."""

import math

import numpy as np
import pytest

from contracts.classes import RoadUser
from contracts.site import Camera, Name, Shape
from simulators.ground import CELL, ground_texture
from simulators.render import Renderer
from simulators.world import Scene

SHAPES = [
    Shape(kind="ground", points=[(-40, -30), (40, -30), (40, 30), (-40, 30)]),
    Shape(kind="carriageway", points=[(-40, -5), (40, -5), (40, 5), (-40, 5)]),
    Shape(kind="crossing", points=[(6, -5), (6, 5), (10, 5), (10, -5)]),
]
CAMERA = Camera(
    device="cam",
    name=Name(cs="K", en="C"),
    position=(30.0, -10.0, 13.0),
    target=(10.0, 0.0, 0.0),
    fov_deg=60.0,
    width=320,
    height=180,
    fps=10.0,
)
PAINTER = Renderer(CAMERA, SHAPES, seed=1)


def scene(*users: tuple[RoadUser, float, float], time: float = 1.0) -> Scene:
    size = {RoadUser.CAR: (4.5, 1.8, 1.5), RoadUser.PEDESTRIAN: (0.5, 0.5, 1.75)}
    table = np.array([(*size[k], x, y, k) for k, x, y in users], float).reshape(-1, 6)
    length, width, height, x, y, kind = table.T
    ident, still = np.arange(len(x)), np.zeros(len(x))
    return Scene(time, ident, kind.astype(np.uint8), x, y, still, still, length, width, height)


def changed(picture: np.ndarray, empty: np.ndarray) -> np.ndarray:
    difference = np.abs(picture.astype(int) - empty).max(-1)
    return np.column_stack(np.nonzero(difference > 25)[::-1])


def test_the_same_moment_gives_the_same_picture() -> None:
    moment = scene((RoadUser.CAR, 10.0, 2.0))
    again = Renderer(CAMERA, SHAPES, seed=1).picture(moment)
    np.testing.assert_array_equal(PAINTER.picture(moment), again)
    assert not np.array_equal(Renderer(CAMERA, SHAPES, seed=2).picture(moment), again)


@pytest.mark.parametrize("kind", [RoadUser.CAR, RoadUser.PEDESTRIAN])
@pytest.mark.parametrize(("x", "y"), [(10.0, 2.0), (4.0, -3.0), (16.0, 0.0)])
def test_a_road_user_is_where_its_projection_is(kind: RoadUser, x: float, y: float) -> None:
    moment = scene((kind, x, y))
    pixels = changed(PAINTER.picture(moment), PAINTER.picture(scene()))
    half = (moment.length[0] / 2, moment.width[0] / 2, moment.height[0])
    corners = [
        (x + i * half[0], y + j * half[1], z)
        for i in (-1, 1)
        for j in (-1, 1)
        for z in (0, half[2])
    ]
    box, _ = PAINTER.view.project(np.array(corners))
    low, high = box.min(0), box.max(0)
    inside = ((pixels >= low - 1) & (pixels <= high + 1)).all(1)
    assert inside.mean() > 0.5, "the rest is its shadow"
    assert (pixels[inside].min(0) < low + 0.3 * (high - low)).all()
    assert (pixels[inside].max(0) > high - 0.3 * (high - low)).all()


def test_the_shadow_falls_away_from_the_sun() -> None:
    moment = scene((RoadUser.CAR, 10.0, 0.0))
    dark = PAINTER.picture(scene()).astype(int) - PAINTER.picture(moment)
    north_west, _ = PAINTER.view.project(np.array([[9.0, 1.5, 0.0]]))
    south_east, _ = PAINTER.view.project(np.array([[11.0, -2.5, 0.0]]))
    (a, b), (c, d) = north_west[0].astype(int), south_east[0].astype(int)
    assert dark[b, a].mean() > 12
    assert abs(dark[d - 1 : d + 2, c - 1 : c + 2].mean()) < 6


def test_the_nearer_hides_the_farther() -> None:
    near = scene((RoadUser.CAR, 14.0, -1.5))
    both = scene((RoadUser.CAR, 14.0, -1.5), (RoadUser.PEDESTRIAN, 10.2, 0.0))
    swapped = Scene(both.time, *(column[::-1] for column in both[1:]))
    np.testing.assert_array_equal(PAINTER.picture(both), PAINTER.picture(swapped))
    middle, _ = PAINTER.view.project(np.array([[14.0, -1.5, 1.4]]))
    u, v = middle[0].astype(int)
    np.testing.assert_array_equal(PAINTER.picture(both)[v, u], PAINTER.picture(near)[v, u])


def test_an_empty_street_changes_by_noise_and_light_alone() -> None:
    first, second = PAINTER.picture(scene(time=1.0)), PAINTER.picture(scene(time=1.1))
    noise = (second.astype(int) - first).std()
    assert 2.0 < noise / math.sqrt(2) < 4.0
    light = [PAINTER.picture(scene(time=t)).mean() for t in np.arange(0, 400, 5.0)]
    assert 2.0 < np.ptp(light) < 30.0
    assert np.abs(np.diff(light)).max() < 2.5


def test_who_is_behind_the_camera_is_not_drawn() -> None:
    np.testing.assert_array_equal(
        PAINTER.picture(scene((RoadUser.CAR, 38.0, -14.0))), PAINTER.picture(scene())
    )


def test_zebra_bars_run_along_the_street() -> None:
    plan, origin = ground_texture(SHAPES, seed=1)
    along = plan[round((origin[1] - 0.75) / CELL), round((6.2 - origin[0]) / CELL) :][:70]
    across = plan[: round((origin[1] + 4.5) / CELL), round((8.0 - origin[0]) / CELL)][-180:]
    assert np.ptp(along.mean(-1)) < 100, "one bar, or one gap"
    assert np.ptp(across.mean(-1)) > 100, "bars and gaps"
