import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.optimize import linear_sum_assignment

from edge.vision.assignment import assign

SHAPES = st.tuples(st.integers(0, 9), st.integers(0, 9))


@given(hnp.arrays(float, SHAPES, elements=st.integers(0, 8).map(lambda n: n / 8)), st.data())
def test_no_other_pairs_are_more_alike(alike, data):
    least = data.draw(st.sampled_from([0.05, 0.3, 0.7]))
    row, column = assign(alike, least)
    assert len(set(row.tolist())) == len(row)
    assert len(set(column.tolist())) == len(column)
    assert (alike[row, column] >= least).all()
    worth = np.where(alike >= least, alike, 0)
    best = worth[linear_sum_assignment(-worth)].sum()
    assert np.isclose(alike[row, column].sum(), best)


@given(st.integers(0, 2**32 - 1))
def test_crowds_too(seed):
    rng = np.random.default_rng(seed)
    alike = rng.random((40, 50)) * (rng.random((40, 50)) < 0.15)
    row, column = assign(alike, 0.1)
    worth = np.where(alike >= 0.1, alike, 0)
    best = worth[linear_sum_assignment(-worth)].sum()
    assert np.isclose(alike[row, column].sum(), best)


def test_one_gives_way_where_both_gain():
    row, column = assign(np.array([[0.9, 0.8], [0.7, 0.0]]), 0.1)
    assert sorted(zip(row.tolist(), column.tolist(), strict=True)) == [(0, 1), (1, 0)]


def test_one_goes_without_where_the_other_is_more_alike():
    row, column = assign(np.array([[0.4], [0.9]]), 0.1)
    assert (row.tolist(), column.tolist()) == ([1], [0])


def test_nobody_goes_with_nobody():
    assert [len(side) for side in assign(np.zeros((0, 3)), 0.1)] == [0, 0]
    assert [len(side) for side in assign(np.zeros((2, 3)), 0.1)] == [0, 0]
