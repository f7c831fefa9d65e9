import numpy as np

from contracts.classes import SIZE, RoadUser
from edge.vision.classify import HEIGHT, apparent, by_size

# seen 30 degrees from above, 0.05 m across a pixel, twice that down: east is right, north is up
JACOBIAN = np.array([[[0.05, 0.0], [0.0, -0.1]]])


def box_of(kind, heading):
    length, width = SIZE[kind]
    shape = apparent(np.array([heading - np.pi / 2]), np.array([np.pi / 6]))[0]
    assert length >= width
    w, h = shape[list(HEIGHT).index(kind)] / 0.05
    return np.array([[100.0, 100.0, 100.0 + w, 100.0 + h]])


def kind_of(kind, heading, speed=1.5, stretch=1.0):
    box = box_of(kind, heading)
    box[:, 2:] = box[:, :2] + stretch * (box[:, 2:] - box[:, :2])
    return by_size(box, JACOBIAN, np.array([heading]), np.array([speed]))[0]


def test_apparent_size_of_a_car_from_the_side_and_from_behind():
    car = list(HEIGHT).index(RoadUser.CAR)
    level = apparent(np.array([np.pi / 2, 0.0]), np.zeros(2))[:, car]
    assert np.allclose(level, [[4.5, 1.5], [1.8, 1.5]])
    above = apparent(np.array([np.pi / 2, 0.0]), np.full(2, np.pi / 2))[:, car]
    assert np.allclose(above, [[4.5, 1.8], [1.8, 4.5]])


def test_what_has_the_size_of_a_class_seen_from_the_side_is_of_it():
    for kind in (RoadUser.PEDESTRIAN, RoadUser.BICYCLE, RoadUser.CAR, RoadUser.TRUCK):
        assert kind_of(kind, 0.0) == kind


def test_nobody_walks_fast():
    assert kind_of(RoadUser.PEDESTRIAN, np.pi / 2, speed=6.0) != RoadUser.PEDESTRIAN


def test_what_fits_no_class_or_has_no_heading_is_unknown():
    assert kind_of(RoadUser.TRAM, 0.0, stretch=3.0) == RoadUser.UNKNOWN
    assert kind_of(RoadUser.CAR, np.nan) == RoadUser.UNKNOWN
    assert kind_of(RoadUser.CAR, 0.0, speed=0.0) == RoadUser.UNKNOWN
    assert kind_of(RoadUser.CAR, 0.0, speed=np.nan) == RoadUser.UNKNOWN
