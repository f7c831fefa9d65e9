import math

from contracts.classes import MASS, SIZE, VULNERABLE, RoadUser


def test_every_class_has_a_mass_and_a_size() -> None:
    assert MASS.keys() == SIZE.keys() == set(RoadUser)
    assert all(mass > 0 for mass in MASS.values())
    assert all(length >= width > 0 for length, width in SIZE.values())


def test_the_vulnerable_are_lighter_than_any_other() -> None:
    others = min(MASS[c] for c in RoadUser if c not in VULNERABLE)
    assert max(MASS[c] for c in VULNERABLE) < others
    assert math.isclose(MASS[RoadUser.TRAM], 40_000)


def test_numbers_that_rest_in_the_database_stay() -> None:
    names = "UNKNOWN PEDESTRIAN BICYCLE SCOOTER MOTORCYCLE CAR VAN TRUCK BUS TRAM"
    assert [c.name for c in RoadUser] == names.split()
    assert [int(c) for c in RoadUser] == list(range(10))
