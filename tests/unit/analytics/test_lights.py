"""Who ran a red light, and who cannot be said to have: clocks may be apart."""

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analytics.jobs.clocks import clock_of, clocks_apart
from analytics.jobs.inputs import digests
from analytics.jobs.window import compute
from storage.clocks import DRIFT, LEAST_DELAY

CAM, CONTROLLER = 1, 2
RED, GREEN = 23.0, 55.0


def street(
    recorder: Any, *passages: float, cam: tuple[float, float], controller: tuple[float, float]
) -> Any:
    """Passages [s] of a stop line with red from 23 to 55 s, by clocks with offset and bound [s]."""
    recorder.rows = {name: [] for name in recorder.rows}
    recorder.works()
    recorder.lights(0, GREEN)
    for device, (offset, error) in ((CAM, cam), (CONTROLLER, controller)):
        recorder.clock(device, told=(offset - error, offset + error))
    for second in passages:
        recorder.passes(second, line="stop")
    return recorder


def verdicts(inputs: Any) -> list[str]:
    found = sorted(compute(inputs).incidents, key=lambda i: i.captured)
    assert {i.kind for i in found} <= {"red-light-running", "red-light-insufficient"}
    return [str(i.evidence["verdict"]) for i in found]


def part(inputs: Any, metric: str) -> Any:
    rows = [p for p in compute(inputs).parts if p.metric == metric]
    return rows[0] if rows else None


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    true=st.floats(1, 54), wrong=st.tuples(st.floats(-3, 3), st.floats(-3, 3)),
    errors=st.tuples(st.floats(0, 2), st.floats(0, 2)),
    told=st.tuples(st.floats(-1, 1), st.floats(-1, 1)),
)  # fmt: skip
def test_nobody_is_accused_whom_the_clocks_could_clear(
    recorder: Any,
    true: float,
    wrong: tuple[float, float],
    errors: tuple[float, float],
    told: tuple[float, float],
) -> None:
    """Whatever the clocks really are, within the bounds: who passed on green is never claimed."""
    # The clock is `wrong` by so much; what is told of it differs by a share of the error.
    offsets = [w + t * e for w, t, e in zip(wrong, told, errors, strict=True)]
    measured = true + wrong[0] - wrong[1]  # by the controller's time, which is that of the log
    recorder = street(
        recorder, measured, cam=(offsets[0], errors[0]), controller=(offsets[1], errors[1])
    )
    inputs = recorder.inputs()
    bound = clocks_apart(inputs, "cam", "controller")
    assert abs(measured - true) <= bound + 1e-9
    claimed = verdicts(inputs)
    if not RED <= true < GREEN:
        assert claimed != ["red"]
    if RED + max(2 * bound, 1 + bound) < true < GREEN - 2 * bound:
        assert claimed == ["red"]


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    second=st.floats(0, 54).map(lambda s: round(s, 3)),
    bounds=st.lists(st.floats(0, 40), min_size=2, max_size=2).map(sorted),
)
def test_worse_clocks_never_claim_more(recorder: Any, second: float, bounds: list[float]) -> None:
    known = []
    for bound in bounds:
        inputs = street(recorder, second, cam=(0, bound), controller=(0, 0)).inputs()
        running, seen = part(inputs, "red_light_running"), part(inputs, "signal_crossings")
        assert running.n <= seen.n <= 1
        known.append((running.n, seen.n, running.observed))
    assert all(worse <= better for better, worse in zip(*known, strict=True))


def test_the_bound_is_that_of_both_clocks_and_of_their_difference(recorder: Any) -> None:
    inputs = street(recorder, cam=(0.5, 0.25), controller=(-0.25, 0.125)).inputs()
    assert clocks_apart(inputs, "cam", "controller") == 0.5 + 0.25 + 0.25 + 0.125
    assert clocks_apart(inputs, "controller", "cam") == clocks_apart(inputs, "cam", "controller")
    assert clocks_apart(inputs, "cam", "cam") == 0


@pytest.mark.parametrize(
    ("second", "verdict"),
    [
        (23.2, []),  # within the tolerance
        (24.2, ["insufficient"]),
        (24.6, ["red"]),
        (53.4, ["red"]),
        (53.6, ["insufficient"]),
        (55.2, []),
    ],
)
def test_near_the_begin_and_the_end_of_red_nobody_can_tell(
    recorder: Any, second: float, verdict: list[str]
) -> None:
    inputs = street(recorder, second, cam=(0, 1.0), controller=(0.25, 0.25)).inputs()
    assert verdicts(inputs) == verdict
    assert part(inputs, "red_light_running").n == verdict.count("red")
    assert part(inputs, "signal_crossings").n == verdict.count("red")
    # Until the green whose cycle is not complete, less 1.5 s beside each change of red.
    assert part(inputs, "signal_crossings").observed == pytest.approx(55 - 4 * 1.5)


def test_the_evidence_states_the_bound(recorder: Any) -> None:
    inputs = street(recorder, 24.2, 40, cam=(0, 1.0), controller=(0.25, 0.25)).inputs()
    found = sorted(compute(inputs).incidents, key=lambda i: i.captured)
    assert [(i.kind, i.severity) for i in found] == [
        ("red-light-insufficient", 1),
        ("red-light-running", 2),
    ]
    for incident in found:
        assert incident.evidence["clocks"] == {
            "bound_s": 1.5,
            "camera": {"offset_s": 0, "error_s": 1.0},
            "controller": {"offset_s": 0.25, "error_s": 0.25},
        }


def test_clocks_of_which_nothing_is_known_make_it_insufficient_not_zero(recorder: Any) -> None:
    recorder = street(recorder, 40, cam=(0, 0.01), controller=(0, 0.01))
    recorder.rows["clocks"] = recorder.rows["clocks"][:1]
    inputs = recorder.inputs()
    running = part(inputs, "red_light_running")
    assert (running.n, running.observed, running.wanted) == (0, 0, 60)
    [incident] = compute(inputs).incidents
    assert incident.kind == "red-light-insufficient"
    assert incident.evidence["clocks"]["bound_s"] is None
    assert incident.evidence["clocks"]["controller"] is None


def test_messages_tell_where_chrony_does_not(recorder: Any) -> None:
    recorder.lights(0)
    recorder.clock(CAM, least=0.02, age=100.0)
    recorder.clock(CONTROLLER, told=(0.001, 0.003), least=5.0)
    inputs = recorder.inputs()
    camera, controller = clock_of(inputs, "cam"), clock_of(inputs, "controller")
    assert camera == (LEAST_DELAY / 2 - 0.02, LEAST_DELAY / 2 + 100 * DRIFT)
    assert controller == pytest.approx((0.002, 0.001)), "chrony's wins"


def test_one_box_and_one_simulated_world_have_one_clock(recorder: Any) -> None:
    recorder.works()
    recorder.lights(0, device=CAM)
    recorder.passes(24.1, line="stop")
    plan = recorder.inputs().plan | {"signal_device": "cam"}
    assert verdicts(recorder.inputs(plan=plan)) == ["red"]
    recorder.lights(0)
    assert verdicts(recorder.inputs(simulated=True)) == ["red"]


def test_windows_without_a_signal_keep_their_digests(recorder: Any) -> None:
    recorder.works()
    before = digests(recorder.inputs())
    recorder.clock(CAM, told=(0, np.nextafter(0, 1)))
    assert digests(recorder.inputs()) == before
    recorder.lights(0)
    assert digests(recorder.inputs())["clocks"]["rows"] == 1
    assert "clocks" not in digests(recorder.inputs(simulated=True))
