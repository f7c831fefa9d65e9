import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.calibration.fit import Pairs, agreeing, calibrate, uncertainty
from edge.vision.ground import Ground, GroundError, slender
from edge.vision.lens import LensSettings

SIZE = (1280, 720)
TRUE = Ground.from_pairs(
    np.array([[300.0, 700.0], [1000.0, 680.0], [500.0, 200.0], [800.0, 210.0]]),
    np.array([[-6.0, 8.0], [6.0, 8.0], [-9.0, 55.0], [9.0, 55.0]]),
)
SEEDS = st.integers(0, 2**31)


def street(n, seed, *, k1=0.0, noise=1.0, wrong=0):
    """Pairs of a street seen through a lens; the last ones are some metres off."""
    rng = np.random.default_rng(seed)
    # in each part of the picture some, as an installer would take care to have
    cell = np.stack(np.meshgrid([0.1, 0.37, 0.63, 0.9], [0.1, 0.5, 0.9]), axis=2).reshape(-1, 2)
    share = cell[rng.permutation(len(cell))[np.arange(n) % len(cell)]]
    share += rng.uniform(-0.08, 0.08, share.shape)
    point = np.array([150, 210]) + share * np.array([980, 490])
    ground = TRUE.places(point).xy
    ground[n - wrong :] += rng.choice([-1, 1], (wrong, 2)) * rng.uniform(2.5, 6, (wrong, 2))
    clicked = LensSettings(k1=k1).lens(*SIZE).distort(point) + rng.normal(0, noise, point.shape)
    return Pairs(clicked, ground)


def off(found, k1=0.0):
    """Errors [m] of the fit all over the street."""
    x, y = np.meshgrid(np.linspace(250, 1050, 7), np.linspace(230, 680, 6))
    point = np.column_stack((x.ravel(), y.ravel()))
    shown = LensSettings(k1=k1).lens(*SIZE).distort(point)
    return np.hypot(*(found.ground.places(shown).xy - TRUE.places(point).xy).T)


@given(SEEDS, st.integers(4, 7))
@settings(max_examples=15)
def test_exact_pairs_give_the_ground(seed, n):
    found = calibrate(street(n, seed, noise=0.0), SIZE)
    assert found.kept.all()
    assert off(found).max() < 1e-2
    assert np.abs(found.error).max() < 1e-3
    assert np.abs(found.error_px).max() < 1e-2


@pytest.mark.parametrize(("n", "wrong"), [(6, 1), (8, 1), (12, 2), (16, 4)])
def test_wrong_pairs_are_found_and_left_out(n, wrong):
    right = 0
    for seed in range(5):
        found = calibrate(street(n, seed, wrong=wrong), SIZE, seek_lens=False)
        right += (~found.kept).tolist() == [False] * (n - wrong) + [True] * wrong
        assert np.isfinite(found.left_out[~found.kept]).all()
    assert right >= 4  # by chance one may lie where no pixel tells


def test_an_orthophoto_is_no_tape_measure():
    """Pairs that are all inexact are no wrong pairs: their errors are larger, and it is said."""
    for seed in range(5):
        pairs = street(12, seed)
        rough = pairs.ground + np.random.default_rng(seed).normal(0, 0.3, pairs.ground.shape)
        found = calibrate(pairs._replace(ground=rough), SIZE, seek_lens=False)
        assert found.kept.sum() >= 8
        assert 1.3 < found.scale < 8


def test_a_lens_is_believed_where_it_helps_and_only_there():
    straight = [calibrate(street(16, seed), SIZE) for seed in range(3)]
    assert sum(found.bent for found in straight) == 0
    for seed in range(2):
        pairs = street(20, seed, k1=-0.25, wrong=1)
        found = calibrate(pairs, SIZE)
        assert found.bent
        assert found.lens.k1 == pytest.approx(-0.25, abs=0.06)
        assert not found.kept[-1]
        plain = calibrate(pairs.pick(found.kept), SIZE, seek_lens=False)
        assert np.median(off(found, -0.25)) < 0.7 * np.median(off(plain, -0.25))


def test_a_lens_that_is_known_is_taken():
    lens = LensSettings(k1=-0.25)
    found = calibrate(street(6, 1, k1=-0.25, noise=0.0), SIZE, lens)
    assert not found.bent
    assert off(found, -0.25).max() < 1e-4


def test_who_is_left_out_tells_the_error_at_new_places():
    told, true = [], []
    for seed in range(12):
        found = calibrate(street(10, seed), SIZE, seek_lens=False)
        told.append(np.median(found.left_out))
        true.append(np.median(off(found)))
    assert 0.5 < np.median(told) / np.median(true) < 4


def test_four_pairs_tell_no_error():
    found = calibrate(street(4, 1), SIZE)
    assert np.isnan(found.scale)
    assert np.isnan(found.left_out).all()


def test_the_uncertainty_is_what_errors_are():
    """Error over uncertainty, at places all over the street, has unit variance."""
    x, y = np.meshgrid(np.linspace(250, 1050, 4), np.linspace(250, 680, 4))
    points = np.column_stack((x.ravel(), y.ravel()))
    ratios = []
    for seed in range(15):
        pairs = street(8, seed, noise=1.5)
        rough = pairs.ground + np.random.default_rng(seed).normal(0, 0.05, pairs.ground.shape)
        pairs = pairs._replace(ground=rough)
        found = calibrate(pairs, SIZE, seek_lens=False)
        sd = uncertainty(found, pairs, points, SIZE)
        error = found.ground.places(points).xy - TRUE.places(points).xy
        ratios.append(error / sd[:, None])
    assert 0.5 < np.mean(np.abs(ratios) < 1) < 0.85


def test_beyond_the_horizon_nothing_is_known():
    pairs = street(8, 1)
    found = calibrate(pairs, SIZE, seek_lens=False)
    assert np.isinf(uncertainty(found, pairs, np.array([[640.0, 5.0]]), SIZE)).all()


def test_a_line_is_slender_and_a_square_is_not():
    line = np.column_stack((np.arange(6.0), 0.01 * np.arange(6.0) ** 2))
    assert slender(line) < 0.05
    assert slender(np.array([[0.0, 0], [1, 0], [0, 1], [1, 1]])) == pytest.approx(1)


@pytest.mark.parametrize("n", [4, 8])
def test_points_on_a_line_and_points_given_twice_are_refused(n):
    line = np.column_stack((np.arange(n) * 10.0, np.arange(n) * 20.0))
    with pytest.raises(GroundError, match="one line"):
        calibrate(Pairs(line, line), SIZE, seek_lens=False)
    pairs = street(n, 1)
    with pytest.raises(GroundError, match="same point of the ground"):
        calibrate(pairs._replace(ground=pairs.ground[[0, 0, *range(2, n)]]), SIZE)


def test_the_same_pairs_give_the_same_answer():
    pairs = street(14, 3, wrong=3)
    one, other = agreeing(pairs, None), agreeing(pairs, None)
    assert (one[0] == other[0]).all()
    assert one[1] == other[1]
