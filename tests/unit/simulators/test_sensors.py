import itertools

import numpy as np
import pytest

from contracts.classes import RoadUser
from simulators.sensors import air_temperature, noise_level
from simulators.world import Scene

MAST = np.array([0.0, 0.0, 10.0])


def street(kind: RoadUser, *places: tuple[float, float], speed: float = 14.0) -> Scene:
    x, y = np.array(places, float).reshape(-1, 2).T
    one = np.ones(len(x))
    kinds = np.full(len(x), kind, np.uint8)
    return Scene(0.0, np.arange(len(x)), kinds, x, y, 0 * x, speed * one, one, one, one)


def test_an_empty_street_is_as_loud_as_the_town() -> None:
    assert noise_level(street(RoadUser.CAR), MAST) == 46.0
    assert noise_level(street(RoadUser.PEDESTRIAN, (3, 0)), MAST) == 46.0


def test_ten_sources_are_ten_decibels() -> None:
    one = noise_level(street(RoadUser.TRUCK, (5, 0)), MAST)
    ten = noise_level(street(RoadUser.TRUCK, *[(5, 0)] * 10), MAST)
    assert ten - one == pytest.approx(10.0, abs=0.2)


def test_nearer_faster_heavier_is_louder() -> None:
    base = noise_level(street(RoadUser.CAR, (20, 0), speed=8.0), MAST)
    assert noise_level(street(RoadUser.CAR, (10, 0), speed=8.0), MAST) > base
    assert noise_level(street(RoadUser.CAR, (20, 0), speed=14.0), MAST) > base
    assert noise_level(street(RoadUser.TRUCK, (20, 0), speed=8.0), MAST) > base
    assert noise_level(street(RoadUser.CAR, (20, 0), speed=0.0), MAST) < base


def test_the_morning_warms_up() -> None:
    hour = np.array(list(itertools.islice(air_temperature(1), 3600)))
    assert 0.5 < hour[-600:].mean() - hour[:600].mean() < 3.5
    assert np.abs(np.diff(hour)).max() < 0.5
