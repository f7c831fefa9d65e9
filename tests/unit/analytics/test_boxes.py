"""Box contact against stepping through time, and the laws it must obey."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.kernels.boxes import BLOCK, Boxes, contact, time_to_collision

NUMBER = {"allow_nan": False, "allow_infinity": False, "width": 32}
BOX = st.tuples(
    st.floats(-40, 40, **NUMBER), st.floats(-40, 40, **NUMBER),
    st.floats(-15, 15, **NUMBER), st.floats(-15, 15, **NUMBER),
    st.floats(-4, 4, **NUMBER), st.floats(0.5, 12, **NUMBER), st.floats(0.5, 3, **NUMBER),
)  # fmt: skip
CAR = (0.0, 0.0, 10.0, 0.0, 0.0, 4.0, 2.0)


def boxes(*rows: tuple[float, ...]) -> Boxes:
    return Boxes(*np.array(rows, float).T)


def ttc(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    return float(time_to_collision(boxes(a), boxes(b))[0])


def corners(box: tuple[float, ...], t: float) -> list[tuple[float, float]]:
    x, y, vx, vy, heading, length, width = box
    c, s = math.cos(heading), math.sin(heading)
    return [
        (x + vx * t + c * u * length / 2 - s * v * width / 2,
         y + vy * t + s * u * length / 2 + c * v * width / 2)
        for u, v in ((1, 1), (1, -1), (-1, -1), (-1, 1))
    ]  # fmt: skip


def overlap(a: list[tuple[float, float]], b: list[tuple[float, float]]) -> bool:
    """Two convex polygons: no side of either separates them."""
    for one, other in ((a, b), (b, a)):
        for k in range(4):
            (x0, y0), (x1, y1) = one[k], one[(k + 1) % 4]
            cross = [(x1 - x0) * (y - y0) - (y1 - y0) * (x - x0) for x, y in other]
            own = [(x1 - x0) * (y - y0) - (y1 - y0) * (x - x0) for x, y in one]
            if min(cross) > max(own) or max(cross) < min(own):
                return False
    return True


def stepped(
    a: tuple[float, ...], b: tuple[float, ...], *, horizon: float = 6.0, step: float = 0.01
) -> float:
    for k in range(int(horizon / step) + 1):
        if overlap(corners(a, k * step), corners(b, k * step)):
            return k * step
    return math.inf


def test_random_pairs_agree_with_stepping_through_time() -> None:
    random = np.random.default_rng(7)
    hits = 0
    for _ in range(150):
        a, b = (
            tuple(random.uniform((-15, -15, -12, -12, -4, 0.5, 0.5), (15, 15, 12, 12, 4, 12, 3)))
            for _ in range(2)
        )
        found, slow = ttc(a, b), stepped(a, b)
        touch = contact(boxes(a), boxes(b))
        grazing = touch.entry[0] <= touch.exit[0] < touch.entry[0] + 0.02
        if grazing:
            continue  # shorter than the steps of the reference
        hits += math.isfinite(slow)
        if found > 6:
            assert math.isinf(slow)
        else:
            assert found == pytest.approx(slow, abs=0.0101)
            assert found <= slow + 1e-9
    assert hits > 25


@pytest.mark.parametrize(
    ("b", "expected"),
    [
        ((14, 0, 0, 0, 0, 4, 2), 1.0),  # standing ahead
        ((14, 0, -10, 0, 0, 4, 2), 0.5),  # head-on
        ((14, 0, 10, 0, 0, 4, 2), math.inf),  # keeps its distance
        ((14, 0, 12, 0, 0, 4, 2), math.inf),  # parts
        ((4, 0, 10, 0, 0, 4, 2), 0.0),  # touches and stays
        ((4, 0, 20, 0, 0, 4, 2), 0.0),  # touches and leaves
        ((0.5, 0.2, 3, 0, 1, 1, 0.5), 0.0),  # contained
        ((0, 0, 10, 0, 0, 4, 2), 0.0),  # the same
        ((14, 2, 0, 0, 0, 4, 2), 1.0),  # sides touch on the way
        ((14, 2.001, 0, 0, 0, 4, 2), math.inf),  # passes by
        ((10, 10, 0, -10, math.pi / 2, 4, 2), 0.7),  # right angle
        ((-14, 0, 0, 0, 0, 4, 2), math.inf),  # behind
    ],
)
def test_ordinary_cases(b: tuple[float, ...], expected: float) -> None:
    assert ttc(CAR, b) == pytest.approx(expected)


def test_standing_pair_never_meets() -> None:
    assert ttc((0, 0, 0, 0, 0, 4, 2), (10, 0, 0, 0, 1, 4, 2)) == math.inf


@given(BOX, BOX)
def test_swapping_gives_the_same_bits(a: tuple[float, ...], b: tuple[float, ...]) -> None:
    one, other = contact(boxes(a), boxes(b)), contact(boxes(b), boxes(a))
    assert one.entry.tobytes() == other.entry.tobytes()
    assert one.exit.tobytes() == other.exit.tobytes()


def agree(one: float, other: float, a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    """Equal, or so near to grazing that a rounding error decides."""
    if math.isinf(one) != math.isinf(other):
        fat, thin = (
            ttc((*a[:5], a[5] + d, a[6] + d), (*b[:5], b[5] + d, b[6] + d)) for d in (1e-4, -1e-4)
        )
        return math.isfinite(fat) and (
            math.isinf(thin) or not math.isclose(thin, fat, abs_tol=1e-2)
        )
    return (
        one == other
        or math.isclose(one, other, rel_tol=1e-5, abs_tol=1e-5)
        or (
            max(one, other) > 1e4  # a closing speed that is all rounding error
        )
    )


@given(BOX, BOX, st.floats(-3.2, 3.2))
def test_rotation_changes_nothing(a: tuple[float, ...], b: tuple[float, ...], angle: float) -> None:
    c, s = math.cos(angle), math.sin(angle)

    def turned(box: tuple[float, ...]) -> tuple[float, ...]:
        x, y, vx, vy, heading, *size = box
        return (
            c * x - s * y,
            s * x + c * y,
            c * vx - s * vy,
            s * vx + c * vy,
            heading + angle,
            *size,
        )

    assert agree(ttc(a, b), ttc(turned(a), turned(b)), a, b)


@given(BOX, BOX)
def test_offset_of_the_national_grid_changes_nothing(
    a: tuple[float, ...], b: tuple[float, ...]
) -> None:
    def moved(box: tuple[float, ...]) -> tuple[float, ...]:
        return (box[0] - 763_214.5, box[1] - 975_402.25, *box[2:])

    assert agree(ttc(a, b), ttc(moved(a), moved(b)), a, b)


@given(BOX, BOX, st.floats(0, 5))
def test_waiting_brings_the_collision_nearer(
    a: tuple[float, ...], b: tuple[float, ...], wait: float
) -> None:
    before = contact(boxes(a), boxes(b))
    later = [(x + vx * wait, y + vy * wait, vx, vy, *rest) for x, y, vx, vy, *rest in (a, b)]
    after = contact(boxes(later[0]), boxes(later[1]))
    if before.entry[0] <= before.exit[0] - 1e-3 and abs(before.entry[0]) < 100:
        assert after.entry[0] == pytest.approx(before.entry[0] - wait, abs=1e-3)


def test_blocks_are_seamless_and_arguments_untouched() -> None:
    random = np.random.default_rng(1)
    many = random.uniform(-5, 5, (7, 2 * BLOCK + 3))
    a, b = Boxes(*many), Boxes(*random.permutation(many, axis=1))
    before = [column.copy() for column in a]
    whole = time_to_collision(a, b)
    rows = np.array([0, BLOCK - 1, BLOCK, 2 * BLOCK, 2 * BLOCK + 2])
    assert whole[rows].tobytes() == time_to_collision(a.take(rows), b.take(rows)).tobytes()
    assert all(np.array_equal(x, y) for x, y in zip(before, a, strict=True))


def test_no_pairs() -> None:
    none = Boxes(*np.empty((7, 0)))
    assert time_to_collision(none, none).shape == (0,)
