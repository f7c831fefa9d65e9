from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.classes import RoadUser
from edge.verify.scoring import (
    Boxed,
    Passages,
    Totals,
    best_pairs,
    by_class,
    match,
    overall,
    score_boxes,
    score_passages,
    score_places,
)

GATES = 3


def passages(*rows):
    """Passages of (gate, moment[, class[, speed]])."""
    full = [(*row, *(0, np.nan)[len(row) - 2 :]) for row in rows]
    gate, moment, kind, speed = zip(*full, strict=True) if full else ((), (), (), ())
    return Passages(
        np.array(gate, np.int64), np.array(moment, float),
        np.array(kind, np.uint8), np.array(speed, float),
    )  # fmt: skip


def listed(true):
    """Totals of gates whose passages are all known."""
    table = by_class(true, GATES)
    named = table[:, [0]] == 0
    return Totals(table.sum(axis=1), np.where(named, table, np.nan), np.ones(GATES, bool))


def score(true, found, tolerance=1.0):
    return score_passages(true, found, listed(true), tolerance=tolerance)


any_rows = st.lists(st.tuples(st.integers(0, GATES - 1), st.integers(0, 80).map(lambda n: n / 8)))
few_rows = st.lists(st.tuples(st.just(0), st.integers(0, 24).map(lambda n: n / 8)), max_size=5)


@given(any_rows, any_rows)
def test_pairs_are_one_to_one_of_one_gate_and_near(true, found):
    true, found = passages(*true), passages(*found)
    pairs = match(true, found, 1.0)
    assert len(set(pairs.true)) == len(pairs.true) == len(set(pairs.found))
    assert (true.gate[pairs.true] == found.gate[pairs.found]).all()
    assert (np.abs(true.moment[pairs.true] - found.moment[pairs.found]) <= 1.0).all()


@given(few_rows, few_rows)
def test_as_many_pairs_as_can_be_and_then_the_nearest(true, found):
    if len(true) > len(found):
        true, found = found, true
    best = (0, 0.0)
    for chosen in permutations([t for _, t in found], len(true)):
        near = [abs(a - b) for (_, a), b in zip(true, chosen, strict=True) if abs(a - b) <= 1]
        best = max(best, (len(near), -sum(near)))
    true, found = passages(*true), passages(*found)
    pairs = match(true, found, 1.0)
    apart = np.abs(true.moment[pairs.true] - found.moment[pairs.found]).sum()
    assert (len(pairs.true), -apart) == pytest.approx(best)


@given(any_rows, any_rows, st.randoms())
def test_neither_order_nor_epoch_nor_sides_matter(true, found, random):
    matched = score(passages(*true), passages(*found)).matched.tolist()
    assert score(passages(*found), passages(*true)).matched.tolist() == matched
    later = [[(gate, moment + 4096) for gate, moment in rows] for rows in (true, found)]
    random.shuffle(later[0])
    assert score(*(passages(*rows) for rows in later)).matched.tolist() == matched


@given(any_rows, any_rows)
def test_more_tolerance_never_matches_fewer(true, found):
    true, found = passages(*true), passages(*found)
    counts = [score(true, found, tolerance).matched for tolerance in (0.0, 0.5, 1.0, 100.0)]
    assert (np.diff(counts, axis=0) >= 0).all()
    all_of_them = np.minimum(*(np.bincount(side.gate, minlength=GATES) for side in (true, found)))
    assert (counts[-1] == all_of_them).all()


@given(any_rows)
def test_the_truth_itself_is_without_error(rows):
    true = passages(*((gate, moment, RoadUser.CAR, 10.0) for gate, moment in rows))
    found = score(true, true)
    assert not found.error.any()
    assert not found.class_error.any()
    assert found.matched.tolist() == found.counted.tolist()
    seen = found.counted > 0
    assert (found.precision[seen] == 1).all()
    assert (found.recall[seen] == 1).all()
    assert np.isnan(found.precision[~seen]).all(), "nobody to be right about"
    assert not found.speed_error[seen].any()


@given(any_rows, any_rows)
def test_errors_never_make_up_for_each_other(true, found):
    true, found = passages(*true), passages(*found)
    s = score(true, found)
    invented, missed = s.counted - s.matched, listed(true).total - s.matched
    assert (s.error == invented - missed).all()
    assert min(invented.min(), missed.min()) >= 0
    all_gates = overall(s, listed(true))
    assert all_gates.error == np.abs(s.error).sum() >= abs(all_gates.counted - all_gates.true)
    unnamed = by_class(found, GATES)[:, RoadUser.UNKNOWN] > 0
    assert np.isnan(s.class_error[unnamed]).all()


def test_a_right_total_of_wrong_passages_is_seen():
    s = score(passages((0, 1.0), (0, 5.0)), passages((0, 5.2), (0, 9.0)))
    assert (s.error[0], s.matched[0], s.precision[0], s.recall[0]) == (0, 1, 0.5, 0.5)


def test_classes_do_not_make_up_for_each_other():
    true = passages((0, 1.0, RoadUser.CAR), (0, 2.0, RoadUser.TRUCK))
    found = passages((0, 1.0, RoadUser.CAR), (0, 2.0, RoadUser.CAR))
    s = score(true, found)
    assert (s.error[0], s.class_error[0]) == (0, 2)


