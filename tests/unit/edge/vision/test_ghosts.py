import numpy as np

from edge.vision.ghosts import LOOK_EVERY, Ghosts

ROAD = np.random.default_rng(1).integers(95, 105, (1, 180, 320)).repeat(3, 0).astype(np.uint8)
WITH = ROAD.copy()
WITH[:, 60:100, 80:160] = np.reshape((30, 40, 200), (3, 1, 1))
MOVING = np.zeros((180, 320), np.uint8)
MOVING[60:100, 80:160] = 255
LATER = round(LOOK_EVERY * 1e6)


def looked(first, then, background):
    ghosts = Ghosts()
    assert ghosts.look(first, MOVING, 0, lambda: background) is None
    return ghosts.look(then, MOVING, LATER, lambda: background)


def test_an_empty_road_before_a_background_with_a_car_is_a_ghost():
    found = looked(ROAD, ROAD, WITH)
    assert found is not None
    assert (found[65:95, 85:155] == 255).all()
    assert (found[MOVING == 0] == 0).all()


def test_a_car_before_an_empty_background_is_none():
    assert looked(WITH, WITH, ROAD) is None


def test_what_changes_does_not_stand_and_is_not_judged():
    assert looked(WITH, ROAD, WITH) is None


def test_it_looks_only_so_often():
    ghosts = Ghosts()
    for when in range(0, LATER, LATER // 10):
        assert ghosts.look(ROAD, MOVING, when, lambda: WITH) is None
    assert ghosts.look(ROAD, MOVING, LATER, lambda: WITH) is not None
