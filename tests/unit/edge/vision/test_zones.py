from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.vision.zones import Zone, Zones, depth

SQUARE = np.array([[100.0, 100], [200, 100], [200, 200], [100, 200]])
STEP = 100_000


def walk(points, *, confirmed=None, end=True, zone=SQUARE):
    """Visits and occupancies of one road user at each point in turn; None: not seen."""
    zones, visits, counts = Zones([Zone("stop", zone)]), [], []
    for i, point in enumerate(points):
        found, counted = zones.step(
            np.array([7], np.uint32), np.array([point is not None]),
            np.array([True if confirmed is None else confirmed[i]]),
            np.array([point or (0.0, 0.0)], float), np.array([20.0]),
            np.array([5], np.uint8), np.array([0.8]), i * STEP,
        )  # fmt: skip
        visits += found
        counts += counted
    if end:
        visits += nobody(zones, len(points) * STEP)[0]
        assert all(len(watch.memory) == 0 for watch in zones._watches)
        assert not zones._waiting
    return visits, counts


def nobody(zones, captured):
    none = np.zeros(0)
    return zones.step(
        none.astype(np.uint32), none.astype(bool), none.astype(bool), np.zeros((0, 2)),
        none, none.astype(np.uint8), none, captured,
    )  # fmt: skip


def across(n=31):
    return [(82 + 5 * i, 150) for i in range(n)]


def test_a_visit_lasts_from_border_to_border():
    ((zone, track, kind, entered, left, score),) = walk(across())[0]
    assert (zone, track, kind, score) == ("stop", 7, 5, 0.8)
    assert (entered, left) == (4 * STEP, 24 * STEP)


def test_flicker_on_the_border_is_one_visit():
    flicker = [(100 + (3 if i % 2 else -3), 150) for i in range(40)]
    visits, _ = walk([(80, 150), *flicker, (120, 150), *flicker, (80, 150)])
    assert len(visits) == 1


def test_flicker_from_outside_is_no_visit():
    visits, _ = walk([(80, 150)] + [(100 + (3 if i % 2 else -3), 150) for i in range(40)])
    assert visits == []


def test_coming_again_is_another_visit():
    assert len(walk(across() + across()[::-1])[0]) == 2


def test_who_is_never_confirmed_visits_nothing_and_occupies_nothing():
    visits, counts = walk(across(), confirmed=[False] * 31)
    assert visits == []
    assert all(one.by_class == {} for one in counts)


def test_who_is_confirmed_after_it_left_visited_once():
    assert len(walk(across(), confirmed=[False] * 28 + [True] * 3)[0]) == 1


def test_who_ends_inside_left_when_it_was_last_seen():
    (visit,) = walk([*across(10), None, None, None])[0]
    assert (visit.entered, visit.left) == (4 * STEP, 9 * STEP)


def test_occupancy_is_told_once_a_second_and_returns_to_zero():
    _, counts = walk(across(41))
    assert [one.captured for one in counts] == [0, 1_000_000, 2_000_000, 3_000_000, 4_000_000]
    assert [one.by_class for one in counts] == [{}, {5: 1}, {5: 1}, {5: 0}, {5: 0}]


@given(st.lists(st.tuples(st.integers(60, 240), st.integers(60, 240)), min_size=1, max_size=40))
def test_visits_of_one_road_user_never_overlap(points):
    visits, _ = walk(points)
    assert all(v.entered <= v.left for v in visits)
    assert all(a.left <= b.entered for a, b in pairwise(visits))


@pytest.mark.parametrize("turn", range(4))
def test_depth_does_not_hang_on_where_the_polygon_begins(turn):
    points = np.random.default_rng(1).uniform(50, 250, (50, 2))
    concave = np.array([[100.0, 100], [200, 100], [150, 140], [200, 200], [100, 200]])
    expected = depth(concave, points)
    assert np.allclose(depth(np.roll(concave, turn, axis=0)[::-1], points), expected)
