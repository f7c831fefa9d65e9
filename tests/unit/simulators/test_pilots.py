"""The pilots' files agree with each other."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from contracts.site import LineRole, Site, read_site
from simulators.camera import view
from simulators.signals import read_plan

PILOT = Path(__file__).parents[3] / "pilots" / "usti-belehradska"


@pytest.fixture(scope="module")
def site() -> Site:
    return read_site(PILOT / "site.toml")


def test_every_device_has_an_agent(site: Site) -> None:
    agents = [
        yaml.safe_load(path.read_text())
        for path in PILOT.glob("*.yaml")
        if path.stem in site.devices
    ]
    assert {a["device"] for a in agents} == {f"{site.pilot}/{d}" for d in site.devices}
    assert all(a["simulated"] for a in agents)
    sources = [
        part["source"]
        for a in agents
        for part in (*a["sensors"], a["modem"], *([a["camera"]] if "camera" in a else []))
    ]
    assert sorted(sources) == [f"tcp://127.0.0.1:{5501 + n}" for n in range(8)]


@pytest.mark.parametrize("device", ["cam-1", "cam-2"])
def test_pixels_and_metres_agree_with_the_pose(site: Site, device: str) -> None:
    seen = view(next(c for c in site.cameras if c.device == device))
    camera = yaml.safe_load((PILOT / f"{device}.yaml").read_text())["camera"]
    size = np.array([seen.width, seen.height])
    marks = np.array(camera["calibration"])
    np.testing.assert_allclose(seen.ground(marks[:, :2] * size), marks[:, 2:], atol=0.02)
    assert (marks[:, :2] >= 0).all()
    assert (marks[:, :2] <= 1).all()
    own = {line.id: line for line in site.lines if line.device == device}
    assert {line["id"] for line in camera["lines"]} == set(own)
    for line in camera["lines"]:
        ground = seen.ground(np.array([line["a"], line["b"]]) * size)
        np.testing.assert_allclose(ground, [own[line["id"]].a, own[line["id"]].b], atol=0.02)


def test_the_plan_has_every_phase_of_the_site(site: Site) -> None:
    plan = read_plan(PILOT / "signal-plan.toml")
    vehicles = {phase.number for phase in plan.phase}
    walks = {walk.phase for walk in plan.walk}
    assert {a.phase for a in site.approaches} == vehicles
    assert {c.phase for c in site.crossings} == walks
    assert {s.phase for s in site.signals if s.pedestrian} == walks
    assert {s.phase for s in site.signals if not s.pedestrian} == vehicles


def test_conflicting_phases_are_never_green_together() -> None:
    plan = read_plan(PILOT / "signal-plan.toml")
    for at in np.arange(0, plan.cycle_s, 0.25):
        main = {plan.colour(phase, at) for phase in (2, 6)}
        side = {plan.colour(phase, at) for phase in (4, 8)}
        assert not (main & set("Gy") and side & set("Gy"))
        for arm, across in (("east-in", main), ("south-in", side)):
            assert not (plan.walks(arm, at) and across & set("Gy"))


def test_stop_lines_have_an_approach_with_a_phase(site: Site) -> None:
    phases = {approach.id: approach.phase for approach in site.approaches}
    stops = [line for line in site.lines if line.role is LineRole.STOP]
    assert len(stops) == 2
    assert all(phases[line.approach or ""] for line in stops)
