from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.vision.counting import Counter, Line

ACROSS = Line("across", (0.0, 100.0), (200.0, 100.0))


def walk(points, line=ACROSS, *, size=20.0, confirmed=None, track=7, every=100_000):
    """Passages of one road user that is at one of the points in each frame."""
    counter = Counter([line])
    found = []
    for i, point in enumerate(points):
        ids = np.array([track], np.uint32)
        found += counter.step(
            ids,
            np.array([point is not None]),
            np.array([True if confirmed is None else confirmed[i]]),
            np.array([point or (0.0, 0.0)], float),
            np.array([size]),
            np.array([5], np.uint8),
            np.array([np.nan]),
            np.array([0.8]),
            i * every,
        )
    return found


def directions(points, line=ACROSS, **more):
    return [c.direction for c in walk(points, line, **more)]


def test_down_across_a_line_drawn_to_the_right_is_in():
    assert directions([(50, 80), (50, 95), (50, 110), (50, 125)]) == ["in"]
    assert directions([(50, 125), (50, 110), (50, 95), (50, 80)]) == ["out"]


def test_right_across_a_line_drawn_upwards_is_in():
    upwards = Line("up", (100.0, 200.0), (100.0, 0.0))
    assert directions([(80, 50), (120, 50)], upwards) == ["in"]


points = st.lists(
    st.tuples(st.floats(0, 200, width=32), st.floats(0, 200, width=32)), min_size=2, max_size=30
)


@given(points)
def test_swapping_the_ends_swaps_the_directions(path):
    # on the line itself neither side is meant; a hair's breadth off it is enough
    path = [(x, y + 0.25 if y == 100 else y) for x, y in path]
    swapped = Line("swapped", ACROSS.b, ACROSS.a)
    other = {"in": "out", "out": "in"}
    assert directions(path, swapped) == [other[d] for d in directions(path)]


@given(points)
def test_directions_alternate(path):
    found = directions(path)
    assert all(a != b for a, b in pairwise(found))


def test_flicker_on_the_line_is_counted_once_and_never_backwards():
    flicker = [(50, 90 if i % 2 else 101.5) for i in range(20)]
    assert directions([(50, 80), *flicker, (50, 99), (50, 101), (50, 130)]) == ["in"]


def test_turning_back_on_the_line_is_no_passage():
    assert directions([(50, 80), (50, 99), (50, 102), (50, 99), (50, 80)]) == []


def test_going_there_and_back_is_two():
    assert directions([(50, 80), (50, 120), (50, 80)]) == ["in", "out"]


def test_beside_the_segment_is_no_passage():
    assert directions([(250, 80), (250, 120)]) == []
    assert directions([(-1, 80), (-1, 120)]) == []


def test_who_walks_round_the_end_has_not_passed():
    assert directions([(150, 80), (250, 80), (250, 120), (150, 120)]) == []


def test_born_on_the_line_counts_by_the_side_it_comes_from():
    assert directions([(50, 99), (50, 110), (50, 130)]) == ["in"]
    assert directions([(50, 101), (50, 110), (50, 130)]) == []


def test_the_moment_is_between_the_frames():
    (passage,) = walk([(50, 80), (50, 95), (50, 115), (50, 135)])
    assert passage.captured == 125_000
    assert (passage.track, passage.kind, passage.confidence) == (7, 5, 0.8)
    assert np.isnan(passage.speed)


def test_the_moment_is_the_passage_not_the_frame_that_made_it_certain():
    (passage,) = walk([(50, 95), (50, 101), (50, 102), (50, 120)])
    assert passage.captured == pytest.approx(83_333, abs=1)


def test_a_hidden_passage_counts_when_the_road_user_is_seen_again():
    assert directions([(50, 80), None, None, (50, 130)]) == ["in"]


def test_unconfirmed_tracks_do_not_count_until_they_are_confirmed():
    path = [(50, 80), (50, 110), (50, 130), (50, 150)]
    assert directions(path, confirmed=[False] * 4) == []
    (passage,) = walk(path, confirmed=[False, False, False, True])
    assert passage.direction == "in"
    assert passage.captured < 100_000


def test_who_dies_unconfirmed_is_forgotten():
    counter = Counter([ACROSS])

    def step(ids, y, confirmed, when):
        n = len(ids)
        return counter.step(
            np.array(ids, np.uint32), np.ones(n, bool), np.full(n, confirmed),
            np.array([[50.0, y]] * n).reshape(n, 2), np.full(n, 20.0), np.zeros(n, np.uint8),
            np.zeros(n), np.ones(n), when,
        )  # fmt: skip

    assert step([1], 80, False, 0) == []
    assert step([1], 130, False, 1) == []
    assert step([], 0, False, 2) == []
    assert step([2], 150, True, 3) == []
    assert counter._waiting == {}


def test_two_road_users_and_two_lines_are_kept_apart():
    counter = Counter([ACROSS, Line("lower", (0.0, 150.0), (200.0, 150.0))])
    found = []
    for i, (one, two) in enumerate([(80, 180), (120, 140), (160, 90)]):
        found += counter.step(
            np.array([3, 4], np.uint32), np.ones(2, bool), np.ones(2, bool),
            np.array([[50.0, one], [90.0, two]]), np.full(2, 20.0), np.zeros(2, np.uint8),
            np.zeros(2), np.ones(2), i,
        )  # fmt: skip
    assert sorted((c.line, c.direction, c.track) for c in found) == [
        ("across", "in", 3), ("across", "out", 4), ("lower", "in", 3), ("lower", "out", 4),
    ]  # fmt: skip


def test_who_came_hidden_in_a_group_passed_with_it():
    counter = Counter([ACROSS])

    def step(ids, ys, when, parted=()):
        n = len(ids)
        return counter.step(
            np.array(ids, np.uint32), np.ones(n, bool), np.ones(n, bool),
            np.array([[50.0 + 40 * i, y] for i, y in zip(ids, ys, strict=True)]),
            np.full(n, 20.0), np.zeros(n, np.uint8), np.zeros(n), np.ones(n), when,
            np.array(parted, np.uint32).reshape(-1, 2),
        )  # fmt: skip

    assert step([1], [80], 0) == []
    assert [c.track for c in step([1], [120], 1000)] == [1]
    assert step([1, 2], [130, 128], 2000) == []
    (late,) = step([1, 2], [140, 140], 3000, [(2, 1)])
    assert (late.track, late.direction, late.captured) == (2, "in", 500)
    # who was in view before the group passed has been counted by itself
    assert step([1, 2, 3], [150, 150, 80], 4000) == []
    assert [c.track for c in step([1, 2, 3], [160, 160, 130], 5000)] == [3]
    assert step([1, 2, 3], [170, 170, 140], 6000, [(3, 1)]) == []


@pytest.mark.parametrize("ends", [((100, 199), (100, 2)), ((100, 150), (100, 50))])
def test_a_line_goes_on_only_beyond_the_borders_of_the_picture(ends):
    line = Line("up", *ends).beyond_borders(200, 200)
    below = [(80, 204), (90, 203), (110, 205), (130, 206)]
    inside = [(80, 170), (130, 170)]
    whole = ends[0][1] > 190
    assert directions(below, line) == (["in"] if whole else [])
    assert directions(inside, line) == (["in"] if whole else [])
    assert directions([(80, 100), (130, 100)], line) == ["in"]
