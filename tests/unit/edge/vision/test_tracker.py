import numpy as np
import pytest

from contracts.classes import RoadUser
from edge.vision.detections import Detections
from edge.vision.tracker import CAPACITY, CONFIRM_HITS, PATIENCE, Tracker
from edge.vision.tracks import Tracks, mature, standing

STEP = 100_000  # [µs]


def seen(*boxes, score=0.9, kind=None):
    kinds = None if kind is None else np.full(len(boxes), kind, np.uint8)
    return Detections.of(np.array(boxes, float).reshape(-1, 4), np.full(len(boxes), score), kinds)


def at(x, y=100.0, w=30.0, h=60.0):
    return (x, y, x + w, y + h)


class Street:
    """A tracker with a clock."""

    def __init__(self):
        self.tracker, self.now = Tracker(640, 360), 0

    def step(self, detections, seconds=0.1):
        self.now += round(seconds * 1e6)
        self.tracker.predict(self.now)
        return self.tracker.update(detections)


def test_one_walker_is_one_track():
    street = Street()
    for i in range(20):
        tracks = street.step(seen(at(20 + 8 * i)))
    assert tracks.id.tolist() == [1]
    assert tracks.confirmed.tolist() == [True]
    assert np.allclose(tracks.boxes, [at(20 + 8 * 19)], atol=2)


def test_two_who_meet_keep_their_ids():
    street = Street()
    for i in range(30):
        tracks = street.step(seen(at(20 + 12 * i, 90), at(380 - 12 * i, 150)))
    assert tracks.id.tolist() == [1, 2]
    assert tracks.boxes[0, 0] > 350
    assert tracks.boxes[1, 0] < 50


def test_a_glimpse_is_not_confirmed():
    street = Street()
    for _ in range(CONFIRM_HITS - 1):
        tracks = street.step(seen(at(50), kind=RoadUser.CAR))
    assert not tracks.confirmed.any()


def test_what_flutters_on_the_spot_is_not_confirmed_unless_it_is_named():
    street = Street()
    for i in range(50):
        tracks = street.step(seen(at(50 + i % 2)))
    assert not tracks.confirmed.any()
    street = Street()
    for i in range(50):
        tracks = street.step(seen(at(50 + i % 2), kind=RoadUser.CAR))
    assert tracks.confirmed.all()


@pytest.mark.parametrize("step", [0.04, 0.2])
def test_patience_is_in_seconds_not_in_frames(step):
    street = Street()
    for i in range(round(3 / step)):
        street.step(seen(at(100 + 20 * step * i)), step)
    gone = 0.0
    while len(street.tracker.tracks):
        street.step(seen(), step)
        gone += step
    assert PATIENCE < gone <= PATIENCE + step + 1e-6


def test_who_was_hidden_is_the_same_afterwards():
    street = Street()
    for i in range(20):
        street.step(seen(at(20 + 8 * i)))
    for _ in range(8):
        street.step(seen())
    tracks = street.step(seen(at(20 + 8 * 28)))
    assert tracks.id.tolist() == [1]


def test_a_weak_detection_continues_a_track_but_starts_none():
    street = Street()
    for i in range(10):
        street.step(seen(at(20 + 8 * i), kind=RoadUser.PEDESTRIAN))
    tracks = street.step(seen(at(100), at(400), score=0.2))
    assert tracks.id.tolist() == [1]
    assert tracks.seen.tolist() == [street.now]


def test_the_class_is_what_most_have_said():
    street = Street()
    for i, kind in enumerate([RoadUser.CAR, RoadUser.TRUCK, RoadUser.CAR, RoadUser.CAR]):
        tracks = street.step(seen(at(20 + 8 * i), kind=kind))
    assert tracks.kind.tolist() == [RoadUser.CAR]
    assert tracks.kind.dtype == np.int64