def test_what_the_truth_does_not_say_is_unknown():
    nan = np.nan
    totals = Totals(
        np.array([2.0, nan, 0.0]), np.full((GATES, len(RoadUser)), nan), np.zeros(GATES, bool)
    )
    found = passages((0, 1.0, RoadUser.CAR), (1, 1.0, RoadUser.CAR))
    s = score_passages(passages(), found, totals, tolerance=1.0)
    assert s.error.tolist() == pytest.approx([-1, nan, 0], nan_ok=True)
    for unknown in (s.matched, s.precision, s.recall, s.class_error, s.speed_error):
        assert np.isnan(unknown).all()
    whole = overall(s, totals)
    assert (whole.true, whole.counted, whole.error) == (2, 1, 1), "of what is known"
    assert np.isnan([whole.matched, whole.precision, whole.recall, whole.class_error]).all()
    assert np.isnan([whole.speed_bias, whole.speed_error]).all()


def test_speeds_of_matched_passages_alone():
    car = RoadUser.CAR
    true = passages((0, 1.0, car, 10.0), (0, 4.0, car, 10.0), (0, 7.0, car), (1, 1.0, car, 8.0))
    found = passages((0, 1.0, car, 12.0), (0, 4.2, car, 9.0), (0, 7.0, car, 3.0), (1, 9.0, car, 1))
    s = score(true, found)
    assert s.speeds.tolist() == [2, 0, 0]
    assert (s.speed_bias[0], s.speed_error[0]) == pytest.approx((0.5, 1.5))
    assert np.isnan(s.speed_error[1:]).all()
    whole = overall(s, listed(true))
    assert (whole.speeds, whole.speed_bias, whole.speed_error) == pytest.approx((2, 0.5, 1.5))


def test_nothing_pairs_with_nothing():
    assert [len(side) for side in best_pairs(np.zeros((0, 4)))] == [0, 0]


def boxed(*rows):
    """Boxes of (frame, id, left, top), 10 x 20 px."""
    table = np.array(rows, float).reshape(-1, 4)
    corner = table[:, 2:]
    return Boxed(
        table[:, 0].astype(np.int64),
        table[:, 1].astype(np.int64),
        np.hstack((corner, corner + np.array([10, 20]))),
    )


# one box of each identity in each picture
any_boxes = st.lists(
    st.tuples(st.integers(0, 4), st.integers(1, 3), st.integers(0, 40), st.integers(0, 40)),
    unique_by=lambda row: row[:2],
)
NONE = boxed()


@given(any_boxes)
def test_boxes_of_the_truth_itself_are_all_found(rows):
    s = score_boxes(boxed(*rows), boxed(*rows), NONE)
    assert s[:3] == (len(rows),) * 3
    assert all(share == 1 for share in s[3:]) if rows else np.isnan(s[3:]).all()


@given(any_boxes, any_boxes, st.randoms())
def test_sides_swap_precision_and_recall_and_names_and_order_do_not_matter(true, found, random):
    s = score_boxes(boxed(*true), boxed(*found), NONE)
    back = score_boxes(boxed(*found), boxed(*true), NONE)
    shares = (back.recall, back.precision, back.track_recall, back.track_precision)
    assert s[2:] == pytest.approx((back.matched, *shares), nan_ok=True)
    renamed = [(frame, 90 - 7 * who, *corner) for frame, who, *corner in found]
    random.shuffle(renamed)
    assert score_boxes(boxed(*true), boxed(*renamed), NONE) == pytest.approx(s, nan_ok=True)
    assert s.matched <= min(s.true, s.found)


@given(any_boxes, any_boxes)
def test_what_may_be_ignored_never_counts_against(true, found):
    plain = score_boxes(boxed(*true), boxed(*found), NONE)
    lenient = score_boxes(boxed(*true), boxed(*found), boxed(*found))
    assert (lenient.matched, lenient.true) == (plain.matched, plain.true)
    assert lenient.found == lenient.matched, "whatever is beside the truth is ignored"


def test_half_of_a_box_is_not_enough():
    assert score_boxes(boxed((0, 1, 0, 0)), boxed((0, 1, 3, 0)), NONE).matched == 1  # IoU 7/13
    assert score_boxes(boxed((0, 1, 0, 0)), boxed((0, 1, 4, 0)), NONE).matched == 0  # IoU 6/14


def test_a_track_that_breaks_costs_tracks_and_no_boxes():
    true = boxed(*((frame, 1, 0, 0) for frame in range(4)))
    broken = boxed(*((frame, 1 if frame < 3 else 2, 0, 0) for frame in range(4)))
    s = score_boxes(true, broken, NONE)
    assert (s.precision, s.recall, s.track_precision, s.track_recall) == (1, 1, 0.75, 0.75)


def test_one_track_cannot_stand_for_two():
    true = boxed((0, 1, 0, 0), (1, 2, 0, 0))
    s = score_boxes(true, boxed((0, 5, 0, 0), (1, 5, 0, 0)), NONE)
    assert (s.recall, s.track_recall) == (1, 0.5)


def test_places_are_compared_where_boxes_are_the_same():
    box = np.array([[0.0, 0, 10, 20], [50, 0, 60, 20], [0, 0, 10, 20]])
    true = Boxed(np.array([0, 0, 1]), np.array([1, 2, 1]), box)
    place = np.array([[0.0, 0], [5, 5], [9, 9]])
    found = Boxed(np.array([0, 0, 2]), np.array([7, 8, 7]), box[[1, 0, 0]] + 0.5)
    seen = np.array([[5.0, 5.3], [0.4, 0], [1, 1]])
    scores = score_places(true, place, found, seen)
    assert scores.pairs == 2
    assert scores.median == pytest.approx(0.35)
    nowhere = score_places(true, place, found, np.full((3, 2), np.nan))
    assert nowhere.pairs == 0
    assert np.isnan(nowhere.median)
