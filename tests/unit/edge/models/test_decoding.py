import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from contracts.classes import RoadUser
from edge.models import decoding
from edge.models.decoding import Columns, by_cell, corners, strongest, transposed, with_objectness
from edge.models.names import COCO, classes

COLUMNS = Columns(
    np.array([*classes(COCO).used]), np.array([*classes(COCO).used.values()], np.uint8)
)


def test_an_answer_is_decoded_relative_to_its_cell():
    answer = np.zeros((2, 85), np.float32)
    answer[0, :5] = [0.5, 0.25, np.log(4), np.log(2), 0.9]
    answer[0, 5 + 2] = 0.8  # a car, in COCO
    cells = np.array([[3.0, 5.0, 16.0], [0.0, 0.0, 8.0]])
    found = by_cell(answer, cells, COLUMNS)
    assert np.allclose(found.boxes, [[56 - 32, 84 - 16, 56 + 32, 84 + 16]])
    assert found.score == pytest.approx([0.72])
    assert found.kind.tolist() == [RoadUser.CAR]


def test_what_is_no_road_user_is_dropped():
    answer = np.zeros((1, 85), np.float32)
    answer[0, 4], answer[0, 5 + 16] = 1.0, 1.0  # a dog
    assert len(by_cell(answer, np.ones((1, 3)), COLUMNS).score) == 0


@given(arrays(np.float32, (7, 84), elements=st.floats(0, 1, width=32)))
def test_a_head_and_its_transposed_kin_say_the_same(rows):
    one = transposed(rows.T, COLUMNS)
    sure = np.insert(rows, 4, 1.0, axis=1)
    other = with_objectness(sure, COLUMNS)
    assert np.array_equal(one.boxes, other.boxes)
    assert np.array_equal(one.score, other.score)
    assert np.array_equal(one.kind, other.kind)


@given(arrays(np.float64, (5, 4), elements=st.floats(0, 1e4)))
def test_corners_give_back_middle_and_size(boxes):
    found = corners(boxes)
    assert np.allclose((found[:, :2] + found[:, 2:]) / 2, boxes[:, :2])
    assert np.allclose(found[:, 2:] - found[:, :2], boxes[:, 2:], atol=1e-9)


def test_the_best_road_user_counts_and_the_weak_do_not():
    likely = np.array([[0.3, 0.6], [0.19, 0.1]])
    rows, score, kind = strongest(likely, np.array([RoadUser.CAR, RoadUser.BUS], np.uint8))
    assert (rows.tolist(), score.tolist(), kind.tolist()) == ([0], [0.6], [RoadUser.BUS])


def test_there_is_a_cell_for_each_place_of_each_grid():
    cells = decoding.cells(416, 416, (8, 16, 32))
    assert len(cells) == 3549
    assert (cells[:, :2] * cells[:, 2:]).max() == 408
