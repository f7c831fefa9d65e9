"""Which road user a model's class is, by the name that the model gives it."""

import json
import re
from ast import literal_eval
from collections.abc import Mapping
from typing import Final, NamedTuple

from contracts.classes import RoadUser

_COCO: Final = """
    person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light, fire
    hydrant, stop sign, parking meter, bench, bird, cat, dog, horse, sheep, cow, elephant, bear,
    zebra, giraffe, backpack, umbrella, handbag, tie, suitcase, frisbee, skis, snowboard, sports
    ball, kite, baseball bat, baseball glove, skateboard, surfboard, tennis racket, bottle, wine
    glass, cup, fork, knife, spoon, bowl, banana, apple, sandwich, orange, broccoli, carrot, hot
    dog, pizza, donut, cake, chair, couch, potted plant, bed, dining table, toilet, tv, laptop,
    mouse, remote, keyboard, cell phone, microwave, oven, toaster, sink, refrigerator, book,
    clock, vase, scissors, teddy bear, hair drier, toothbrush
"""
COCO: Final = dict(enumerate(" ".join(_COCO.split()).split(", ")))
"""The 80 classes of COCO, numbered as detectors are trained on them."""

_GAPS: Final = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)
COCO_IDS: Final = dict(zip((n for n in range(1, 91) if n not in _GAPS), COCO.values(), strict=True))
"""The same by COCO's own ids, 1 to 90, of which ten were never given away."""

_NAMED: Final = {
    RoadUser.PEDESTRIAN: "person, people, pedestrian, walker, rider",
    RoadUser.BICYCLE: "bicycle, bike, cyclist, bicyclist, tricycle",
    RoadUser.SCOOTER: "scooter, kick scooter, e scooter, electric scooter",
    RoadUser.MOTORCYCLE: "motorcycle, motorbike, motor, moped, motorcyclist",
    RoadUser.CAR: "car, taxi, suv, sedan, pickup, pickup truck",
    RoadUser.VAN: "van, minivan, minibus",
    RoadUser.TRUCK: "truck, lorry, trailer, semi trailer",
    RoadUser.BUS: "bus, coach, trolleybus",
    RoadUser.TRAM: "tram, train, streetcar, tramway",
}
_ROAD_USERS: Final = {name: user for user, names in _NAMED.items() for name in names.split(", ")}


class Classes(NamedTuple):
    """Classes of a model, and which of them are road users."""

    names: Mapping[int, str]
    used: Mapping[int, RoadUser]
    assumed: bool = False  # nothing in the file says that these are its classes

    @property
    def unused(self) -> list[str]:
        """Names of the classes that are no road users."""
        return [name for number, name in self.names.items() if number not in self.used]


def classes(names: Mapping[int, str], *, assumed: bool = False) -> Classes:
    """Find the road users among a model's classes.

    >>> classes({0: "Person", 1: "dog", 2: "e-scooter"}).used
    {0: <RoadUser.PEDESTRIAN: 1>, 2: <RoadUser.SCOOTER: 3>}
    """
    known = ((number, _ROAD_USERS.get(_plain(name))) for number, name in names.items())
    used = {number: user for number, user in known if user is not None}
    return Classes(names, used, assumed)


def read_names(text: str) -> dict[int, str] | None:
    """Names as exporters write them: a list or mapping, as JSON or as Python shows it.

    >>> read_names("{0: 'person', 1: 'car'}") == read_names('["person", "car"]')
    True
    """
    for read in (json.loads, literal_eval):
        try:
            found = read(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
        if isinstance(found, list):
            return {number: str(name) for number, name in enumerate(found)}
        if isinstance(found, dict) and all(str(number).isdecimal() for number in found):
            return {int(number): str(name) for number, name in found.items()}
    return None


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", " ", name).strip().lower()
