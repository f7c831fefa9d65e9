"""Pairs, episodes and the grading of conflicts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.kernels import conflicts
from analytics.kernels.conflicts import Kind, Severity, episodes, near_pairs

POINT = st.tuples(st.integers(0, 4), st.floats(-20, 20), st.floats(-20, 20))


@given(st.lists(POINT, max_size=40), st.floats(0.5, 15))
def test_near_pairs_are_those_of_the_full_comparison(
    points: list[tuple[int, float, float]], distance: float
) -> None:
    table = np.array(points, float).reshape(-1, 3)
    step, xy = table[:, 0].astype(np.int64), table[:, 1:]
    found = near_pairs(step, xy, distance)
    i, j = np.triu_indices(len(step), 1)
    gap = np.hypot(*(xy[i] - xy[j]).T)
    same = step[i] == step[j]
    pairs = set(zip(found.i.tolist(), found.j.tolist(), strict=True))
    sure = same & (gap < distance - 1e-6)
    possible = same & (gap < distance + 1e-6)
    assert set(zip(i[sure].tolist(), j[sure].tolist(), strict=True)) <= pairs
    assert pairs <= set(zip(i[possible].tolist(), j[possible].tolist(), strict=True))
    assert len(pairs) == len(found.i)


def test_near_pairs_do_not_depend_on_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(3)
    step = random.integers(0, 50, 2000)
    xy = random.uniform(-700_000, -699_900, (2000, 2))
    whole = near_pairs(step, xy, 5.0)
    monkeypatch.setattr(conflicts, "TREE_POINTS", 30)
    blocks = near_pairs(step, xy, 5.0)
    assert len(whole.i) > 100
    assert np.array_equal(whole, blocks)


def test_episode_begins_after_a_gap_and_looks_only_so_far() -> None:
    pair = np.array([1, 1, 1, 1, 0, 1])
    time = np.array([0, 1, 2, 9, 5, 4])
    value = np.array([3.0, 2.0, 2.5, 1.0, 7.0, 0.5])
    result = episodes(pair, time, value, gap=2, span=3)
    assert result.pair.tolist() == [0, 1, 1]
    assert result.begin.tolist() == [5, 0, 9]
    assert result.row.tolist() == [4, 1, 3]  # 0.5 came later than the span


@given(st.permutations(range(12)))
def test_order_of_the_moments_does_not_matter(order: list[int]) -> None:
    pair = np.array([0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 2])
    time = np.array([0, 1, 9, 0, 1, 2, 3, 0, 4, 8, 12, 16])
    value = np.array([3.0, 1, 2, 5, 4, 4, 6, 1, 1, 1, 1, 1])
    plain = episodes(pair, time, value, gap=4, span=8)
    mixed = episodes(pair[order], time[order], value[order], gap=4, span=8)
    assert np.array_equal(plain.begin, mixed.begin)
    assert np.array_equal(time[plain.row], time[order][mixed.row])


@given(st.integers(-5, 25))
def test_a_cut_record_tells_the_same_of_what_begins_within(cut: int) -> None:
    time = np.array([0, 1, 2, 10, 11, 20, 21, 22, 23])
    value = np.arange(9.0)[::-1]
    pair = np.zeros(9, np.int64)
    whole = episodes(pair, time, value, gap=3, span=2)
    kept = (time >= cut - 3) & (time < cut + 8 + 2)
    part = episodes(pair[kept], time[kept], value[kept], gap=3, span=2)
    within = {
        (b, float(value[r]))
        for b, r in zip(whole.begin.tolist(), whole.row, strict=True)
        if cut <= b < cut + 8
    }
    assert within == {
        (b, float(value[kept][r]))
        for b, r in zip(part.begin.tolist(), part.row, strict=True)
        if cut <= b < cut + 8
    }


def test_kind_by_angle_wraps() -> None:
    a = np.radians([0, 170, 0, 0, -179])
    b = np.radians([29, -170, 50, 90, 1])
    assert conflicts.conflict_kind(a, b).tolist() == [
        Kind.REAR_END, Kind.REAR_END, Kind.LANE_CHANGE, Kind.CROSSING, Kind.CROSSING,
    ]  # fmt: skip


def test_severity_of_nothing_is_none() -> None:
    graded = conflicts.severity(np.array([0.0, 1.5, 3.0, np.inf, np.nan, -1]), severe=1.5, slight=3)
    assert graded.tolist() == [
        Severity.SEVERE, Severity.SLIGHT, Severity.NONE, Severity.NONE, Severity.NONE,
        Severity.SEVERE,
    ]  # fmt: skip


def test_momentum_is_kept() -> None:
    speed, car, man = np.array([10.0]), np.array([1500.0]), np.array([75.0])
    of_car, of_man = conflicts.delta_v(speed, car, man), conflicts.delta_v(speed, man, car)
    assert of_car + of_man == pytest.approx(speed)
    assert car * of_car == pytest.approx(man * of_man)
