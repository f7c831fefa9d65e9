import numpy as np

from contracts.classes import RoadUser
from edge.vision.detections import Detections
from edge.vision.fusion import fuse
from edge.vision.motion import blobs
from edge.vision.tracker import Tracker
from edge.vision.tracks import Tracks, mature


def moving(*boxes):
    mask = np.zeros((360, 640), np.uint8)
    for left, top, right, bottom in boxes:
        mask[top:bottom, left:right] = 255
    return blobs(mask, 1.0)


def named(*boxes, score=0.8, kind=RoadUser.PEDESTRIAN):
    n = len(boxes)
    kinds = np.full(n, kind, np.uint8)
    return Detections.of(np.array(boxes, float).reshape(n, 4), np.full(n, score), kinds)


def see(seen, answer, tracks=None):
    return fuse(seen, answer, tracks or Tracks.empty(), 10**7, 640, 360)


def followed(box, *, kind=RoadUser.PEDESTRIAN):
    """A track that a detector has named, which is at a box at 10 s."""
    tracker = Tracker(640, 360)
    for i in range(20):
        tracker.predict(8_000_000 + i * 100_000)
        tracker.update(named(box, kind=kind))
    tracker.predict(10**7)
    return tracker.tracks


def test_either_alone_is_enough():
    box = (100, 100, 130, 180)
    assert see(moving(box), None).boxes.tolist() == [[*box]]
    assert see(moving(box), named()).boxes.tolist() == [[*box]]
    assert see(moving(), named(box)).boxes.tolist() == [[*box]]


def test_a_thing_that_both_see_is_one_and_named():
    seen = see(moving((98, 102, 133, 190)), named((100, 100, 130, 180)))
    assert seen.boxes.tolist() == [[100, 100, 130, 180]]
    assert seen.kind.tolist() == [RoadUser.PEDESTRIAN]


def test_the_detector_separates_what_motion_merges():
    seen = see(moving((100, 100, 160, 180)), named((100, 100, 130, 180), (130, 100, 160, 180)))
    assert len(seen.boxes) == 2


def test_weak_answers_name_nothing_that_motion_found():
    seen = see(moving((100, 100, 130, 180)), named((100, 100, 130, 180), score=0.2))
    moved = seen.score > 0.4
    assert seen.kind[moved].tolist() == [RoadUser.UNKNOWN]


def test_a_box_on_a_part_of_what_motion_sees_whole_only_names_it():
    whole = (200, 100, 320, 340)
    tracks = followed(whole, kind=RoadUser.CAR)
    seen = see(moving(whole), named((210, 110, 300, 200), kind=RoadUser.CAR), tracks)
    assert [200, 100, 320, 340] in seen.boxes.tolist()
    assert [210, 110, 300, 200] not in seen.boxes.tolist()


def test_a_track_in_whose_place_others_are_seen_loses_its_claim():
    tracks = followed((100, 100, 160, 180))
    assert mature(tracks).all()
    for _ in range(2):
        see(moving((100, 100, 160, 180)), named((92, 90, 122, 190), (138, 90, 168, 190)), tracks)
    assert not mature(tracks).any()
    see(moving((100, 100, 160, 180)), named((100, 100, 160, 180)), tracks)
    assert mature(tracks).all()
