import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.vision.backdrop import PROVEN, RELEASED, Backdrop, joined
from edge.vision.frames import Frame
from edge.vision.privacy import AHEAD, BLOCKS, HOLD, LOOK_EVERY, Veil, blackened, over, pixelate
from edge.vision.small import small

WIDTH, HEIGHT = 320, 240
NONE = np.zeros((0, 4))
S = 1_000_000


def noise(height=HEIGHT, width=WIDTH):
    return np.random.default_rng(1).integers(0, 256, (height, width, 3)).astype(np.uint8)


CORNER = [np.array([[0, 0], [99, 0], [0, 99]])]


def test_what_is_masked_is_black_in_all_that_is_made_of_a_frame():
    image = noise()
    asked = []
    frames = blackened(iter([Frame(image, 1, 0)]), lambda *size: asked.append(size) or CORNER)
    (seen,) = frames
    assert asked == [(WIDTH, HEIGHT)]
    assert (seen.image[10:40, 10:40] == 0).all()
    assert (seen.image[120:] == image[120:]).all()
    assert (image == noise()).all(), "the given picture is left alone"
    assert (small(seen).luma[10:40, 10:40] == 0).all()


grids = st.tuples(st.integers(1, 30), st.integers(1, 40)).flatmap(
    lambda shape: st.lists(
        st.tuples(st.integers(0, shape[0] - 1), st.integers(0, shape[1] - 1)), max_size=12
    ).map(lambda at: (shape, at))
)


@given(grids)
def test_hidden_cells_hold_nothing_but_even_blocks_and_the_rest_stays(grid):
    (rows, columns), at = grid
    cells = np.zeros((rows, columns), bool)
    for row, column in at:
        cells[row, column] = True
    image = noise()
    hidden = pixelate(image, cells)
    mask = over(cells, WIDTH, HEIGHT) > 0
    assert np.array_equal(hidden[~mask], image[~mask])
    # as many colours as there are blocks, which are no smaller than cells and may be cut by them
    colours = len(np.unique(hidden[mask], axis=0)) if mask.any() else 0
    assert colours <= 4 * cells.sum()


def test_of_what_is_large_few_blocks_are_left():
    hidden = pixelate(noise(), np.ones((30, 40), bool))
    assert len(np.unique(hidden.reshape(-1, 3), axis=0)) <= (BLOCKS + 1) * (BLOCKS + 4)


def test_the_given_image_stays():
    image = noise()
    pixelate(image, np.ones((30, 40), bool))
    assert np.array_equal(image, noise())


