import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.classes import RoadUser
from contracts.site import CountLine, LineRole, Name
from simulators.truth import Passage, TruthFile, passages
from simulators.world import Scene

LINE = CountLine(
    id="out",
    name=Name(cs="V", en="O"),
    device="cam",
    role=LineRole.EXIT,
    a=(10.0, -5.0),
    b=(10.0, 5.0),
)


def scene(time: float, *users: tuple[int, float, float, float]) -> Scene:
    """Cars of (ident, x, y, speed)."""
    ident, x, y, speed = np.array(users, float).reshape(-1, 4).T
    one = np.ones(len(x))
    kind = np.full(len(x), RoadUser.CAR, np.uint8)
    return Scene(time, ident.astype(np.int64), kind, x, y, 0 * x, speed, 4 * one, 2 * one, one)


def test_the_passage_is_dated_within_the_step() -> None:
    found = passages(scene(1.0, (7, 9.0, 0.0, 10.0)), scene(1.4, (7, 13.0, 0.0, 12.0)), [LINE])
    assert len(found) == 1
    assert found[0].time == pytest.approx(1.1)
    assert found[0].speed == pytest.approx(10.5)
    assert found[0][1:5] == ("out", 1, RoadUser.CAR, 7)  # north to the left: eastwards is in


def test_the_way_back_is_out() -> None:
    found = passages(scene(0, (1, 10.5, 0, 5)), scene(0.1, (1, 9.5, 0, 5)), [LINE])
    assert [p.direction for p in found] == [-1]


@pytest.mark.parametrize("y", [-5.1, 5.1])
def test_beyond_its_ends_a_line_counts_nothing(y: float) -> None:
    assert passages(scene(0, (1, 9, y, 5)), scene(0.1, (1, 11, y, 5)), [LINE]) == []


def test_who_stops_on_the_line_passes_it_once() -> None:
    xs = (9.0, 10.0, 10.0, 11.0, 10.5)
    steps = [scene(0.1 * k, (1, x, 0, 5)) for k, x in enumerate(xs)]
    found = [p for k in range(4) for p in passages(steps[k], steps[k + 1], [LINE])]
    assert [p.direction for p in found] == [1]


def test_who_appears_or_vanishes_passes_nothing() -> None:
    before = scene(0, (1, 9, 0, 5), (2, 9, 1, 5))
    after = scene(0.1, (2, 9.5, 1, 5), (3, 11, 0, 5))
    assert passages(before, after, [LINE]) == []


@given(st.lists(st.floats(0, 20), min_size=2, max_size=30))
def test_ins_less_outs_is_where_one_ended(xs: list[float]) -> None:
    steps = [scene(0.1 * k, (1, x, 0, 5)) for k, x in enumerate(xs)]
    found = [p for a, b in pairwise(steps) for p in passages(a, b, [LINE])]
    assert sum(p.direction for p in found) == (xs[-1] >= 10) - (xs[0] >= 10)
    assert all(p.direction != q.direction for p, q in pairwise(found)), "in and out take turns"


def test_an_empty_street_has_no_passages() -> None:
    assert passages(scene(0), scene(0.1), [LINE]) == []


def test_along_the_line_is_no_passage() -> None:
    assert passages(scene(0, (1, 9, -1, 5)), scene(0.1, (1, 9, 1, 5)), [LINE]) == []


def test_the_file_is_readable_while_it_grows(tmp_path: Path) -> None:
    path = tmp_path / "truth.jsonl"
    with TruthFile(path, 1_000_000_000) as truth:
        truth.write([Passage(1.5, "out", -1, RoadUser.BICYCLE, 3, 4.5678, "red")])
        assert json.loads(path.read_text()) == {
            "t": 1_001_500_000,
            "line": "out",
            "direction": "out",
            "class": "bicycle",
            "road_user": 3,
            "speed": 4.568,
            "signal": "red",
        }


def test_without_a_path_nothing_is_written() -> None:
    with TruthFile(None, 0) as truth:
        truth.write([Passage(1.5, "out", 1, RoadUser.CAR, 3, 4.5)])
