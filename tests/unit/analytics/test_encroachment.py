"""Post-encroachment time against geometry worked out by hand, and its laws."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.kernels.boxes import Boxes
from analytics.kernels.encroachment import Encroachments, Paths, crossing_candidates, encroachments

PERIOD = 100_000  # [us]


def straight(
    track: int, x: float, y: float, speed: float, heading: float,
    *, length: float = 4.0, width: float = 2.0, steps: tuple[int, int] = (0, 120),
) -> np.ndarray:  # fmt: skip
    """Path through (x, y) at step 0."""
    step = np.arange(*steps)
    vx, vy = speed * math.cos(heading), speed * math.sin(heading)
    rows = np.broadcast_to((track, 0, 0, 0, vx, vy, heading, length, width), (len(step), 9)).copy()
    rows[:, 1] = step
    rows[:, 2] = x + vx * step / 10
    rows[:, 3] = y + vy * step / 10
    return rows


def paths(*rows: np.ndarray) -> Paths:
    table = np.concatenate(rows)
    table = table[np.lexsort((table[:, 1], table[:, 0]))].T
    return Paths(table[0].astype(np.int64), table[1].astype(np.int64), Boxes(*table[2:]))


def found(given_: Paths) -> Encroachments:
    return encroachments(given_, crossing_candidates(given_, horizon=50), period=PERIOD)


EAST = straight(1, -30, 0, 10, 0)


def test_right_angle_between_samples() -> None:
    # First leaves the area (rear at x = 1) after 3.3 s; second enters (front at y = -1) after
    # (40.37 - 1 - 2) / 8 s.
    result = found(paths(EAST, straight(2, 0, -40.37, 8, math.pi / 2)))
    assert (result.first.tolist(), result.second.tolist()) == ([1], [2])
    assert result.pet[0] == pytest.approx((40.37 - 3) / 8 - 3.3, abs=1e-6)
    assert result.time[0] == pytest.approx(1e6 * (40.37 - 3) / 8, abs=1)


def test_entering_before_the_first_has_left_is_negative() -> None:
    result = found(paths(EAST, straight(2, 0, -27, 8, math.pi / 2)))
    assert result.pet[0] == pytest.approx(3.0 - 3.3, abs=1e-6)


def test_skew_paths_agree_with_a_fine_grid() -> None:
    angle = math.radians(60)
    other = straight(2, -35 * math.cos(angle), -35 * math.sin(angle), 7, angle)
    fine_steps = np.arange(0, 11, 0.005)

    def covers(speed: float, heading: float, start: float, points: np.ndarray) -> np.ndarray:
        along = points @ (math.cos(heading), math.sin(heading))
        across = points @ (-math.sin(heading), math.cos(heading))
        centre = start + speed * fine_steps
        return (np.abs(along[:, None] - centre) <= 2) & (np.abs(across) <= 1)[:, None]

    grid = np.linspace(-5, 5, 51)
    points = np.stack(np.meshgrid(grid, grid), -1).reshape(-1, 2)
    one, two = covers(10, 0, -30, points), covers(7, angle, -35, points)
    area = one.any(axis=1) & two.any(axis=1)
    slow = fine_steps[two[area].any(axis=0)][0] - fine_steps[one[area].any(axis=0)][-1]
    result = found(paths(EAST, other))
    assert result.pet[0] == pytest.approx(slow, abs=0.06)  # its grid is 0.2 m


def test_curved_path() -> None:
    # Second comes from the south and turns right; it enters the lane of the first at y = -1.
    turn = straight(2, 4, -20, 5, math.pi / 2)
    phase = np.clip((turn[:, 1] / 10 - 3.2) / 1.6, 0, 1)
    heading = math.pi / 2 * (1 - phase)
    turn[:, 4], turn[:, 5], turn[:, 6] = 5 * np.cos(heading), 5 * np.sin(heading), heading
    turn[:, 2] = 4 + np.concatenate(([0], np.cumsum(turn[:-1, 4]))) / 10
    turn[:, 3] = -20 + np.concatenate(([0], np.cumsum(turn[:-1, 5]))) / 10
    result = found(paths(straight(1, -20, 0, 10, 0), turn))
    front = -1 - 2  # centre when it touches the first's lane, still nearly upright
    assert result.time[0] / 1e6 == pytest.approx((20 + front) / 5, abs=0.1)
    assert result.first.tolist() == [1]


@pytest.mark.parametrize(
    "other",
    [
        straight(2, -45, 0, 10, 0),  # follows
        straight(2, 60, 0, 10, math.pi),  # comes towards
        straight(2, 0, -20, 8, math.pi / 2, steps=(0, 15)),  # stops short of it
        straight(2, 0, 0, 0, math.pi / 2),  # was there when it was found, and never left
        straight(2, 0, -32, 8, math.pi / 2, steps=(40, 80)),  # found inside, after the first
        straight(2, 0, -95, 8, math.pi / 2),  # long after
    ],
)
def test_no_encroachment(other: np.ndarray) -> None:
    assert len(found(paths(EAST, other)).pet) == 0


def test_found_inside_but_certainly_first() -> None:
    result = found(paths(EAST, straight(2, 0, -12, 8, math.pi / 2, steps=(14, 80))))
    assert result.first.tolist() == [2]
    assert result.pet[0] == pytest.approx(2.7 - 15 / 8, abs=1e-6)


def test_nobody() -> None:
    assert len(found(paths(np.empty((0, 9)))).pet) == 0


@settings(max_examples=40)
@given(
    st.floats(-3.1, 3.1), st.integers(-(10**9), 10**9), st.floats(20, 45), st.floats(4, 12),
    st.sampled_from([(0.0, 0.0), (-763_214.5, -975_402.25)]), st.booleans(),
)  # fmt: skip
def test_rotation_offset_time_shift_and_order_change_nothing(
    angle: float, shift: int, start: float, speed: float, origin: tuple[float, float], swap: bool
) -> None:
    tables = [EAST, straight(2, 0, -start, speed, math.pi / 2)]
    plain = found(paths(*tables))
    c, s = math.cos(angle), math.sin(angle)
    moved = []
    for table in tables:
        new = table.copy()
        new[:, 1] += shift
        new[:, 2] = c * table[:, 2] - s * table[:, 3] + origin[0]
        new[:, 3] = s * table[:, 2] + c * table[:, 3] + origin[1]
        new[:, 4] = c * table[:, 4] - s * table[:, 5]
        new[:, 5] = s * table[:, 4] + c * table[:, 5]
        new[:, 6] = table[:, 6] + angle
        if swap:
            new[:, 0] = 3 - table[:, 0]
        moved.append(new)
    turned = found(paths(*moved))
    if len(plain.pet) == len(turned.pet) == 1:
        assert turned.pet[0] == pytest.approx(plain.pet[0], abs=1e-5)
        assert turned.time[0] - shift * PERIOD == pytest.approx(plain.time[0], abs=20)
        assert turned.first[0] == (3 - plain.first[0] if swap else plain.first[0])
    else:  # cells move with the rotation: a pair at the very horizon may drop out
        assert all(abs(p) > 4 for r in (plain, turned) for p in r.pet)
