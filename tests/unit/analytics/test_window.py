"""A window from its inputs: pure, the same however the rows came, honest about what is unknown."""

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analytics.jobs.inputs import digests, edge_digests, whole_digest
from analytics.jobs.window import code_version, compute
from analytics.metrics import Thresholds


def busy(recorder: Any) -> None:
    recorder.works()
    for k in range(5):
        recorder.passes(10 + k, speed=9.7 + k)
    recorder.drives(1, (20, 30), (-40, 0), (10, 0))
    recorder.drives(2, (20, 30), (0, -27), (0, 5), cls=2, size=(1.8, 0.6))
    recorder.drives(3, (20, 40), (-6, 3.5), (0, 0), heading=0.0)


def part(inputs: Any, metric: str, of: str = "", user: int = -1) -> Any:
    rows = [
        p
        for p in compute(inputs).parts
        if p.metric == metric and p.part.startswith(of) and p.road_user == user
    ]
    return rows[0] if rows else None


def conflicts(inputs: Any) -> dict[str, int]:
    return {p.part: p.n for p in compute(inputs).parts if p.metric == "conflicts" and p.n}


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 1000))
def test_order_of_arrival_does_not_matter(recorder: Any, seed: int) -> None:
    recorder.rows = {name: [] for name in recorder.rows}
    busy(recorder)
    shuffle = random.Random(seed)  # noqa: S311
    plain = recorder.inputs()
    mixed = recorder.inputs(order=lambda rows: shuffle.sample(rows, len(rows)))
    assert whole_digest(digests(plain)) == whole_digest(digests(mixed))
    assert compute(plain) == compute(mixed)


def test_one_changed_bit_changes_the_digest(recorder: Any) -> None:
    busy(recorder)
    before = digests(recorder.inputs())
    row = list(recorder.rows["points"][7])
    row[7] = float(np.nextafter(np.float32(row[7]), np.float32(1e9)))
    recorder.rows["points"][7] = tuple(row)
    after = digests(recorder.inputs())
    assert [name for name in before if before[name] != after[name]] == ["points"]
    assert whole_digest(before) != whole_digest(after)


def test_thresholds_and_plan_are_inputs(recorder: Any) -> None:
    busy(recorder)
    plain = digests(recorder.inputs())
    stricter = digests(recorder.inputs(thresholds=Thresholds(severe_ttc=1.0)))
    assert [name for name in plain if plain[name] != stricter[name]] == ["thresholds"]


def test_edges_are_of_own_points_only(recorder: Any) -> None:
    recorder.drives(1, (20, 30), (-40, 0), (10, 0))
    quiet = edge_digests(recorder.inputs())
    recorder.drives(2, (61, 64), (0, 0), (1, 0))  # within the margin, of the next minute
    assert edge_digests(recorder.inputs()) == quiet
    recorder.drives(3, (55, 56), (0, 0), (1, 0))
    changed = edge_digests(recorder.inputs())
    assert (changed["head"], changed["tail"] != quiet["tail"]) == (quiet["head"], True)


def test_nothing_at_all_is_missing(recorder: Any) -> None:
    assert compute(recorder.inputs()).parts == []


def test_a_working_camera_that_sees_nobody_is_zero(recorder: Any) -> None:
    recorder.works()
    inputs = recorder.inputs()
    assert (part(inputs, "flow", "out").n, part(inputs, "flow", "out").observed) == (0, 60)
    assert part(inputs, "queue", "west").peak == 0
    assert part(inputs, "encounters", "vru").n == 0
    assert part(inputs, "red_light_running") is None  # the signal is not known
    assert part(inputs, "delivery") is None


def test_conflict_of_a_car_and_a_cyclist(recorder: Any) -> None:
    busy(recorder)
    inputs = recorder.inputs()
    assert conflicts(inputs) == {"severe/crossing/vru": 1}
    [incident] = compute(inputs).incidents
    assert incident.kind == "conflict"
    assert incident.evidence["thresholds"] == {"severe_ttc_s": 1.5, "severe_pet_s": 1.5}
    # The car would change the cyclist's velocity by nearly all of sqrt(10^2 + 5^2) m/s.
    assert incident.evidence["delta_v_m_s"] == pytest.approx(125**0.5 * 1500 / 1590, rel=1e-6)


