"""Wrong-way driving: against the way that a line states."""

from typing import Final

import numpy as np

from contracts.classes import RoadUser
from contracts.events import WRONG_WAY
from contracts.incidents import Reason
from edge.vision.counting import Line
from edge.vision.frames import Bools, Floats, Ids
from edge.vision.incidents.cases import Cases, Incident, subjects
from edge.vision.incidents.machine import carry
from edge.vision.incidents.scene import Scene
from edge.vision.incidents.settings import WrongWaySettings
from edge.vision.zones import depth

PACE: Final = 0.2
"""Speed along the way from which somebody is under way, for or against it. [own sizes / s]"""
WILD: Final = 20.0
"""Speed that no road user has: pieces of several are taken for one. [own sizes / s]"""
EDGE: Final = 0.2
"""Distance beyond a zone's border up to which who was in it still is. [own sizes]"""
_MEMORY: Final = np.dtype([("best", float), ("x", float), ("y", float)])
"""The farthest that a track was along the way [px], and where on the ground that was [m]."""


class WrongWay:
    """Those who go against one way."""

    def __init__(
        self, settings: WrongWaySettings, zones: dict[str, Floats], lines: dict[str, Line]
    ) -> None:
        self._settings = settings
        self._zone = zones[settings.zone] if settings.zone is not None else None
        self._way = direction(lines[settings.line], settings.way)
        self._passed: Ids = np.zeros(0, np.uint32)  # the line against its way, and still live
        self._cases = Cases(WRONG_WAY, settings.line, settings.timing)
        self._ids: Ids = np.zeros(0, np.uint32)
        self._memory = np.zeros(0, _MEMORY)

    def step(self, scene: Scene) -> list[Incident]:
        """Advance by one frame."""
        scene = scene.pick(scene.kind != RoadUser.PEDESTRIAN)
        self._cases.adopt(scene.id, scene.box, scene.captured)
        active = self._cases.active(scene.id)
        inside = self._inside(scene, active)
        against, metres = self._against(scene, inside)
        pace = scene.velocity @ self._way / scene.size
        far = (against >= self._settings.sizes) & ~(metres < self._settings.metres)
        far &= self._passes(scene)
        holds = inside & np.where(active, pace < PACE, far & (pace < -PACE) & (pace > -WILD))

        def why(row: int) -> list[Reason]:
            reasons = [
                Reason("against_sizes", round(float(against[row]), 2), self._settings.sizes),
                Reason("pace_along", round(float(pace[row]), 2), -PACE),
            ]
            if np.isfinite(metres[row]):
                way = Reason("against_m", round(float(metres[row]), 1), self._settings.metres)
                reasons.append(way)
            return reasons

        return self._cases.step(subjects(scene, holds), why)

    def _inside(self, scene: Scene, active: Bools) -> Bools:
        if self._zone is None:
            return np.ones(len(scene.id), bool)
        limit = np.where(active, -EDGE * scene.size, 0.0)
        inside: Bools = depth(self._zone, scene.point) >= limit
        return inside

    def _passes(self, scene: Scene) -> Bools:
        """Whether each (n,) has passed the line against its way; a zone does not ask for that."""
        if self._zone is not None:
            return np.ones(len(scene.id), bool)
        against = [
            crossing.track
            for crossing in scene.crossings
            if crossing.line == self._settings.line and crossing.direction != self._settings.way
        ]
        passed = np.union1d(self._passed, np.array(against, np.uint32))
        self._passed = passed[np.isin(passed, scene.id)].astype(np.uint32)
        return np.isin(scene.id, self._passed)

    def _against(self, scene: Scene, inside: Bools) -> tuple[Floats, Floats]:
        """Way (n,) made against the right one since it was farthest along it [own sizes], [m]."""
        along = scene.point @ self._way
        fresh = np.zeros(len(scene.id), _MEMORY)
        fresh["best"] = -np.inf
        now = carry(self._ids, self._memory, scene.id, fresh)
        ahead = (along > now["best"]) | ~inside
        now["best"] = np.where(ahead, along, now["best"])
        now["x"] = np.where(ahead, scene.xy[:, 0], now["x"])
        now["y"] = np.where(ahead, scene.xy[:, 1], now["y"])
        self._ids, self._memory = scene.id, now
        metres = np.hypot(scene.xy[:, 0] - now["x"], scene.xy[:, 1] - now["y"])
        return (now["best"] - along) / scene.size, metres


def direction(line: Line, way: str) -> Floats:
    """Give the unit vector (2,) across a line, from its left to its right for "in".

    >>> direction(Line("road", (0, 5), (9, 5)), "in")
    array([-0.,  1.])
    """
    a, b = np.array(line.a, float), np.array(line.b, float)
    x, y = (b - a) / np.hypot(*(b - a))
    inward = np.array([-y, x])
    return inward if way == "in" else -inward
