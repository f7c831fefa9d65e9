"""Road users as every room names them."""

from enum import IntEnum
from typing import Final


class RoadUser(IntEnum):
    """Class of a road user; the number crosses the wire and rests in the database."""

    UNKNOWN = 0
    PEDESTRIAN = 1
    BICYCLE = 2
    SCOOTER = 3
    MOTORCYCLE = 4
    CAR = 5
    VAN = 6
    TRUCK = 7
    BUS = 8
    TRAM = 9


VULNERABLE: Final = frozenset(
    {RoadUser.PEDESTRIAN, RoadUser.BICYCLE, RoadUser.SCOOTER, RoadUser.MOTORCYCLE}
)
"""Vulnerable road users (VRU)."""

MASS: Final = {
    RoadUser.UNKNOWN: 1500.0,
    RoadUser.PEDESTRIAN: 75.0,
    RoadUser.BICYCLE: 90.0,
    RoadUser.SCOOTER: 90.0,
    RoadUser.MOTORCYCLE: 250.0,
    RoadUser.CAR: 1500.0,
    RoadUser.VAN: 2200.0,
    RoadUser.TRUCK: 12000.0,
    RoadUser.BUS: 12000.0,
    RoadUser.TRAM: 40000.0,
}
"""Mass of each class. [kg]"""

SIZE: Final = {
    RoadUser.UNKNOWN: (4.5, 1.8),
    RoadUser.PEDESTRIAN: (0.5, 0.5),
    RoadUser.BICYCLE: (1.8, 0.65),
    RoadUser.SCOOTER: (1.2, 0.5),
    RoadUser.MOTORCYCLE: (2.2, 0.8),
    RoadUser.CAR: (4.5, 1.8),
    RoadUser.VAN: (5.5, 2.0),
    RoadUser.TRUCK: (9.0, 2.5),
    RoadUser.BUS: (12.0, 2.55),
    RoadUser.TRAM: (30.0, 2.5),
}
"""Length and width taken where none was measured. [m]"""
