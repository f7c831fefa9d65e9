from functools import cache

import numpy as np
import pytest

from contracts.classes import RoadUser
from edge.vision.frames import Frame
from edge.vision.pipeline import Pipeline
from edge.vision.settings import VisionSettings

# 20 px are 1 m on the ground, seen from straight above; y points down in the picture
GROUND = [
    {"image": (x, y), "ground": (x / 20, -y / 20)}
    for x, y in [(0, 0), (640, 0), (0, 360), (640, 360)]
]
LINE = {"id": "gate", "a": (320, 360), "b": (320, 0)}
RATE = 10


@cache
def noise():
    """Noise of a camera, drawn once: a minute of it takes longer than what looks at it."""
    return np.random.default_rng(2).normal(0, 3, (32, 360, 640, 3)).astype(np.float32)


class Road:
    """A textured road at 10 frames a second, on which boxes drive."""

    def __init__(self, **settings):
        self.rng = np.random.default_rng(1)
        self.road = self.rng.integers(90, 130, (360, 640, 1)).repeat(3, 2).astype(np.float32)
        self.pipeline, self.number = Pipeline(VisionSettings(**settings)), 0

    def step(self, *boxes):
        picture = self.road + noise()[self.rng.integers(len(noise()))]
        for x, y, w, h in boxes:
            picture[max(y, 0) : y + h, max(x, 0) : max(x + w, 0)] = (30, 40, 200)
        self.number += 1
        image = picture.clip(0, 255).astype(np.uint8)
        return self.pipeline.step(Frame(image, self.number * 1_000_000 // RATE, self.number))

    def drive(self, path, y=150, size=(90, 36)):
        """Observations while one box is at each x in turn."""
        return [self.step((int(x), y, *size)) for x in path]


def settled(**settings):
    road = Road(**settings)
    for _ in range(30):
        road.step()
    return road


def crossings(seen):
    return [crossing for one in seen for crossing in one.crossings]


def test_a_car_is_found_measured_and_counted_once():
    road = settled(lines=[LINE], ground=GROUND, anchor="centre")
    seen = road.drive(np.arange(40, 520, 16))  # 16 px a frame: 8 m/s
    last = seen[-1]
    assert len(last.id) == 1
    assert last.vx[0] == pytest.approx(8.0, abs=0.3)
    assert last.vy[0] == pytest.approx(0.0, abs=0.3)
    assert last.x[0] == pytest.approx((504 + 45) / 20, abs=0.2)
    assert last.y[0] == pytest.approx(-168 / 20, abs=0.2)
    assert last.heading[0] == pytest.approx(0.0, abs=0.1)
    (crossing,) = crossings(seen)
    assert (crossing.line, crossing.direction, crossing.track) == ("gate", "in", last.id[0])
    assert crossing.speed == pytest.approx(8.0, abs=0.4)
    assert 0 < crossing.speed_sd < 0.5
    assert 0 < last.speed_sd[0] < 0.5
    assert last.length[0] == pytest.approx(4.5, rel=0.1)
    assert last.width[0] == pytest.approx(1.8, rel=0.15)
    began = 31 * 1_000_000 // RATE
    passed = began + (320 - 45 - 40) / 16 * 1_000_000 / RATE
    assert crossing.captured == pytest.approx(passed, abs=60_000)


def test_without_marks_there_is_no_place_and_no_speed():
    seen = settled(lines=[LINE]).drive(np.arange(40, 520, 16))
    assert np.isnan([seen[-1].x, seen[-1].vx, seen[-1].sd, seen[-1].heading, seen[-1].length]).all()
    assert np.isnan([crossings(seen)[0].speed, crossings(seen)[0].speed_sd]).all()


def test_who_waits_a_minute_before_the_line_counts_when_it_goes():
    road = settled(lines=[LINE])
    seen = road.drive(np.arange(-80, 200, 10))
    seen += [road.step((200, 150, 90, 36)) for _ in range(60 * RATE)]
    waiting = seen[-1]
    assert len(waiting.id) == 1
    assert crossings(seen) == []
    seen += road.drive(np.arange(200, 420, 10))
    assert [c.track for c in crossings(seen)] == [waiting.id[0]]


def test_two_who_merge_and_part_are_two():
    road = settled(lines=[LINE])
    seen = []
    for i in range(34):
        x = 30 + 14 * i
        apart = max(0, 70 - 6 * i) if i < 20 else 6 * (i - 20)
        seen.append(road.step((x, 120 - apart, 60, 50), (x, 170 + apart, 60, 50)))
    assert sorted(c.direction for c in crossings(seen)) == ["in", "in"]


def test_everything_that_moves_is_to_be_hidden_at_once():
    seen = settled().step((200, 150, 90, 36))
    assert len(seen.id) == 0  # not confirmed yet
    assert any(np.allclose(box, [200, 150, 290, 186], atol=6) for box in seen.hide)


def test_another_size_starts_afresh():
    road = settled(lines=[LINE])
    road.drive(np.arange(40, 200, 16))
    small = Frame(np.zeros((120, 160, 3), np.uint8), 10**9, 1)
    assert len(road.pipeline.step(small).id) == 0


def test_a_clock_that_is_set_back_stops_nothing():
    road = settled(lines=[LINE])
    road.pipeline.step(Frame(road.road.astype(np.uint8), 3_600 * 1_000_000, 0))
    seen = road.drive(np.arange(40, 520, 16))
    assert [c.direction for c in crossings(seen)] == ["in"]


def test_types_on_the_wire():
    last = settled(lines=[LINE]).drive(np.arange(40, 300, 16))[-1]
    assert (last.id.dtype, last.kind.dtype) == (np.uint32, np.uint8)
    assert last.box.shape == (1, 4)
    arrays = (last.box, last.x, last.vx, last.sd, last.length, last.confidence)
    assert {a.dtype for a in arrays} == {np.dtype(np.float32)}
    assert last.kind[0] in set(RoadUser)


def test_a_car_that_drives_through_a_zone_visits_it_once():
    zone = {"id": "stop", "corners": [(200, 100), (400, 100), (400, 300), (200, 300)]}
    seen = settled(zones=[zone], anchor="centre").drive(np.arange(40, 520, 16))
    (visit,) = [visit for one in seen for visit in one.visits]
    assert (visit.zone, visit.left - visit.entered) == ("stop", pytest.approx(1_250_000, abs=2e5))
    counted = [one for frame in seen for one in frame.occupancy]
    assert len(counted) == 3
    assert max(sum(one.by_class.values()) for one in counted) == 1
