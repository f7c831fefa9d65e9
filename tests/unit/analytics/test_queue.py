"""Halts and jams."""

import numpy as np
import pytest

from analytics.kernels.queue import halted, queues


def test_halt_needs_its_time() -> None:
    track = np.array([1] * 8 + [2] * 3)
    step = np.array([0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 5])
    speed = np.array([9, 1, 1, 1, 1, 2, 1, 1, 0, 0, 0.0])
    found = halted(track, step, speed, period=0.5)
    # slow from step 1, halted from 1 s later, gone at 5; track 2's record has a gap.
    assert found.tolist() == [False, False, False, True, True] + [False] * 6


def jam(positions: list[float], lengths: list[float] | None = None) -> tuple[int, float]:
    n = len(positions)
    result = queues(
        np.zeros(n, np.int64), np.zeros(n, np.int64), np.array(positions, float),
        np.array(lengths or [4.0] * n), approaches=1, steps=1,
    )  # fmt: skip
    return int(result.vehicles[0, 0]), float(result.length[0, 0])


@pytest.mark.parametrize(
    ("positions", "expected"),
    [
        ([], (0, 0.0)),
        ([3], (1, 4.0)),
        ([3, 10, 17], (3, 18.0)),
        ([17, 3, 10], (3, 18.0)),  # in any order
        ([3, 17], (2, 18.0)),  # gap 10 m: still a jam
        ([3, 17.1], (1, 4.0)),  # beyond: two
        ([3, 40, 46, 52], (3, 16.0)),  # the longest counts
        ([3, 3, 9], (3, 10.0)),  # two lanes
    ],
)
def test_longest_jam(positions: list[float], expected: tuple[int, float]) -> None:
    vehicles, length = jam(positions)
    assert vehicles == expected[0]
    assert length == pytest.approx(expected[1])


def test_a_bus_beside_a_car_reaches_furthest() -> None:
    vehicles, length = jam([6, 2, 24], [12, 2, 4])  # bus 0..12, bicycle 1..3, car 22..26
    assert (vehicles, length) == (3, 26.0)


def test_approaches_and_steps_are_apart() -> None:
    result = queues(
        np.array([0, 1, 1, 0]), np.array([0, 0, 0, 2]), np.array([3.0, 3, 9, 5]), np.full(4, 4.0),
        approaches=2, steps=3,
    )  # fmt: skip
    assert result.vehicles.tolist() == [[1, 0, 1], [2, 0, 0]]
    assert result.length.tolist() == [[4, 0, 4], [10, 0, 0]]
