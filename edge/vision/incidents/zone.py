"""What happens to a zone as a whole: pedestrians on a carriageway, a queue that spills back."""

from typing import Final

import numpy as np

from contracts.classes import RoadUser
from contracts.events import PEDESTRIAN, QUEUE_SPILL_BACK
from contracts.incidents import MOST_TRACKS, EvidenceTrack, Reason
from edge.vision.counting import Line
from edge.vision.frames import Bools, Floats, Ids, Integers
from edge.vision.incidents.cases import Cases, Incident, one_subject, subjects
from edge.vision.incidents.machine import carry
from edge.vision.incidents.scene import Scene
from edge.vision.incidents.settings import PedestrianSettings, QueueSettings
from edge.vision.zones import depth

EDGE: Final = 0.2
"""Distance beyond a border up to which who was on one side still is. [own sizes]"""


class Pedestrians:
    """Pedestrians on one carriageway; those who are there together are one incident."""

    def __init__(self, settings: PedestrianSettings, zones: dict[str, Floats]) -> None:
        self._settings = settings
        self._zone = zones[settings.zone]
        self._crossings = [zones[id_] for id_ in settings.crossings]
        self._cases = Cases(PEDESTRIAN, settings.zone, settings.timing, one=True)

    def step(self, scene: Scene) -> list[Incident]:
        """Advance by one frame."""
        scene = scene.pick(scene.kind == RoadUser.PEDESTRIAN)
        edge = np.where(self._cases.active(scene.id), -EDGE, EDGE) * scene.size
        deep = depth(self._zone, scene.point)
        away = np.full(len(scene.id), np.inf)  # from the next crossing [px]
        for corners in self._crossings:
            away = np.minimum(away, -depth(corners, scene.point))
        holds = (deep >= edge) & (away >= edge)

        def why(row: int) -> list[Reason]:
            reasons = [Reason("inside_px", round(float(deep[row]), 1), float(edge[row]))]
            if np.isfinite(away[row]):
                off = Reason("off_crossing_px", round(float(away[row]), 1), float(edge[row]))
                reasons.append(off)
            return reasons

        return self._cases.step(subjects(scene, holds), why)


class Queue:
    """A queue in one zone that reaches the line where vehicles come in."""

    def __init__(
        self, settings: QueueSettings, zones: dict[str, Floats], lines: dict[str, Line]
    ) -> None:
        self._settings = settings
        self._zone = zones[settings.zone]
        line = lines[settings.upstream]
        self._a, self._b = np.array(line.a, float), np.array(line.b, float)
        timing = settings.timing._replace(lapse=max(1.0, settings.clear_s))
        self._cases = Cases(QUEUE_SPILL_BACK, settings.zone, timing, one=True)
        self._ids: Ids = np.zeros(0, np.uint32)
        self._since: Integers = np.zeros(0, np.int64)  # when each joined the queue [µs], -1: not

    def step(self, scene: Scene) -> list[Incident]:
        """Advance by one frame."""
        limits = self._settings
        scene = scene.pick(scene.kind != RoadUser.PEDESTRIAN)
        active = bool(self._cases.active(np.zeros(1, np.uint32))[0])
        patient = 2.0 if active else 1.0  # a queue that creeps is still there
        inside = depth(self._zone, scene.point) >= -EDGE * scene.size
        queued = inside & (scene.pace < limits.pace * patient)
        away = self._away(scene.point) / scene.size
        least = float(away[queued].min(initial=np.inf))
        number = int(queued.sum())
        holds = number >= limits.vehicles and least <= limits.reach * patient
        self._join(scene, queued)
        score = float(scene.score[queued].mean()) if number else 0.0

        def why(_: int) -> list[Reason]:
            return [
                Reason("queued", float(number), float(limits.vehicles)),
                Reason("to_line_sizes", round(least, 2), limits.reach),
                Reason("pace", round(float(scene.pace[queued].max()), 3), limits.pace),
            ]

        told = self._cases.step(one_subject(scene.captured, holds=holds, score=score), why)
        return [self._with_tracks(incident, scene, away) for incident in told]

    def _join(self, scene: Scene, queued: Bools) -> None:
        empty = np.full(len(scene.id), -1, np.int64)
        since = carry(self._ids, self._since, scene.id, empty)
        begun = np.where(since >= 0, since, scene.captured)
        self._ids, self._since = scene.id, np.where(queued, begun, -1)

    def _with_tracks(self, incident: Incident, scene: Scene, away: Floats) -> Incident:
        """Name who is in the queue now, the one nearest to the line first."""
        rows = np.flatnonzero(self._since >= 0)
        rows = rows[np.argsort(away[rows], kind="stable")][:MOST_TRACKS]
        tracks = [
            EvidenceTrack(int(scene.id[k]), int(scene.kind[k]), int(self._since[k]), scene.captured)
            for k in rows
        ]
        if not tracks:
            return incident._replace(tracks=[])
        xy = scene.xy[rows[0]]
        return incident._replace(
            tracks=tracks,
            track=tracks[0].track,
            cls=tracks[0].cls,
            at=(float(xy[0]), float(xy[1])) if np.isfinite(xy).all() else None,
        )

    def _away(self, points: Floats) -> Floats:
        """Distance (n,) of points to the line [px]."""
        along = self._b - self._a
        share = np.clip((points - self._a) @ along / (along @ along), 0.0, 1.0)
        distance: Floats = np.hypot(*(points - self._a - share[:, None] * along).T)
        return distance