def test_an_owned_part_goes_to_its_track_however_it_looks():
    street = Street()
    for i in range(10):
        street.step(seen(at(20 + 8 * i, 90), at(300 - 8 * i, 200)))
    parts = seen(at(300 - 80, 200), at(100, 90))._replace(owner=np.array([1, 0]))
    tracks = street.step(parts)
    assert tracks.id.tolist() == [1, 2]
    assert np.allclose(tracks.boxes[:, 1], [90, 200], atol=2)


def test_leaving_the_image_ends_a_track():
    street = Street()
    for i in range(40):
        x = 560 + 8 * i
        street.step(seen((x, 100, min(x + 30, 640), 160)) if x < 636 else seen())
    assert len(street.tracker.tracks) == 0


def test_two_tracks_of_one_road_user_become_one():
    street = Street()
    for i in range(10):
        street.step(seen(at(20 + 8 * i), at(200 + 8 * i)))
    for i in range(30):
        tracks = street.step(seen(at(100 + 8 * i), at(103 + 8 * i)))
    assert len(tracks) <= 2
    boxes = tracks.boxes
    assert len(boxes) == 1 or abs(boxes[0, 0] - boxes[1, 0]) > 20


def test_tracks_are_bounded():
    street = Street()
    x, y = np.meshgrid(np.arange(40) * 16.0, np.arange(20) * 18.0)
    many = [(a, b, a + 8, b + 9) for a, b in zip(x.ravel(), y.ravel(), strict=True)]
    assert len(many) > CAPACITY
    assert len(street.step(seen(*many))) == CAPACITY


def test_nothing_at_all_is_fine():
    street = Street()
    assert len(street.step(seen())) == 0
    assert len(Tracks.empty() + Tracks.empty()) == 0


def test_a_clock_that_steps_back_stops_time_only():
    street = Street()
    for i in range(10):
        street.step(seen(at(20 + 8 * i)))
    tracks = street.step(seen(at(92)), -5.0)
    assert np.isfinite(tracks.mean).all()
    assert tracks.id.tolist() == [1]


def test_waiting_vehicles_are_kept_from_the_background_for_so_long_only():
    street = Street()
    for i in range(20):
        street.step(seen(at(20 + 8 * i)))
    for _ in range(600):  # a minute at red
        tracks = street.step(seen(at(180)))
    assert len(standing(tracks, street.now, 300.0)) == 1
    assert len(standing(tracks, street.now, 30.0)) == 0
    assert mature(tracks).all()


def test_what_never_moved_is_left_to_the_background():
    street = Street()
    for _ in range(50):
        tracks = street.step(seen(at(180)))
    assert len(standing(tracks, street.now, 300.0)) == 0


def couple(street, apart, *, kind=RoadUser.PEDESTRIAN):
    """Two walk in as one box and part after a second; who came out of whom, by frame."""
    found = []
    for i in range(30):
        x, gap = 20 + 8 * i, max(i - 10, 0) * apart
        boxes = [at(x, w=40), *([at(x + 12 + gap, w=28)] if i >= 10 else [])]
        street.step(seen(*boxes, kind=kind))
        found += street.tracker.parted.tolist()
    return found


def test_who_comes_out_of_a_box_that_met_nobody_came_with_it():
    assert couple(Street(), 6) == [[2, 1]]


def test_who_never_comes_out_stays_in_its_group():
    assert couple(Street(), 0) == []


def test_without_names_two_pieces_are_no_group():
    assert couple(Street(), 6, kind=None) == []


def test_who_comes_out_after_a_meeting_may_be_whom_it_met():
    street = Street()
    for i in range(10):
        street.step(seen(at(20 + 8 * i, w=40), at(50 + 8 * i, w=28), kind=RoadUser.PEDESTRIAN))
    for i in range(30):  # the second is lost behind the first for longer than patience
        street.step(seen(at(100 + 4 * i, w=40), kind=RoadUser.PEDESTRIAN))
    found = []
    for i in range(15):
        one, two = at(220 + 4 * i, w=40), at(232 + 10 * i, w=28)
        street.step(seen(one, two, kind=RoadUser.PEDESTRIAN))
        found += street.tracker.parted.tolist()
    assert found == []
