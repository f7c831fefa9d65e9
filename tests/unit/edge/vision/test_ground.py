import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.vision.ground import (
    Ground,
    GroundError,
    Motions,
    Odometer,
    clear_heading,
    line_fit,
)

# a camera 8 m up that looks down the road: four marks, as an installer would give them
IMAGE = np.array([[100.0, 340.0], [540.0, 340.0], [260.0, 140.0], [380.0, 140.0]])
ROAD = np.array([[-4.0, 10.0], [4.0, 10.0], [-4.0, 45.0], [4.0, 45.0]])


def test_marks_are_hit_exactly():
    ground = Ground.from_pairs(IMAGE, ROAD)
    assert np.allclose(ground.places(IMAGE).xy, ROAD)
    assert np.allclose(ground.image(ROAD), IMAGE)


@given(st.floats(120, 520), st.floats(145, 335))
def test_there_and_back_is_where_it_was(x, y):
    ground = Ground.from_pairs(IMAGE, ROAD)
    point = np.array([[x, y]])
    assert np.allclose(ground.image(ground.places(point).xy), point, atol=1e-6)


@given(st.floats(120, 520), st.floats(145, 335))
def test_the_jacobian_is_the_slope(x, y):
    ground = Ground.from_pairs(IMAGE, ROAD)
    h = 1e-4
    at = ground.places(np.array([[x, y], [x + h, y], [x, y + h]]))
    slope = (at.xy[1:] - at.xy[0]).T / h
    assert np.allclose(at.jacobian[0], slope, rtol=1e-3, atol=1e-5)


def test_large_coordinates_cost_no_digits():
    krovak = np.array([-758_000.0, -975_000.0])
    ground = Ground.from_pairs(IMAGE, ROAD + krovak)
    assert np.allclose(ground.places(IMAGE).xy - krovak, ROAD, atol=1e-6)


def test_above_the_horizon_is_nowhere():
    ground = Ground.from_pairs(IMAGE, ROAD)
    places = ground.places(np.array([[320.0, 10.0], [320.0, 300.0]]))
    assert np.isnan(places.xy[0]).all()
    assert np.isfinite(places.xy[1]).all()


@pytest.mark.parametrize("rows", [[0, 1, 2], [0, 0, 0, 0]])
def test_useless_marks_are_refused(rows):
    with pytest.raises(GroundError, match=r"four|at least 4"):
        Ground.from_pairs(IMAGE[rows], ROAD[rows])


def test_velocity_of_a_straight_way_is_exact():
    t = np.linspace(-0.8, 0, 9)[None]
    xy = np.stack((3 + 12 * t, -1 - 5 * t), axis=2)
    fit = line_fit(t, xy, np.full(t.shape, 0.2))
    assert np.allclose(fit.velocity, [[12, -5]])
    # textbook: sd / sqrt(sum of squared deviations of time)
    assert np.allclose(fit.sd, 0.2 / np.sqrt(((t - t.mean()) ** 2).sum()))


def test_two_positions_are_no_speed():
    fit = line_fit(np.array([[-0.5, 0.0, np.nan]]), np.zeros((1, 3, 2)), np.ones((1, 3)))
    assert np.isnan(fit.velocity).all()
    assert np.isnan(fit.sd).all()


def drive(odometer, steps, speed, *, ids=(5,), start=0):
    for i in range(start, start + steps):
        xy = np.array([[speed * i * 0.1, 0.0]] * len(ids))
        state = odometer.step(
            np.array(ids, np.uint32), xy, np.full(len(ids), 0.1), np.ones(len(ids), bool),
            i * 100_000,
        )  # fmt: skip
    return state


def test_odometer_tells_speed_and_heading():
    state = drive(Odometer(), 10, -8.0)
    assert np.allclose(state.velocity, [[-8, 0]])
    assert np.allclose(np.abs(state.heading), np.pi)


def test_heading_is_kept_while_standing():
    odometer = Odometer()
    drive(odometer, 10, 8.0)
    for i in range(10, 40):
        state = odometer.step(
            np.array([5], np.uint32), np.array([[7.2, 0.0]]), np.array([0.1]), np.ones(1, bool),
            i * 100_000,
        )  # fmt: skip
    assert np.allclose(state.velocity, 0, atol=1e-9)
    assert np.allclose(state.heading, 0)


def test_odometer_forgets_who_left_and_mixes_nobody_up():
    odometer = Odometer()
    drive(odometer, 10, 8.0, ids=(5, 9))
    state = drive(odometer, 1, 8.0, ids=(9, 12), start=10)
    assert np.allclose(state.velocity[0], [8, 0])
    assert np.isnan(state.velocity[1]).all()


@given(st.integers(0, 2**31))
def test_far_marks_do_not_outweigh_near_ones(seed):
    """Clicks err by as many pixels everywhere; what is far errs by more metres."""
    rng = np.random.default_rng(seed)
    true = Ground.from_pairs(IMAGE, ROAD)
    image = rng.uniform((150, 145), (490, 335), (30, 2))
    clicked = image + rng.normal(0, 1.5, image.shape)
    found = Ground.from_pairs(clicked, true.places(image).xy)
    near = np.array([[300.0, 330.0], [200.0, 300.0], [400.0, 300.0]])
    assert np.abs(found.places(near).xy - true.places(near).xy).max() < 0.25


def test_behind_the_camera_is_nowhere_in_the_picture():
    ground = Ground.from_pairs(IMAGE, ROAD)
    assert np.isnan(ground.image(np.array([[0.0, -60.0]]))).all()


def test_the_direction_of_who_hardly_moves_is_not_clear():
    motions = Motions(
        np.zeros((3, 2)), np.array([[2.0, 0], [2.0, 0], [0.3, 0]]), np.array([0.1, 1.0, 0.01]),
        np.zeros(3),
    )  # fmt: skip
    assert np.isnan(clear_heading(motions)).tolist() == [False, True, True]
