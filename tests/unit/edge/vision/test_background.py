import numpy as np
import pytest

from edge.vision.background import GREY, SHARE, Background

ALL = np.full((60, 80), 255, np.uint8)
RATE = 0.02


def street(rng, luma=120.0, u=100.0, v=150.0):
    planes = np.full((3, 60, 80), np.reshape((luma, u, v), (3, 1, 1)))
    return (planes + rng.normal(0, 1, planes.shape)).clip(0, 255).astype(np.uint8)


@pytest.fixture
def rng():
    return np.random.default_rng(1)


@pytest.fixture
def known(rng):
    background = Background(80, 60)
    for lesson in range(50):
        background.teach(street(rng), ALL, max(1 / (lesson + 1), RATE))
    return background


def share(background, planes, doubt=1.0):
    return float((background.differs(planes, doubt) > 0).mean())


def test_noise_is_background(known, rng):
    assert share(known, street(rng)) < 0.001
    assert np.abs(known.mean.astype(int) - np.reshape((120, 100, 150), (3, 1, 1))).max() <= 2


@pytest.mark.parametrize("change", [{"luma": 140}, {"u": 115}, {"v": 135}, {"luma": 50}])
def test_another_brightness_or_colour_is_not(known, rng, change):
    assert share(known, street(rng, **change)) > 0.99


def test_who_doubts_needs_more(known, rng):
    assert share(known, street(rng, luma=135), doubt=4.0) < 0.001


@pytest.mark.parametrize("left", [0.6, 0.8])
def test_a_shadow_of_the_same_colour_is_background(known, rng, left):
    darker = {"luma": 120 * left, "u": GREY + left * (100 - GREY), "v": GREY + left * (150 - GREY)}
    assert share(known, street(rng, **darker)) < 0.02
    assert share(known, street(rng, **(darker | {"v": 115}))) > 0.99


def test_what_stays_becomes_background_after_a_while_and_the_street_is_not_forgotten(known, rng):
    lessons = round(np.log(SHARE) / np.log(1 - RATE))
    for _ in range(lessons - 3):
        known.teach(street(rng, luma=170), ALL, RATE)
    assert share(known, street(rng, luma=170)) > 0.99
    for _ in range(8):
        known.teach(street(rng, luma=170), ALL, RATE)
    assert share(known, street(rng, luma=170)) < 0.02
    assert share(known, street(rng)) < 0.02


def test_what_is_not_free_is_not_learnt(known, rng):
    left = ALL.copy()
    left[:, 40:] = 0
    for _ in range(60):
        known.teach(street(rng, luma=170), left, RATE)
    seen = known.differs(street(rng, luma=170), 1.0) > 0
    assert seen[:, 40:].mean() > 0.99
    assert seen[:, :40].mean() < 0.02


def test_a_whole_lesson_forgets_everything_else(known, rng):
    known.teach(street(rng, luma=40), ALL, 1.0)
    assert share(known, street(rng, luma=40)) < 0.01
    assert share(known, street(rng)) > 0.99
