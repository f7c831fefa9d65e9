import numpy as np
import pytest

from contracts.classes import RoadUser
from simulators.bodies import body


@pytest.mark.parametrize("kind", list(RoadUser))
def test_a_body_fills_its_box(kind: RoadUser) -> None:
    corners, colours = body(kind)
    assert corners.shape == (len(colours), 4, 3)
    assert np.isnan(colours).any(), "something has the road user's own colour"
    np.testing.assert_allclose(corners.max((0, 1))[2], 1.0)
    assert (corners.min((0, 1)) >= [-0.5, -0.5, 0]).all()
    assert (corners.max((0, 1)) <= [0.5, 0.5, 1]).all()


@pytest.mark.parametrize("kind", list(RoadUser))
def test_no_face_is_inside_out(kind: RoadUser) -> None:
    corners, _ = body(kind)
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 1])
    main = np.abs(normal).argmax(1)
    middle = corners.mean(1)
    assert (normal[main == 2, 2] > 0).all(), "lids look up"
    assert (normal[main == 1, 1] * middle[main == 1, 1] > 0).all(), "sides look away"
    assert (normal[main == 0, 0] > 0).any()
    assert (normal[main == 0, 0] < 0).any()