def test_a_size_that_was_not_measured_is_the_usual_one(recorder: Any) -> None:
    nan = float("nan")
    recorder.works()
    recorder.drives(1, (20, 22.5), (-40, 0), (10, 0), size=(nan, nan))
    recorder.drives(2, (20, 22.5), (-5, 0), (0, 0), heading=0.0, size=(nan, 0.0))
    recorder.drives(3, (20, 30), (-30, 0), (0, 0), heading=nan)
    recorder.drives(4, (20, 30), (-24, 0), (0, 0), heading=nan, size=(nan, nan))
    [incident] = compute(recorder.inputs()).incidents
    assert incident.evidence["ttc_s"] == pytest.approx((35 - 19 - 4.5) / 10, abs=0.001)
    assert part(recorder.inputs(), "queue_length", "west").peak == pytest.approx(10.5)


def test_two_cameras_are_never_paired(recorder: Any) -> None:
    recorder.works()
    recorder.drives(1, (20, 30), (-40, 0), (10, 0))
    recorder.drives(2, (20, 30), (0, -20), (0, 5), cls=2, size=(1.8, 0.6), device=3)
    assert conflicts(recorder.inputs()) == {}


def test_two_pedestrians_are_no_conflict(recorder: Any) -> None:
    recorder.works()
    recorder.drives(1, (20, 30), (-10, 0), (2, 0), cls=1, size=(0.5, 0.5))
    recorder.drives(2, (20, 30), (10, 0), (-2, 0), cls=1, size=(0.5, 0.5))
    inputs = recorder.inputs()
    assert conflicts(inputs) == {}
    assert part(inputs, "encounters", "vru").n == 0


def test_what_nothing_could_name_is_no_conflict(recorder: Any) -> None:
    recorder.works()
    recorder.drives(1, (20, 22.5), (-40, 0), (10, 0), cls=0)
    recorder.drives(2, (20, 22.5), (-5, 0), (0, 0), heading=0.0)
    inputs = recorder.inputs()
    assert conflicts(inputs) == {}
    assert part(inputs, "encounters", "vehicle").n == 0


def test_slow_and_badly_seen_are_no_conflict(recorder: Any) -> None:
    recorder.works()
    recorder.drives(1, (20, 30), (-10, 0), (1, 0))
    recorder.drives(2, (20, 30), (-4, 0), (0, 0), heading=0.0)  # jerks up to a standing car
    recorder.drives(3, (20, 30), (-40, 20), (10, 0), sd=5.0)
    recorder.drives(4, (20, 30), (0, -7), (0, 5), cls=2, sd=5.0)
    assert conflicts(recorder.inputs()) == {}


def test_rear_end_by_ttc(recorder: Any) -> None:
    recorder.works()
    recorder.drives(1, (20, 22.5), (-40, 0), (10, 0))
    recorder.drives(2, (20, 22.5), (-5, 0), (0, 0), heading=0.0)
    assert conflicts(recorder.inputs()) == {"severe/rear-end/vehicle": 1}
    [incident] = compute(recorder.inputs()).incidents
    assert incident.evidence["ttc_s"] == pytest.approx((35 - 19 - 4.5) / 10, abs=0.001)
    assert incident.evidence["pet_s"] is None


def test_met_in_time_only_is_an_encounter_too(recorder: Any) -> None:
    recorder.works()
    recorder.drives(1, (20, 24), (-70, 0), (15, 0))  # 10 m short of the other when it is lost
    recorder.drives(2, (20, 24), (5, 0), (0, 0), heading=0.0)
    inputs = recorder.inputs()
    assert sum(conflicts(inputs).values()) == 1
    assert part(inputs, "encounters", "vehicle").n == 1


def test_code_version_is_stable() -> None:
    assert code_version() == code_version()
    assert len(code_version()) == 16
