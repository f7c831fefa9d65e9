"""Cycles of a signal and who passed on red."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.kernels.signals import Cycles, passages_on_red, phase_cycles

SECOND = 1_000_000
LONGEST = 300 * SECOND


def cycles(*events: tuple[float, int, int]) -> Cycles:
    time, code, phase = np.array(events, float).reshape(-1, 3).T
    return phase_cycles(
        (time * SECOND).astype(np.int64), code.astype(np.int64), phase.astype(np.int64),
        longest=LONGEST,
    )  # fmt: skip


PLAN = [
    (70.0 * k + at, code, phase)
    for k in range(3)
    for phase, shift in ((2, 0), (4, 40))
    for at, code in ((shift, 1), (shift + 20, 8), (shift + 23, 10), (shift + 25, 11))
]


def test_whole_cycles() -> None:
    found = cycles(*PLAN)
    assert found.phase.tolist() == [2, 2, 2, 4, 4, 4]
    assert (found.red / SECOND).tolist() == [23, 93, 163, 63, 133, 203]
    assert (found.end / SECOND).tolist() == [70, 140, 440, 110, 180, 480]


@given(st.permutations(PLAN + PLAN[:7]))
def test_order_and_repetition_do_not_matter(events: list[tuple[float, int, int]]) -> None:
    assert all(np.array_equal(a, b) for a, b in zip(cycles(*PLAN), cycles(*events), strict=True))


@pytest.mark.parametrize("missing", [1, 8, 10])
def test_a_cycle_that_lacks_one_event_is_dropped(missing: int) -> None:
    lame = [e for e in PLAN if e[2] == 2 and not (e[1] == missing and 70 <= e[0] < 140)]
    found = cycles(*lame)
    kept = {1: [140], 8: [0, 140], 10: [0, 140]}[missing]  # without its green it joins the first
    assert (found.green / SECOND).tolist() == kept


def test_a_log_that_stops_is_believed_for_so_long() -> None:
    assert len(cycles((0, 1, 2), (20, 8, 2), (23, 10, 2), (1000, 1, 2)).phase) == 0


def test_offset_from_the_begin_of_red() -> None:
    time = np.array([10, 21, 23, 25.5, 69.9, 70, 63, 500]) * SECOND
    phase = np.array([2, 2, 2, 2, 2, 2, 4, 2])
    found = passages_on_red(time.astype(np.int64), phase, cycles(*PLAN), until=600 * SECOND)
    assert found.known.tolist() == [True] * 7 + [False]
    assert found.offset == pytest.approx(
        [np.nan, np.nan, 0, 2.5, 46.9, np.nan, 0, np.nan], nan_ok=True
    )
    assert found.margin == pytest.approx([10, 2, 0, 2.5, 0.1, 0, 0, np.nan], nan_ok=True)


def test_a_red_that_goes_on_may_end_with_the_log() -> None:
    found = passages_on_red(
        np.array([59 * SECOND]), np.array([2]), cycles(*PLAN[:4]), until=60 * SECOND
    )
    assert (found.offset.tolist(), found.margin.tolist()) == ([36], [1])


@given(st.floats(0, 209), st.floats(-5, 5))
def test_what_is_further_from_red_than_clocks_are_apart_is_the_same_by_both(
    second: float, apart: float
) -> None:
    time = np.array([second, second + apart]) * SECOND
    found = passages_on_red(
        time.astype(np.int64), np.array([2, 2]), cycles(*PLAN), until=500 * SECOND
    )
    if found.known.all() and found.margin[0] > abs(apart) + 1e-5:
        assert np.isnan(found.offset[0]) == np.isnan(found.offset[1])


def test_unknown_phase_or_no_log_is_unknown_not_green() -> None:
    time, phase = np.array([10 * SECOND]), np.array([3])
    until = 600 * SECOND
    assert not passages_on_red(time, phase, cycles(*PLAN), until=until).known.any()
    assert not passages_on_red(time, np.array([2]), cycles(), until=until).known.any()
