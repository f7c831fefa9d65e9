"""Each kind of incident on scenes whose truth is known, and the laws that all of them keep."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.classes import RoadUser
from edge.vision.counting import Crossing, Line
from edge.vision.incidents.scene import Scene
from edge.vision.incidents.settings import IncidentSettings
from edge.vision.incidents.watch import Watch

START = 1_777_878_000_000_000
CAR, WALKER = RoadUser.CAR, RoadUser.PEDESTRIAN
ROAD = np.array([[0.0, 0], [400, 0], [400, 400], [0, 400]])
BAY = np.array([[300.0, 0], [400, 0], [400, 400], [300, 400]])
ZEBRA = np.array([[0.0, 150], [400, 150], [400, 250], [0, 250]])
ZONES = {"road": ROAD, "bay": BAY, "zebra": ZEBRA}
LINES = {"top": Line("top", (0, 10), (400, 10))}  # "in" is down the picture


class User:
    """A road user of 40 px whose place at each second is known."""

    def __init__(
        self,
        id_: int,
        path: Any,
        kind: RoadUser = CAR,
        since: float = 0.0,
        until: float = 1e9,
    ) -> None:
        self.id, self.path, self.kind, self.since, self.until = id_, path, kind, since, until

    def at(self, t: float) -> tuple[np.ndarray, np.ndarray]:
        """Place and velocity."""
        here, next_ = (np.array(self.path(x), float) for x in (t, t + 0.01))
        return here, (next_ - here) / 0.01


def scenes(users: list[User], seconds: float, rate: float = 10.0, start: int = START) -> Any:
    for k in range(round(seconds * rate)):
        t = k / rate
        here = sorted((u for u in users if u.since <= t < u.until), key=lambda u: u.id)
        state = [u.at(t) for u in here]
        point = np.array([s[0] for s in state]).reshape(-1, 2)
        first = np.array([u.at(0)[0] for u in here]).reshape(-1, 2)
        yield Scene(
            captured=start + round(t * 1e6),
            id=np.array([u.id for u in here], np.uint32),
            seen=np.ones(len(here), bool),
            kind=np.array([u.kind for u in here], np.uint8),
            box=np.hstack((point - 20, point + 20)),
            point=point,
            size=np.full(len(here), 40.0),
            velocity=np.array([s[1] for s in state]).reshape(-1, 2),
            moved=np.hypot(*(point - first).T) / 40 if here else np.zeros(0),
            score=np.full(len(here), 0.8),
            xy=np.full((len(here), 2), np.nan),
            crossings=[],
        )


def told(asked: dict[str, Any], users: list[User], seconds: float, **given: Any) -> list[Any]:
    watch = Watch(IncidentSettings.model_validate(asked), ZONES, LINES)
    return [i for scene in scenes(users, seconds, **given) for i in watch.step(scene)]


def brief(incidents: list[Any]) -> list[tuple[str, str, int]]:
    return [(i.kind, i.phase, i.track) for i in incidents]


def stops(y: float, at: float, leaves: float = 1e9, x: float = 200) -> Any:
    """Drive down the picture at 40 px/s to y, which it reaches at a second; drive on later."""
    return lambda t: (x, y - 40 * max(at - t, 0) + 40 * max(t - leaves, 0))


STOPPED = {"stopped": [{"zone": "road", "parking": ["bay"], "after_s": 5.0}]}
STOPPED_ONCE = [("stopped-vehicle", "begins", 1), ("stopped-vehicle", "ends", 1)]


def test_a_stopped_vehicle_begins_and_ends_and_says_why() -> None:
    begin, end = told(STOPPED, [User(1, stops(200, 4, leaves=20))], 30)
    assert brief([begin, end]) == STOPPED_ONCE
    assert begin.id == end.id
    assert (begin.captured - START) / 1e6 == pytest.approx(9.0, abs=0.11)
    assert {r.name: r.value for r in begin.why}["stands_s"] >= 5.0
    assert [t.track for t in end.tracks] == [1]
    assert end.value == pytest.approx(16.0, abs=0.3)


@pytest.mark.parametrize(
    "users",
    [
        pytest.param([User(1, stops(200, 4, x=350))], id="on a parking zone"),
        pytest.param([User(1, lambda _: (200, 200))], id="stood there before anybody looked"),
        pytest.param([User(1, stops(200, 4)), User(2, stops(150, 4))], id="in a queue"),
        pytest.param([User(1, stops(200, 4), kind=WALKER)], id="a pedestrian"),
        pytest.param([User(1, stops(200, 4, leaves=8))], id="too short"),
    ],
)
def test_what_is_no_stopped_vehicle(users: list[User]) -> None:
    assert told(STOPPED, users, 30) == []


def test_a_queue_explains_a_stop_only_for_so_long() -> None:
    asked = {"stopped": [STOPPED["stopped"][0] | {"queue_s": 12.0}]}
    found = told(asked, [User(1, stops(200, 4)), User(2, stops(150, 4))], 30)
    assert {i.track for i in found} == {1, 2}


def test_where_vehicles_were_parked_before_the_next_one_is_parked() -> None:
    asked = {"stopped": [STOPPED["stopped"][0] | {"parked_s": 20.0, "parked_twice": 1}]}
    first = User(1, stops(200, 4, leaves=40), until=50)
    second = User(2, stops(200, 70))
    assert {i.track for i in told(asked, [first, second], 100)} == {1}
    assert {i.track for i in told(STOPPED, [first, second], 100)} == {1, 2}


def test_another_id_in_the_same_place_is_the_same_incident() -> None:
    first = User(1, stops(200, 4), until=15)
    again = User(2, lambda _: (203, 200), since=15.3)
    assert brief(told(STOPPED, [first, again], 30)) == STOPPED_ONCE[:1]
    assert brief(told(STOPPED, [again], 30)) == []


def test_neither_flickering_nor_a_pause_says_it_twice() -> None:
    def creeps(t: float) -> tuple[float, float]:
        if 10 < t < 10.5:  # for half a second it seems to move
            return 200, 200 + 40 * (t - 10)
        if 25 < t < 30:  # it goes a little and comes back
            return 200, 220 + 20 * (2.5 - abs(t - 27.5))
        return stops(200, 4)(t) if t <= 10 else (200, 220)

    assert brief(told(STOPPED, [User(1, creeps)], 55)) == STOPPED_ONCE


WRONG = {"wrong_way": [{"line": "top", "way": "in", "zone": "road"}]}


def test_wrong_way_by_zone() -> None:
    down, up = (
        User(1, lambda t: (100, 20 + 60 * t), until=6),
        User(2, lambda t: (300, 390 - 60 * t)),
    )
    begin, end = told(WRONG, [down, up], 12)
    assert brief([begin, end]) == [("wrong-way", "begins", 2), ("wrong-way", "ends", 2)]
    assert (begin.captured - START) / 1e6 == pytest.approx(40 / 60 + 0.5, abs=0.21)


def test_reversing_a_little_is_no_wrong_way() -> None:
    user = User(1, lambda t: (100, 200 - min(20 * t, 30)))
    assert told(WRONG, [user], 10) == []


def test_without_a_zone_it_takes_a_passage_of_the_line() -> None:
    asked = {"wrong_way": [{"line": "top", "way": "in"}]}
    watch = Watch(IncidentSettings.model_validate(asked), ZONES, LINES)
    found = []
    for k, scene in enumerate(scenes([User(7, lambda t: (100, 300 - 60 * t))], 5)):
        passed = Crossing("top", "out", 7, CAR, scene.captured, 9.0, 0.8)
        crossings = [passed] if k == 30 else []
        found += [(k, *b) for b in brief(watch.step(scene._replace(crossings=crossings)))]
    assert found == [(35, "wrong-way", "begins", 7)]


PEDESTRIAN = {"pedestrian": [{"zone": "road", "crossings": ["zebra"]}]}


def test_pedestrians_on_the_carriageway_are_one_incident() -> None:
    group = [User(k, lambda t, k=k: (40 * t + 5 * k, 320), WALKER, until=8) for k in (1, 2, 3)]
    begin, end = told(PEDESTRIAN, group, 15)
    assert (begin.kind, begin.phase, end.phase) == ("pedestrian-on-carriageway", "begins", "ends")
    assert {t.track for t in end.tracks} == {1, 2, 3}
    on_zebra = [User(1, lambda t: (40 * t, 200), WALKER)]
    assert told(PEDESTRIAN, on_zebra, 15) == []
    assert told(PEDESTRIAN, [User(1, lambda t: (40 * t, 320))], 15) == []  # a car


QUEUE = {"queue": [{"zone": "road", "upstream": "top", "after_s": 5.0}]}


def test_a_queue_that_reaches_its_end() -> None:
    queue = [User(k, stops(390 - 55 * k, 3 + k, leaves=40), until=55) for k in range(1, 8)]
    begin, end = told(QUEUE, queue, 60)
    assert (begin.kind, begin.phase, end.phase) == ("queue-spill-back", "begins", "ends")
    assert begin.track == 7  # the last of it
    assert {r.name: (r.value, r.limit) for r in begin.why}["queued"] == (7.0, 3.0)
    assert told(QUEUE, queue[:5], 60) == []  # it does not reach the line


def mirrored(scene: Scene) -> Scene:
    flip = np.array([-1.0, 1.0])
    left, top, right, bottom = scene.box.T
    return scene._replace(
        point=scene.point * flip + [400, 0],
        velocity=scene.velocity * flip,
        box=np.column_stack((400 - right, top, 400 - left, bottom)),
    )


@settings(max_examples=8)
@given(
    start=st.integers(0, 10**15),
    rate=st.sampled_from([5.0, 8.0, 10.0]),
    arrives=st.floats(2, 8),
    stays=st.floats(7, 15),
    mirror=st.booleans(),
)
def test_laws(start: int, rate: float, arrives: float, stays: float, mirror: bool) -> None:
    """Time may be shifted, frames may be fewer, the picture may be mirrored: it is the same."""
    users = [
        User(1, stops(200, arrives, leaves=arrives + stays)),
        User(2, lambda t: (60, 390 - 60 * t), until=6),
        User(3, lambda t: (40 * t, 330), WALKER, until=9),
    ]
    watch = Watch(IncidentSettings.model_validate(STOPPED | WRONG | PEDESTRIAN), ZONES, LINES)
    found = []
    for scene in scenes(users, 28, rate, start):
        found += watch.step(mirrored(scene) if mirror and scene.id.size else scene)
    begins = {i.kind: i for i in found if i.phase == "begins"}
    assert sorted(brief(found)) == sorted([
        *STOPPED_ONCE, ("wrong-way", "begins", 2), ("wrong-way", "ends", 2),
        ("pedestrian-on-carriageway", "begins", 3), ("pedestrian-on-carriageway", "ends", 3),
    ])  # fmt: skip
    when = (begins["stopped-vehicle"].captured - start) / 1e6
    assert when == pytest.approx(arrives + 5, abs=2.2 / rate)


def test_time_in_which_nobody_looked_confirms_nothing() -> None:
    watch = Watch(IncidentSettings.model_validate(STOPPED), ZONES, LINES)
    frames = list(scenes([User(1, stops(200, 4))], 20))
    kept = [s for s in frames if not 6e6 < s.captured - START < 12e6]
    begins = [i.captured - START for s in kept for i in watch.step(s)]
    assert begins
    assert begins[0] >= 17e6
