import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edge.vision.boxes import area, centre, clip, covered, foot, gap, grow, intersection, iou, size

finite = st.floats(-1000, 1000, allow_subnormal=False)
corners = arrays(np.float64, st.tuples(st.integers(1, 6), st.just(4)), elements=finite)


def boxes_of(values):
    return np.hstack(
        (np.minimum(values[:, :2], values[:, 2:]), np.maximum(values[:, :2], values[:, 2:]))
    )


def test_measures_of_one_box():
    box = np.array([[10.0, 20.0, 30.0, 60.0]])
    assert area(box) == [800]
    assert size(box) == [np.sqrt(800)]
    assert centre(box).tolist() == [[20, 40]]
    assert foot(box).tolist() == [[20, 60]]
    assert grow(box, 0.1).tolist() == [[8, 16, 32, 64]]
    assert clip(box, 25, 50).tolist() == [[10, 20, 25, 50]]


def test_an_inverted_box_is_empty():
    assert area(np.array([[5.0, 5.0, 1.0, 9.0]])) == [0]


def test_a_box_in_another_is_covered_by_it_whole():
    inner, outer = np.array([[2.0, 2.0, 4.0, 4.0]]), np.array([[0.0, 0.0, 8.0, 4.0]])
    assert covered(inner, outer) == [[1]]
    assert covered(outer, inner) == [[0.125]]
    assert iou(inner, outer) == [[0.125]]


def test_gap_is_that_of_the_axis_on_which_they_are_farther_apart():
    one = np.array([[0.0, 0.0, 10.0, 10.0]])
    others = np.array([[13.0, 0.0, 20.0, 10.0], [5.0, 15.0, 9.0, 20.0], [8.0, 0.0, 20.0, 10.0]])
    assert gap(one, others).tolist() == [[3, 5, -2]]


@given(corners, corners)
def test_overlap_is_symmetric_and_at_most_whole(one, other):
    one, other = boxes_of(one), boxes_of(other)
    assert np.array_equal(intersection(one, other), intersection(other, one).T)
    overlap = iou(one, other)
    assert (overlap >= 0).all()
    assert (overlap <= 1 + 1e-9).all()
