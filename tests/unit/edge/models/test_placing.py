import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.models.placing import Fit, Numbers, Placing, place


def placing(fit, numbers=Numbers.BYTE, *, rgb=False):
    return Placing(fit, numbers, rgb)


def test_the_picture_keeps_its_shape_and_the_rest_is_grey():
    black = np.zeros((100, 200, 3), np.uint8)
    (corner,) = place(black, 416, 416, "float32", placing(Fit.CORNER)).picture
    assert (corner[:, :208] == 0).all()
    assert (corner[:, 208:] == 114).all()
    (middle,) = place(black, 416, 416, "float32", placing(Fit.MIDDLE)).picture
    assert (middle[:, 104:312] == 0).all()
    assert (middle[:, :104] == 114).all()
    assert (middle[:, 312:] == 114).all()
    assert (place(black, 416, 416, "float32", placing(Fit.STRETCH)).picture == 0).all()


@pytest.mark.parametrize(
    ("numbers", "dtype", "expected"),
    [
        (Numbers.BYTE, "float32", (10, 20, 30)),
        (Numbers.SHARE, "float16", (10 / 255, 20 / 255, 30 / 255)),
        (Numbers.SHARE, "uint8", (10, 20, 30)),
        (Numbers.IMAGENET, "float32", [(n / 255 - m) / s for n, m, s in (
            (10, 0.485, 0.229), (20, 0.456, 0.224), (30, 0.406, 0.225)
        )]),
    ],
)  # fmt: skip
def test_numbers_are_those_that_it_was_trained_with(numbers, dtype, expected):
    image = np.full((8, 8, 3), (30, 20, 10), np.uint8)  # blue, green, red
    found = place(image, 8, 8, dtype, placing(Fit.CORNER, numbers, rgb=True)).picture
    assert found.dtype == dtype
    assert found[0, :, 3, 3].astype(float) == pytest.approx(expected, rel=1e-3)


@given(
    st.sampled_from(Fit), st.integers(20, 400), st.integers(20, 400), st.integers(32, 320),
    st.integers(32, 320),
)  # fmt: skip
def test_a_box_comes_back_to_where_it_was(fit, width, height, across, down):
    image = np.zeros((height, width, 3), np.uint8)
    placed = place(image, across, down, "uint8", placing(fit))
    box = np.array([[0.1 * width, 0.2 * height, 0.7 * width, 0.9 * height]])
    put = box * np.tile(placed.scale, 2) + np.tile(placed.offset, 2)
    assert (put >= 0).all()
    assert (put <= [across, down, across, down]).all()
    assert np.allclose(placed.back(put, image), box)
