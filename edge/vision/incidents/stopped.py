"""Stopped vehicles: on the carriageway, not in a queue, not parked."""

from typing import Final

import numpy as np

from contracts.classes import RoadUser
from contracts.events import STOPPED_VEHICLE
from contracts.incidents import Reason
from edge.vision.boxes import gap, iou
from edge.vision.frames import Bools, Boxes, Floats, Ids, Integers
from edge.vision.incidents.cases import Cases, Incident, subjects
from edge.vision.incidents.machine import carry
from edge.vision.incidents.scene import Scene
from edge.vision.incidents.settings import StoppedSettings
from edge.vision.zones import depth

ARRIVED: Final = 1.0
"""Way from where it was first seen, from which a vehicle has come by itself. Who stood there before
anybody looked may stand there for days. [own sizes]"""
TREMBLE: Final = 2.0
"""Who stands may seem to move by so many times the pace, and still stands."""
EDGE: Final = 0.2
"""Distance beyond a zone's border up to which who was in it still is. [own sizes]"""
SAME: Final = 0.4
"""Overlap from which two places are one."""
MOST_PLACES: Final = 50  # full: the one where a vehicle was parked longest ago goes
_MEMORY: Final = np.dtype(
    [
        ("since", np.int64),  # when it came to stand [µs], -1: it does not
        ("arrived", bool),  # it came by itself
        ("noted", bool),  # as parked, in this stay
    ]
)


class Places:
    """Where vehicles were parked: boxes, and how many times."""

    def __init__(self) -> None:
        self._boxes = np.zeros((0, 4))
        self._times = np.zeros(0, np.int64)

    def add(self, box: Boxes) -> None:
        """Note that a vehicle was parked in a box (1, 4) [px]."""
        alike = iou(box, self._boxes)[0]
        times = 1
        if len(alike) and alike.max() > SAME:
            row = int(alike.argmax())
            times += int(self._times[row])
            self._boxes = np.delete(self._boxes, row, axis=0)
            self._times = np.delete(self._times, row)
        self._boxes = np.vstack((self._boxes, box))[-MOST_PLACES:]
        self._times = np.append(self._times, times)[-MOST_PLACES:]

    def known(self, boxes: Boxes, times: int) -> Bools:
        """Whether each box (n, 4) is where vehicles were parked that many times."""
        often = self._boxes[self._times >= times]
        found: Bools = iou(boxes, often).max(axis=1, initial=0.0) > SAME
        return found


class Stopped:
    """Vehicles that stand in one zone."""

    def __init__(self, settings: StoppedSettings, zones: dict[str, Floats]) -> None:
        self._settings = settings
        # a vehicle that passes in front hides one that stands: that is no departure
        timing = settings.timing._replace(lapse=max(settings.clear_s, 1.0))
        self._cases = Cases(STOPPED_VEHICLE, settings.zone, timing, stays=True)
        self._zone, self._parking = zones[settings.zone], [zones[id_] for id_ in settings.parking]
        self._places = Places()
        self._ids: Ids = np.zeros(0, np.uint32)
        self._memory = np.zeros(0, _MEMORY)

    def step(self, scene: Scene) -> list[Incident]:
        """Advance by one frame."""
        limits = self._settings
        scene = scene.pick(scene.kind != RoadUser.PEDESTRIAN)
        adopted = self._cases.adopt(scene.id, scene.box, scene.captured)
        active = self._cases.active(scene.id)
        pace = scene.pace
        stands = pace < limits.pace * np.where(active, TREMBLE, 1.0)
        since = self._remember(scene, stands, adopted)
        stood = np.where(since >= 0, (scene.captured - since) / 1e6, 0.0)
        queued = self._queued(scene, pace < limits.pace * TREMBLE)
        explained = (queued > 0) & (stood < limits.queue_s)
        inside = depth(self._zone, scene.point) >= np.where(active, -EDGE * scene.size, 0.0)
        parked = self._parked(scene) & ~active
        holds = stands & inside & self._memory["arrived"] & ~parked & (~explained | active)

        def why(row: int) -> list[Reason]:
            return [
                Reason("stands_s", round(float(stood[row]), 2), limits.after_s),
                Reason("pace", round(float(pace[row]), 3), limits.pace),
                Reason("neighbours", float(queued[row]), 0.0),
                Reason("moved_sizes", round(float(scene.moved[row]), 2), ARRIVED),
            ]

        return self._cases.step(subjects(scene, holds), why)

    def _remember(self, scene: Scene, stands: Bools, adopted: Ids) -> Integers:
        """Since when each stands [µs], -1 if it does not; who came, and who parked, is noted."""
        now = carry(self._ids, self._memory, scene.id, np.zeros(len(scene.id), _MEMORY))
        new = ~np.isin(scene.id, self._ids)
        now["since"][new] = -1
        since = np.where(now["since"] >= 0, now["since"], scene.captured)
        now["since"] = np.where(scene.seen, np.where(stands, since, -1), now["since"])
        now["arrived"] |= (scene.moved >= ARRIVED) | np.isin(scene.id, adopted)
        stood = scene.captured - now["since"]
        parked = (now["since"] >= 0) & (stood >= self._settings.parked_s * 1e6)
        for row in np.flatnonzero(parked & ~now["noted"]):
            self._places.add(scene.box[row : row + 1])
        now["noted"] = parked  # once for each stay
        self._ids, self._memory = scene.id, now
        return np.asarray(now["since"], np.int64)

    def _queued(self, scene: Scene, slow: Bools) -> Integers:
        """With how many (n,) that stand or creep each stands together."""
        apart = gap(scene.box, scene.box) / scene.size[:, None]
        np.fill_diagonal(apart, np.inf)
        near: Integers = ((apart < self._settings.queue_gap) & slow[None, :]).sum(axis=1)
        return near

    def _parked(self, scene: Scene) -> Bools:
        """Whether each (n,) stands where it may, or where others were parked before."""
        found = self._places.known(scene.box, self._settings.parked_twice)
        for corners in self._parking:
            found |= depth(corners, scene.point) >= 0
        return found
