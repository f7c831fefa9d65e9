from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.verify.passing import passed
from edge.vision.counting import Line

LINE = Line("road", (0, 100), (200, 100))  # "in" is down the picture
SIZE = 20.0


def walk(*ys, x=100.0, who=1):
    n = len(ys)
    point = np.column_stack((np.full(n, float(x)), np.array(ys, float)))
    return np.full(n, who), np.arange(n, dtype=float), point, np.full(n, SIZE)


def ways(*args, line=LINE):
    found = passed(*args, line)
    return list(zip(found.moment.tolist(), found.inward.tolist(), strict=True))


def test_the_moment_is_between_the_pictures():
    assert ways(*walk(40, 80, 120, 160)) == [(pytest.approx(1.5), True)]
    assert ways(*walk(160, 130, 90)) == [(pytest.approx(1.75), False)]


def test_there_and_back_is_two():
    assert [way for _, way in ways(*walk(80, 95, 110, 115, 90))] == [True, False]


def test_who_only_trembles_at_the_line_passes_once():
    assert ways(*walk(90, 100.5, 99.5, 100.5, 99.5, 104)) == [(pytest.approx(4 + 1 / 9), True)]
    assert ways(*walk(90, 100.5, 99.5, 90)) == []


def test_beside_the_line_is_not_across_it():
    assert ways(*walk(80, 120, x=201)) == []
    assert len(ways(*walk(80, 120, x=199))) == 1


def test_two_who_follow_each_other_in_the_file_are_two():
    one, other = walk(40, 60), walk(140, 160, who=2)
    assert ways(*(np.concatenate(pair) for pair in zip(one, other, strict=True))) == []


def test_nobody_passes_nothing():
    assert ways(np.zeros(0, int), np.zeros(0), np.zeros((0, 2)), np.zeros(0)) == []


# a point on the line itself belongs to its left-hand side, so it has no mirror image
paths = st.lists(st.floats(0, 200).filter(lambda y: y != 100), min_size=1, max_size=12)


@given(paths)
def test_turning_the_line_round_turns_the_ways_round(ys):
    back = LINE._replace(a=LINE.b, b=LINE.a)
    turned = [(pytest.approx(t), not way) for t, way in ways(*walk(*ys), line=back)]
    assert ways(*walk(*ys)) == turned


@given(paths)
def test_ways_alternate_and_lead_from_the_first_side_to_the_last(ys):
    found = [way for _, way in ways(*walk(*ys))]
    assert all(one != other for one, other in pairwise(found))
    if abs(ys[-1] - 100) > SIZE / 10:
        down = ys[-1] > 100
        assert (found[-1:] == [down]) if found else (ys[0] > 100) == down


@given(paths, st.randoms())
def test_the_order_of_the_file_does_not_matter(ys, random):
    rows = list(range(len(ys)))
    random.shuffle(rows)
    assert ways(*(column[rows] for column in walk(*ys))) == ways(*walk(*ys))