def look_for(backdrop, seconds, image, start=0, followed=None):
    """Look twice a second at the same picture; what the last look said, and its moment."""
    followed = np.zeros(image.shape[:2], bool) if followed is None else followed
    for now in range(start, start + round(seconds * S) + 1, S // 2):
        doubt = backdrop.look(image, now, followed)
    return doubt, now


@pytest.fixture
def street():
    return np.full((60, 80, 3), 100, np.uint8)


def test_nothing_is_proven_before_its_time(street):
    backdrop = Backdrop()
    assert look_for(backdrop, PROVEN - 0.5, street)[0].all()
    assert not look_for(backdrop, 0.5, street, round(PROVEN * S))[0].any()


def test_who_stands_still_stays_hidden_until_the_place_is_released(street):
    backdrop, person = Backdrop(), street.copy()
    person[20:40, 30:40] = 140
    _, now = look_for(backdrop, PROVEN + 1, street)
    doubt, now = look_for(backdrop, RELEASED - 1, person, now + S // 2)
    assert doubt[20:40, 30:40].all()
    assert doubt.sum() == 200
    doubt, now = look_for(backdrop, PROVEN + 2, person, now + S // 2)
    assert not doubt.any()


def test_who_is_followed_is_never_proven_away(street):
    backdrop, followed = Backdrop(), np.zeros((60, 80), bool)
    followed[20:40, 30:40] = True
    doubt, _ = look_for(backdrop, RELEASED + PROVEN, street, followed=followed)
    assert doubt[20:40, 30:40].all()
    assert doubt.sum() == 200


def test_pictures_far_apart_prove_little(street):
    backdrop = Backdrop()
    nobody = np.zeros(street.shape[:2], bool)
    for now in range(0, 9 * 60 * S, 60 * S):
        assert backdrop.look(street, now, nobody).all()


@settings(max_examples=20, deadline=None)
@given(st.floats(0.6, 1.6))
def test_the_exposure_alone_puts_nothing_into_doubt(gain):
    backdrop = Backdrop()
    still = np.random.default_rng(2).integers(40, 140, (60, 80, 3)).astype(np.uint8)
    _, now = look_for(backdrop, PROVEN + 1, still)
    other = np.clip(np.round(still * gain), 0, 255).astype(np.uint8)
    doubt = backdrop.look(other, now + S, np.zeros((60, 80), bool))
    assert not doubt.any()


def test_specks_are_left_out_and_gaps_closed():
    doubt = np.zeros((40, 40), bool)
    doubt[5, 5] = doubt[20:30, 20:22] = doubt[20:30, 24:26] = True
    closed = joined(doubt, 5, 2)
    assert not closed[5, 5]
    assert closed[20:30, 20:26].all()


def proven_veil(image):
    veil = Veil(WIDTH, HEIGHT)
    step = round(LOOK_EVERY * S)
    now = 0
    for now in range(0, round((PROVEN + HOLD + AHEAD + 1) * S), step):
        veil.step(Frame(image, now, 0), NONE, shown=False)
    return veil, now + step


def test_a_box_is_hidden_before_and_after_it_was_seen():
    image = noise() // 4 + 90
    veil, now = proven_veil(image)
    box = np.array([[100.0, 60.0, 140.0, 160.0]])
    shown = {}
    for later in range(26):  # a picture leaves when AHEAD is known of what came after it
        moment = now + later * S // 10 - round(AHEAD * S)
        at = Frame(image, now + later * S // 10, 0)
        veil.step(at, box if later == 0 else NONE, shown=False)
        shown[moment - now] = over(veil.hidden(moment, 0).cells, WIDTH, HEIGHT)
    inside = (slice(60, 160), slice(100, 140))
    assert not any(mask[:, 200:].any() for mask in shown.values())
    for after, mask in shown.items():
        if -AHEAD * S <= after <= HOLD * S:
            assert (mask[inside] > 0).all(), after
    assert not shown[round(HOLD * S) + S // 5].any()


def test_of_what_nothing_is_known_everything_is_hidden():
    veil, now = proven_veil(noise())
    assert veil.hidden(now - 60 * S, 0).share == 1.0
    assert Veil(WIDTH, HEIGHT).hidden(0, 0).share == 1.0


@given(
    st.tuples(st.floats(-50, 310), st.floats(-50, 230), st.floats(0.1, 400), st.floats(0.1, 400))
)
def test_all_of_a_box_is_hidden_wherever_it_lies(box):
    left, top, wide, high = box
    veil = Veil(WIDTH, HEIGHT)
    boxes = np.array([[left, top, left + wide, top + high]])
    cells = veil._inside(boxes)
    mask = over(cells, WIDTH, HEIGHT)
    x0, x1 = max(0, int(left)), max(0, min(WIDTH, int(np.ceil(left + wide))))
    y0, y1 = max(0, int(top)), max(0, min(HEIGHT, int(np.ceil(top + high))))
    assert (mask[y0:y1, x0:x1] > 0).all()


@pytest.mark.parametrize("size", [(320, 240), (768, 576), (1920, 1080), (1080, 1920), (40, 30)])
def test_cells_fit_any_picture(size):
    veil = Veil(*size)
    assert max(veil.columns, veil.rows) <= 48
    veil.step(Frame(noise(size[1], size[0]), 0, 0), NONE, shown=True)
    hidden = veil.hidden(0, 0)
    assert hidden.share == 1.0


def test_after_a_gap_what_was_before_is_forgotten():
    image = noise() // 4 + 90
    veil, now = proven_veil(image)
    box = np.array([[100.0, 60.0, 140.0, 160.0]])
    veil.step(Frame(image, now, 0), box, shown=False)
    later = now + 60 * S
    veil.step(Frame(image, later, 0), NONE, shown=True)
    assert veil.hidden(later, 0).share == 0.0
    assert len(veil._findings) == 1


def test_a_street_is_proven_empty_between_those_who_pass(street):
    backdrop, nobody = Backdrop(), np.zeros(street.shape[:2], bool)
    for n in range(120):  # a third of the time somebody covers the place, each another one
        image = street.copy()
        if n % 3 == 0:
            image[20:40] = (n * 67 % 90) + 120
        doubt = backdrop.look(image, n * S // 2, nobody)
        assert n % 3 or doubt[20:40].all(), "who passes is never proven"
    assert not doubt.any()
