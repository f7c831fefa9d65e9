import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.calibration.coordinates import in_pixels, misplaced, written
from edge.configuration.camera import Camera

SIZE = (640, 360)
SYSTEMS = st.sampled_from([None, "stream", (1280, 720), (320, 240)])
PIXEL = st.tuples(st.floats(-100, 700), st.floats(-100, 400))


@given(st.lists(PIXEL), SYSTEMS)
def test_there_and_back(points, drawn_on):
    back = in_pixels(written(points, SIZE, drawn_on), SIZE, drawn_on)
    assert np.allclose(back, np.reshape(points, (-1, 2)), atol=0.02)


@given(PIXEL, SYSTEMS)
def test_the_camera_takes_them_for_the_same(point, drawn_on):
    row = written([point], SIZE, drawn_on)[0]
    camera = Camera(source="a.avi", drawn_on=drawn_on, masks=[[row, row, row]])
    seen = camera.opened(*SIZE).vision(*SIZE).masks[0][0]
    assert np.allclose(seen, in_pixels([row], SIZE, drawn_on)[0])


@pytest.mark.parametrize(
    ("drawn_on", "rows"), [(None, [1]), ("stream", []), ((640, 360), []), ((64, 36), [1])]
)
def test_pixels_are_no_shares(drawn_on, rows):
    assert misplaced([(0.5, 1.0), (320, 180)], SIZE, drawn_on) == rows
