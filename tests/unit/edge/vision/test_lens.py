import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from edge.vision.ground import Ground
from edge.vision.lens import LensSettings

K = st.floats(-0.25, 0.25)
X, Y = st.floats(0, 1280), st.floats(0, 720)


def lens(k1, k2=0.0):
    return LensSettings(k1=k1, k2=k2).lens(1280, 720)


@given(K, st.floats(-0.02, 0.02), X, Y)
def test_bent_and_unbent_is_where_it_was(k1, k2, x, y):
    point = np.array([[x, y]])
    bent = lens(k1, k2).distort(point)
    assert np.allclose(lens(k1, k2).undistort(bent).points, point, atol=1e-5)


@given(K, X, Y)
def test_the_jacobian_is_the_slope(k1, x, y):
    h = 1e-3
    point = np.array([[x, y], [x + h, y], [x, y + h]])
    found = lens(k1).undistort(point)
    slope = (found.points[1:] - found.points[0]).T / h
    assert np.allclose(found.jacobian[0], slope, atol=1e-4)


def test_it_is_brown_as_opencv_has_it():
    cv2 = pytest.importorskip("cv2")
    matrix = np.array([[900.0, 0, 650], [0, 880, 340], [0, 0, 1]])
    given_ = LensSettings(k1=-0.31, k2=0.09, matrix=matrix.tolist(), size=(1280, 720))
    points = np.random.default_rng(1).uniform((0, 0), (1280, 720), (50, 2))
    theirs = cv2.undistortPoints(
        points[:, None], matrix, np.array([-0.31, 0.09, 0, 0]), P=matrix,
        criteria=(cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 200, 1e-12),
    )[:, 0]  # fmt: skip
    assert np.allclose(given_.lens(1280, 720).undistort(points).points, theirs, atol=1e-3)


def test_the_same_lens_in_half_as_many_pixels():
    whole = LensSettings(
        k1=-0.2, matrix=[[900, 0, 650], [0, 900, 340], [0, 0, 1]], size=(1280, 720)
    )
    point = np.array([[100.0, 60.0]])
    half = whole.lens(640, 360).undistort(point / 2).points
    assert np.allclose(2 * half, whole.lens(1280, 720).undistort(point).points)


def test_where_the_lens_shows_nothing_is_nowhere():
    barrel = lens(-0.9)
    assert np.isnan(barrel.undistort(np.array([[0.0, 0.0]])).points).all()
    assert np.isfinite(barrel.undistort(np.array([[640.0, 500.0]])).points).all()
    assert np.isnan(barrel.distort(np.array([[-900.0, -900.0]]))).all()


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"matrix": [[900, 0, 650], [0, 900, 340], [0, 0, 1]]}, "go together"),
        ({"size": (640, 480)}, "go together"),
        ({"matrix": [[900, 3, 650], [0, 900, 340], [0, 0, 1]], "size": (1, 1)}, "matrix is"),
        (
            {"matrix": [[9, 0, 6], [0, 9, 3], [0, 0, 1]], "size": (1, 1), "focal": 1.0},
            "remove them",
        ),
        ({"k1": float("nan")}, "finite"),
    ],
)
def test_nonsense_is_refused(keys, said):
    with pytest.raises(ValidationError, match=said):
        LensSettings(**keys)


ROAD = np.array([[-4.0, 10.0], [4.0, 10.0], [-4.0, 45.0], [4.0, 45.0], [0.0, 20.0]])
MARKS = np.array([[200.0, 680.0], [1080.0, 680.0], [520.0, 280.0], [760.0, 280.0]])


@given(K, st.floats(240, 1040), st.floats(300, 660))
def test_the_ground_behind_a_lens(k1, x, y):
    straight = Ground.from_pairs(MARKS, ROAD[:4])
    bent = Ground.from_pairs(lens(k1).distort(MARKS), ROAD[:4], lens(k1))
    point = np.array([[x, y]])
    shown = lens(k1).distort(point)
    assert np.allclose(bent.places(shown).xy, straight.places(point).xy, atol=1e-5)
    assert np.allclose(bent.image(straight.places(point).xy), shown, atol=1e-5)
    h = 1e-3
    at = bent.places(shown + np.array([[0, 0], [h, 0], [0, h]]))
    assert np.allclose(at.jacobian[0], (at.xy[1:] - at.xy[0]).T / h, rtol=1e-2, atol=1e-5)
