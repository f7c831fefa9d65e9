"""Who stands in which zone, and for how long each did."""

from typing import Final, NamedTuple

import numpy as np

from contracts.classes import RoadUser
from edge.vision.counting import HYSTERESIS
from edge.vision.frames import Bools, Bytes, Floats, Ids, Integers

SECOND: Final = 1_000_000  # [µs]


class Zone(NamedTuple):
    """Polygon in the image."""

    id: str
    corners: Floats  # (k, 2) [px]


class Visit(NamedTuple):
    """One stay of one road user in one zone, over by now."""

    zone: str
    track: int
    kind: int  # RoadUser
    entered: int  # [µs]
    left: int  # or last seen there [µs]
    confidence: float


class Occupancy(NamedTuple):
    """How many confirmed road users stand in one zone."""

    zone: str
    captured: int  # [µs]
    by_class: dict[int, int]  # of each class that was ever seen there


def depth(corners: Floats, points: Floats) -> Floats:
    """Distance (n,) [px] of points to the border of a polygon, negative outside it.

    >>> depth(np.array([[0.0, 0], [4, 0], [4, 4], [0, 4]]), np.array([[1.0, 2.0], [7.0, 8.0]]))
    array([ 1., -5.])
    """
    a, b = corners, np.roll(corners, -1, axis=0)
    side, offset = b - a, points[:, None] - a  # (k, 2), (n, k, 2)
    length2 = np.maximum((side**2).sum(axis=1), 1e-12)
    share = np.clip((offset * side).sum(axis=2) / length2, 0.0, 1.0)
    away = np.hypot(*(offset - share[..., None] * side).transpose(2, 0, 1)).min(axis=1)
    spans = (a[:, 1] > points[:, 1:]) != (b[:, 1] > points[:, 1:])
    with np.errstate(invalid="ignore", divide="ignore"):  # level sides span no point
        x = a[:, 0] + (points[:, 1:] - a[:, 1]) * side[:, 0] / side[:, 1]
    inside = np.count_nonzero(spans & (points[:, :1] < x), axis=1) % 2 == 1
    deep: Floats = np.where(inside, away, -away)
    return deep


_MEMORY: Final = np.dtype(
    [
        ("id", np.uint32),
        ("within", bool),  # in the zone, by hysteresis
        ("inner", bool),  # on the inner side of the border at the last position
        ("changed", np.int64),  # when it came to that side [µs]
        ("entered", np.int64),  # [µs]
        ("seen", np.int64),  # [µs]
        ("kind", np.uint8),
        ("score", float),
        ("confirmed", bool),
    ]
)


class _Watch:
    """Memory of one zone: only living tracks are in it.

    The first position says whether a track begins inside. After that it must be `HYSTERESIS` of
    its size beyond the border to have passed it, and is dated by when it came to that side.
    """

    def __init__(self, zone: Zone) -> None:
        self.zone = zone
        self.memory = np.zeros(0, _MEMORY)  # ascending by id
        self._kinds = np.zeros(len(RoadUser), bool)  # ever seen here

    def step(
        self, ids: Ids, seen: Bools, confirmed: Bools, points: Floats, size: Floats,
        kind: Bytes, score: Floats, captured: int,
    ) -> list[Visit]:  # fmt: skip
        """Advance by one frame; gives the visits that ended, believed or not."""
        deep = depth(self.zone.corners, points)
        now = np.zeros(len(ids), _MEMORY)
        now["id"], now["inner"], now["within"] = ids, deep >= 0, deep >= 0
        now["changed"] = now["entered"] = now["seen"] = captured
        _, row, old_row = np.intersect1d(
            ids, self.memory["id"], assume_unique=True, return_indices=True
        )
        old = self.memory[old_row]
        hidden = ~seen[row]
        turned = now["inner"][row] != old["inner"]
        now["changed"][row] = np.where(turned, captured, old["changed"])
        now["within"][row], now["entered"][row] = old["within"], old["entered"]
        now[row[hidden]] = old[hidden]  # a guess of where it is moves nobody
        far = (np.abs(deep[row]) > HYSTERESIS * size[row]) & ~hidden
        passed = far & (now["inner"][row] != old["within"])
        now["within"][row[passed]] ^= True
        came = row[passed & ~old["within"]]
        now["entered"][came] = now["changed"][came]
        now["kind"], now["score"], now["confirmed"] = kind, score, confirmed
        known = np.zeros(len(ids), bool)
        known[row] = True
        gone = self.memory[~np.isin(self.memory["id"], ids)]
        left = row[passed & old["within"]]
        visits = self._visits(now[left], now["changed"][left])
        gone = gone[gone["within"]]
        visits += self._visits(gone, gone["seen"])
        self.memory = now[known | seen]
        return visits

    def _visits(self, stays: np.ndarray, left: Integers) -> list[Visit]:
        return [
            Visit(
                self.zone.id, int(s["id"]), int(s["kind"]), int(s["entered"]), int(end),
                float(s["score"]),
            )
            for s, end in zip(stays, left, strict=True)
        ]  # fmt: skip

    def occupancy(self, captured: int) -> Occupancy:
        """Count who is believed and in the zone."""
        kinds = self.memory["kind"][self.memory["within"] & self.memory["confirmed"]]
        count = np.bincount(kinds, minlength=len(RoadUser))
        self._kinds |= count > 0
        by_class = {int(k): int(count[k]) for k in np.flatnonzero(self._kinds)}
        return Occupancy(self.zone.id, captured, by_class)


class Zones:
    """All zones of one camera; visits of unconfirmed tracks wait for their confirmation."""

    def __init__(self, zones: list[Zone]) -> None:
        self._watches = [_Watch(zone) for zone in zones]
        self._waiting: dict[int, list[Visit]] = {}  # of living unconfirmed tracks only
        self._believed: Ids = np.zeros(0, np.uint32)
        self._second: int | None = None

    def step(
        self, ids: Ids, seen: Bools, confirmed: Bools, points: Floats, size: Floats,
        kind: Bytes, score: Floats, captured: int,
    ) -> tuple[list[Visit], list[Occupancy]]:  # fmt: skip
        """Advance by one frame; arguments are those of `counting.Counter.step`.

        Returns
        -------
        visits
            Of confirmed tracks, that ended with this frame; each once. A track that ends inside
            left when it was last seen.
        occupancy
            One for each zone in the first frame of each second, else none.
        """
        if not self._watches:
            return [], []
        alive = np.concatenate((self._believed, ids[confirmed]))
        believed, living = set(alive.tolist()), set(ids.tolist())
        for watch in self._watches:
            for visit in watch.step(ids, seen, confirmed, points, size, kind, score, captured):
                self._waiting.setdefault(visit.track, []).append(visit)
        visits = [v for track, old in self._waiting.items() if track in believed for v in old]
        self._waiting = {
            t: v for t, v in self._waiting.items() if t in living and t not in believed
        }
        self._believed = ids[confirmed]
        second = captured // SECOND
        due, self._second = second != self._second, second
        return visits, [watch.occupancy(captured) for watch in self._watches] if due else []
