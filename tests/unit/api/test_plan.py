from pathlib import Path

import pytest

from api.console.plan import configuration, counted_lines, drawing, group_of, view
from api.console.words import Words
from contracts.classes import RoadUser
from contracts.site import CountLine, LineRole, Name, SignalHead, Site, read_site

NAME = Name(cs="Jméno", en="Name")
PILOTS = sorted((Path(__file__).parents[3] / "pilots").glob("*/site.toml"))


def site(*roles, **more):
    lines = [
        CountLine(id=f"{role}-{n}", name=NAME, device="cam", role=role, a=(0, n), b=(4, n))
        for n, role in enumerate(roles)
    ]
    return Site(
        id="here", pilot="town", name=NAME, latitude=50, longitude=14, speed_limit_km_h=50,
        lines=lines, **more,
    )  # fmt: skip


def test_nobody_is_counted_twice():
    counted = counted_lines(site(LineRole.STOP, LineRole.EXIT, LineRole.CROSSING))
    assert counted == {
        "vehicles": ["stop-0"],
        "cyclists": ["stop-0", "crossing-2"],
        "pedestrians": ["crossing-2"],
    }


def test_a_group_without_a_line_is_counted_nowhere():
    assert counted_lines(site(LineRole.EXIT))["pedestrians"] == []


def test_every_class_has_a_group():
    groups = {user: group_of(user) for user in RoadUser}
    assert groups[RoadUser.PEDESTRIAN] == "pedestrians"
    assert groups[RoadUser.SCOOTER] == "cyclists"
    assert groups[RoadUser.TRAM] == "vehicles"


def test_north_is_up():
    head = SignalHead(phase=2, position=(10.0, 20.0))
    plan = site(LineRole.STOP, signals=[head])
    frame = view(plan)
    x, y = drawing(plan, Words("en"))["heads"][0]["at"]
    assert (x, y) == (10.0, -20.0)
    left, top, width, height = map(float, frame.box.split())
    assert left <= x <= left + width
    assert top <= y <= top + height


@pytest.mark.parametrize("path", PILOTS, ids=lambda path: path.parent.name)
def test_pilots_can_be_drawn(path):
    plan = read_site(path)
    for language in ("cs", "en"):
        words = Words(language)
        assert len(drawing(plan, words)["shapes"]) == len(plan.shapes)
        assert configuration(plan, words)["site"] == f"{plan.pilot}/{plan.id}"
