import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edge.vision.privacy import BLOCKS, CAPACITY, HOLD, MARGIN, SMALLEST_BLOCK, Veil, pixelate


def noise(height=240, width=320):
    return np.random.default_rng(1).integers(0, 256, (height, width, 3)).astype(np.uint8)


boxes = st.tuples(st.floats(-50, 300), st.floats(-50, 220), st.floats(1, 200), st.floats(1, 200))


@given(boxes)
def test_what_is_left_of_a_box_is_a_few_even_blocks(box):
    left, top, w, h = box
    image = noise()
    hidden = pixelate(image, np.array([[left, top, left + w, top + h]]))
    x0, x1 = max(0, int(np.floor(left))), min(320, int(np.ceil(left + w)))
    y0, y1 = max(0, int(np.floor(top))), min(240, int(np.ceil(top + h)))
    if x1 <= x0 or y1 <= y0:
        return
    patch = hidden[y0:y1, x0:x1].reshape(-1, 3)
    grown = np.array([x1 - x0 + 2 * MARGIN * w + 2, y1 - y0 + 2 * MARGIN * h + 2])
    block = max(SMALLEST_BLOCK, min(grown) / (BLOCKS + 1))
    assert len(np.unique(patch, axis=0)) <= np.prod(np.ceil(grown / block) + 1)


def test_inside_a_block_nothing_varies():
    hidden = pixelate(noise(), np.array([[100.0, 60.0, 160.0, 180.0]]))
    changes = (np.diff(hidden[42:198, 91:169].astype(int), axis=1) != 0).any(axis=2)
    columns = np.flatnonzero(changes.any(axis=0))
    assert len(columns) <= BLOCKS  # only at the borders of blocks
    assert (np.diff(columns) >= SMALLEST_BLOCK).all()


def test_small_and_far_people_are_one_block():
    hidden = pixelate(noise(), np.array([[100.0, 60.0, 105.0, 68.0]]))
    assert len(np.unique(hidden[60:68, 100:105].reshape(-1, 3), axis=0)) == 1


def test_the_rest_of_the_picture_and_the_given_one_stay():
    image = noise()
    before = image.copy()
    hidden = pixelate(image, np.array([[100.0, 60.0, 160.0, 180.0]]))
    assert np.array_equal(image, before)
    assert np.array_equal(hidden[:40], image[:40])
    assert np.array_equal(hidden[:, :90], image[:, :90])


def test_masks_are_black():
    triangle = np.array([[0, 0], [100, 0], [0, 100]])
    hidden = pixelate(noise(), np.zeros((0, 4)), [triangle])
    assert (hidden[10:40, 10:40] == 0).all()


def test_a_missed_road_user_stays_hidden_for_a_while():
    veil = Veil()
    box, none = np.array([[1.0, 2.0, 3.0, 4.0]]), np.zeros((0, 4))
    assert len(veil.step(box, 0)) == 1
    assert np.array_equal(veil.step(none, round(HOLD * 1e6)), box)
    assert len(veil.step(none, round(HOLD * 1e6) + 1)) == 0


def test_what_is_held_is_bounded_and_this_frame_comes_first():
    veil = Veil()
    veil.step(np.zeros((CAPACITY, 4)), 0)
    new = np.ones((10, 4))
    held = veil.step(new, 1)
    assert len(held) == CAPACITY
    assert np.array_equal(held[:10], new)
