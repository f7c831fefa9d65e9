"""SUMO's street against SUMO's own detectors and against itself."""

import itertools
import shutil
import tempfile
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from contracts.classes import RoadUser
from contracts.site import read_site
from simulators.errors import NetworkError, StreetError, WorldBusyError
from simulators.network import build_network, signalled_links
from simulators.signals import Code, SignalPlan, read_plan
from simulators.street import moments, street_frames
from simulators.truth import Passage
from simulators.world import STEP, Scene, World

PILOT = Path(__file__).parents[3] / "pilots" / "usti-belehradska"


def run(seed: int, seconds: float, **options: object) -> tuple[list[Scene], list[Passage], list]:
    site = read_site(PILOT / "site.toml")
    with World(PILOT, seed=seed, **options) as world:  # type: ignore[arg-type]
        steps = list(moments(world, site, seconds))
    passages = [p for m in steps for p in m.passages]
    return [m.scene for m in steps], passages, [e for m in steps for e in m.signal]


def test_a_seed_repeats_bit_for_bit() -> None:
    scenes, passages, events = run(5, 30)
    again, passages_again, events_again = run(5, 30)
    for one, other in zip(scenes, again, strict=True):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)
    assert passages == passages_again
    assert events == events_again
    different, *_ = run(6, 30)
    assert any(
        len(a.x) != len(b.x) or (a.x != b.x).any() for a, b in zip(scenes, different, strict=True)
    )


def test_pictures_repeat_bit_for_bit() -> None:
    def film() -> list[tuple[bytes, int]]:
        frames = street_frames(PILOT, "cam-2", seed=5, seconds=2, warm_up=60)
        return [(image.tobytes(), captured) for image, captured in frames]

    first = film()
    assert len(first) == 20
    assert film() == first


def test_the_street_is_busy_and_its_users_keep_their_lanes_and_bodies() -> None:
    scenes, *_ = run(2, 60)
    assert min(len(s.ident) for s in scenes) > 20, "filled before the run starts"
    assert set(np.concatenate([s.kind for s in scenes])) >= {
        RoadUser.PEDESTRIAN, RoadUser.BICYCLE, RoadUser.CAR, RoadUser.VAN,
    }  # fmt: skip
    for before, after in itertools.pairwise(scenes):
        assert (np.diff(after.ident) > 0).all()
        _, i, j = np.intersect1d(before.ident, after.ident, return_indices=True)
        np.testing.assert_array_equal(before.length[i], after.length[j])
        moved = np.hypot(after.x[j] - before.x[i], after.y[j] - before.y[i])
        assert moved.max() < 3.0
    # Straight east: the middle of the box runs on the lane, its heading along it.
    last = scenes[-1]
    east = (last.kind == RoadUser.CAR) & (last.x > 30) & (last.y < 0)
    assert east.any()
    np.testing.assert_allclose(last.y[east], -3.125, atol=0.05)
    np.testing.assert_allclose(last.heading[east], 0.0, atol=0.02)


def test_passages_agree_with_sumo_s_own_loops(tmp_path: Path) -> None:
    """Loops lie where the front is when the middle of a 4.5 m car is at the line."""
    output = tmp_path / "loops.xml"
    loops = tmp_path / "loops.add.xml"
    places = {
        "east-out_2": 18 - 11, "east-out_1": 18 - 11, "west-out_2": 18 - 11, "west-out_1": 18 - 11,
        "east-in_2": 240 - 12, "east-in_1": 240 - 12, "west-in_2": 240 - 12, "west-in_1": 240 - 12,
    }  # fmt: skip
    rows = "".join(
        f'<inductionLoop id="{lane}" lane="{lane}" pos="{place}" period="86400" file="{output}"/>'
        for lane, place in places.items()
    )
    loops.write_text(f"<additional>{rows}</additional>")
    warm_up = 70.0
    _, passages, _ = run(3, 600, warm_up=warm_up, additional=[loops])
    _, before, _ = run(3, warm_up, warm_up=0.0)
    counted = Counter(p.line for p in [*before, *passages] if p.kind != RoadUser.PEDESTRIAN)
    seen: Counter[str] = Counter()
    for row in ET.parse(output).getroot().iterfind("interval"):  # noqa: S314
        lane = row.attrib["id"]
        line = lane.replace("in", "stop").split("_")[0]
        seen[line] += int(row.attrib["nVehContrib"])
    assert set(seen) == {"east-out", "west-out", "east-stop", "west-stop"}
    for line, number in seen.items():
        assert number > 60
        assert abs(counted[line] - number) <= 1, (
            f"{line}: only who stands on it at an end may differ"
        )
    speeds = {p.ident: p.speed for p in passages if p.line == "east-out"}
    assert 5 < np.mean(list(speeds.values())) < 14


def test_signals_are_what_sumo_shows() -> None:
    site = read_site(PILOT / "site.toml")
    with World(PILOT, seed=1) as world:
        letters = links_by_phase(world.plan)
        for moment in moments(world, site, 80):
            state = world.signal_state()
            middle = moment.scene.time - STEP / 2  # SUMO switches between steps
            for phase, places in letters.items():
                assert {state[k] for k in places} == {world.colour(phase, middle)}


def links_by_phase(plan: SignalPlan) -> dict[int, list[int]]:
    """Places of the straight vehicle links of each phase in SUMO's state."""
    found: dict[int, list[int]] = {}
    with tempfile.TemporaryDirectory() as folder:
        network = build_network(PILOT, plan, Path(folder))
        for link in signalled_links(ET.parse(network.net).getroot(), plan.junction):  # noqa: S314
            if link.straight and not link.crossing:
                found.setdefault(plan.phase_of(link.edge), []).append(link.letter)
    return found


def test_the_controller_s_log_is_complete() -> None:
    _, _, events = run(1, 210)
    assert [e.at for e in events] == sorted(e.at for e in events)
    assert all(-STEP <= e.at <= 210 for e in events)
    switches = Counter((e.code, e.parameter) for e in events)
    for phase in (2, 4, 6, 8):
        for code in (1, 8, 10, 11, 21, 22, 23):
            assert switches[code, phase] == 3, "three cycles of 70 s"
    for channel in (2, 4, 6, 8):
        actuations = [
            e.code for e in events if e.code >= Code.DETECTOR_OFF and e.parameter == channel
        ]
        assert len(actuations) > 5
        assert all(a != b for a, b in itertools.pairwise(actuations)), "on, off, on"


def test_one_world_at_a_time() -> None:
    with World(PILOT, seed=1, warm_up=0), pytest.raises(WorldBusyError):
        World(PILOT, seed=1)
    first = World(PILOT, seed=1, warm_up=0)
    first.close()
    with World(PILOT, seed=1, warm_up=0) as second:
        first.close()  # closes its own only
        second.step()


def test_a_street_that_sumo_refuses_is_closed_again(tmp_path: Path) -> None:
    shutil.copytree(PILOT, tmp_path / "pilot")
    (tmp_path / "pilot" / "demand.rou.xml").write_text(
        '<routes><flow id="f" from="nowhere" to="east-out" begin="0" period="9"/></routes>'
    )
    with pytest.raises(StreetError, match="nowhere"):
        World(tmp_path / "pilot", seed=1)
    World(PILOT, seed=1, warm_up=0).close()


def test_a_network_that_cannot_be_built_says_why(tmp_path: Path) -> None:
    plan = read_plan(PILOT / "signal-plan.toml")
    with pytest.raises(NetworkError, match=r"junction\.nod\.xml"):
        build_network(tmp_path, plan, tmp_path)
