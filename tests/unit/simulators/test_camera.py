import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from contracts.site import Camera, Name
from simulators.camera import View, view


def camera(
    position: tuple[float, float, float] = (32.0, -10.0, 14.0),
    target: tuple[float, float, float] = (13.0, -1.0, 0.0),
) -> Camera:
    return Camera(
        device="cam",
        name=Name(cs="K", en="C"),
        position=position,
        target=target,
        fov_deg=65.0,
        width=640,
        height=360,
        fps=10.0,
    )


VIEW = view(camera())


def one(seen: View, *point: float) -> tuple[float, float]:
    pixels, _ = seen.project(np.array([point]))
    return float(pixels[0, 0]), float(pixels[0, 1])


def test_the_target_is_in_the_middle() -> None:
    np.testing.assert_allclose(one(VIEW, 13.0, -1.0, 0.0), (320.0, 180.0), atol=1e-9)


@given(st.floats(0, 640), st.floats(0, 360))
def test_ground_and_picture_are_inverse(u: float, v: float) -> None:
    ground = VIEW.ground(np.array([[u, v]]))
    back, depth = VIEW.project(np.column_stack([ground, [0.0]]))
    assert depth[0] > 0
    np.testing.assert_allclose(back, [[u, v]], atol=1e-6)


def test_homography_is_the_projection_of_the_ground() -> None:
    image = VIEW.homography @ [18.0, -3.0, 1.0]
    np.testing.assert_allclose(image[:2] / image[2], one(VIEW, 18.0, -3.0, 0.0))


def test_up_is_up_and_north_is_right_when_looking_west() -> None:
    looking_west = view(camera((30.0, 0.0, 12.0), (0.0, 0.0, 0.0)))
    assert one(looking_west, 5.0, 0.0, 2.0)[1] < one(looking_west, 5.0, 0.0, 0.0)[1]
    assert one(looking_west, 5.0, 3.0, 0.0)[0] > 320 > one(looking_west, 5.0, -3.0, 0.0)[0]


def test_the_field_of_view_is_the_width() -> None:
    down = view(camera((0.0, 0.0, 10.0), (0.0, 0.001, 0.0)))
    half = 10.0 * np.tan(np.deg2rad(65.0 / 2))
    np.testing.assert_allclose(one(down, half, 0.0, 0.0)[0], 640.0, atol=1e-3)


def test_behind_the_camera_the_depth_is_negative() -> None:
    assert VIEW.project(np.array([[60.0, -23.0, 28.0]]))[1][0] < 0
