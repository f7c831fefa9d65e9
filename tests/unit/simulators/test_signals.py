import itertools
from pathlib import Path

import pytest

from simulators.errors import SignalPlanError
from simulators.signals import Code, Phase, SignalPlan, Walk, read_plan

PLAN = SignalPlan(
    junction="j",
    cycle_s=60.0,
    detector_length_m=2.0,
    phase=[
        Phase(2, "west-in", (10.0, 30.0), 3.0, 2.0, 2.0),
        Phase(4, "south-in", (40.0, 65.0), 3.0, 2.0, 2.0),  # its green runs past the cycle's end
    ],
    walk=[Walk(2, "south-in", (10.0, 20.0), 6.0)],
)


def test_a_cycle_logs_each_switch_once_and_in_order() -> None:
    log = list(itertools.takewhile(lambda e: e.at < 60.0, PLAN.log()))
    assert [(e.at, e.code, e.parameter) for e in log] == [
        (5.0, Code.BEGIN_YELLOW, 4),
        (8.0, Code.BEGIN_RED_CLEARANCE, 4),
        (10.0, Code.BEGIN_GREEN, 2),
        (10.0, Code.END_RED_CLEARANCE, 4),
        (10.0, Code.BEGIN_WALK, 2),
        (20.0, Code.BEGIN_PEDESTRIAN_CLEARANCE, 2),
        (26.0, Code.BEGIN_DO_NOT_WALK, 2),
        (30.0, Code.BEGIN_YELLOW, 2),
        (33.0, Code.BEGIN_RED_CLEARANCE, 2),
        (35.0, Code.END_RED_CLEARANCE, 2),
        (40.0, Code.BEGIN_GREEN, 4),
    ]


def test_the_log_repeats_with_the_cycle() -> None:
    log = list(itertools.islice(PLAN.log(), 33))
    assert [e.at for e in log[11:22]] == [e.at + 60.0 for e in log[:11]]


@pytest.mark.parametrize(
    ("phase", "at", "colour"),
    [
        (2, 10.0, "G"), (2, 29.9, "G"), (2, 30.0, "y"), (2, 33.0, "r"), (2, 7.9, "r"),
        (2, 8.0, "u"), (4, 64.9, "G"), (4, 4.9, "G"), (4, 5.0, "y"), (4, 8.0, "r"), (4, 38.0, "u"),
    ],
)  # fmt: skip
def test_colours(phase: int, at: float, colour: str) -> None:
    assert PLAN.colour(phase, at) == colour
    assert PLAN.colour(phase, at + 7 * PLAN.cycle_s) == colour


def test_pedestrians_may_start_in_walk_only() -> None:
    assert [PLAN.walks("south-in", at) for at in (9.9, 10.0, 19.9, 20.0)] == [
        False,
        True,
        True,
        False,
    ]


def test_what_is_not_in_the_plan_is_named() -> None:
    with pytest.raises(SignalPlanError, match="north-in"):
        PLAN.phase_of("north-in")
    with pytest.raises(SignalPlanError, match="north-in"):
        PLAN.walks("north-in", 0.0)


def test_an_unreadable_plan_names_its_file(tmp_path: Path) -> None:
    with pytest.raises(SignalPlanError, match=r"none\.toml"):
        read_plan(tmp_path / "none.toml")
    wrong = tmp_path / "wrong.toml"
    wrong.write_text('junction = "j"\ncycle_s = "long"\n')
    with pytest.raises(SignalPlanError, match=r"wrong\.toml.*cycle_s"):
        read_plan(wrong)
