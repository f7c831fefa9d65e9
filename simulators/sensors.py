"""Scalar sensors on a mast: what the weather and the traffic make them read."""

import math
from collections.abc import Iterator
from typing import Final

import numpy as np

from contracts.classes import RoadUser
from simulators.camera import Floats
from simulators.world import Scene

_BACKGROUND: Final = 46.0  # the town without the street [dB]
# Sound power of one vehicle at 50 km/h, after CNOSSOS-EU's categories. [dB]
_POWER: Final = {
    RoadUser.CAR: 98.0,
    RoadUser.VAN: 100.0,
    RoadUser.TRUCK: 105.0,
    RoadUser.BUS: 105.0,
}
_REFERENCE: Final = 50 / 3.6  # [m/s]
_QUIET: Final = {RoadUser.PEDESTRIAN, RoadUser.BICYCLE}
_SLOWEST: Final = 3.0  # below it the engine is louder than the tyres [m/s]


def noise_level(scene: Scene, position: Floats) -> float:
    """Sound level at a point (3,) of the street [dB], from who drives where and how fast."""
    energy = 10 ** (_BACKGROUND / 10)
    square = (scene.x - position[0]) ** 2 + (scene.y - position[1]) ** 2 + position[2] ** 2
    for kind, speed, distance in zip(scene.kind, scene.speed, square, strict=True):
        if RoadUser(int(kind)) in _QUIET:
            continue
        power = _POWER.get(RoadUser(int(kind)), _POWER[RoadUser.CAR])
        rolling = 25 * math.log10(max(speed, _SLOWEST) / _REFERENCE)
        energy += 10 ** ((power + rolling) / 10) / (2 * math.pi * distance)  # over a hard plane
    return round(10 * math.log10(energy), 1)


def air_temperature(seed: int) -> Iterator[float]:
    """Yield the temperature [°C] once a second: a morning that warms up."""
    random = np.random.default_rng([seed, 4])
    level, gust = 11.0, 0.0
    while True:
        level += 2.0 / 3600
        gust = 0.98 * gust + float(random.normal(0, 0.04))
        yield round(level + gust, 2)
