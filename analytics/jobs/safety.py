"""Conflicts and encounters among the road users that one camera saw."""

from collections.abc import Iterator
from itertools import product
from typing import Final, NamedTuple

import numpy as np

from analytics.jobs.inputs import Inputs
from analytics.jobs.parts import part
from analytics.jobs.roads import WANTED
from analytics.jobs.tracks import MOVING, PERIOD, Tracks
from analytics.kernels.arrays import Bools, Floats, Indices, Times
from analytics.kernels.boxes import Boxes, time_to_collision
from analytics.kernels.conflicts import (
    Episodes,
    Kind,
    Severity,
    conflict_kind,
    delta_v,
    episodes,
    near_pairs,
    severity,
)
from analytics.kernels.encroachment import (
    Encroachments,
    Paths,
    crossing_candidates,
    encroachments,
)
from analytics.metrics import Thresholds
from contracts.classes import MASS, VULNERABLE, RoadUser
from contracts.clock import MICROSECONDS
from storage.windows import Part

GAP: Final = 2 * MICROSECONDS
"""A pair that was not near for so long meets anew. [us]"""

SPAN: Final = 5 * MICROSECONDS
"""How near it gets is sought for so long after the begin; a TTC and a PET of one pair that lie no
further apart are one conflict. [us]"""

FAR: Final = 60.0
"""Centres further apart are no candidates for a conflict: 30 m/s towards each other, 2 s. [m]"""

KINDS: Final = {
    Kind.REAR_END: "rear-end",
    Kind.LANE_CHANGE: "lane-change",
    Kind.CROSSING: "crossing",
}
SEVERITIES: Final = {Severity.SEVERE: "severe", Severity.SLIGHT: "slight"}
WHO: Final = {True: "vru", False: "vehicle"}


class Conflicts(NamedTuple):
    """C conflicts that begin within the minute, each once, sorted by (begin, a, b)."""

    a: Indices  # (C,) track, the smaller
    b: Indices  # (C,) track
    begin: Times  # (C,) [us]
    kind: Indices  # (C,) Kind
    severity: Indices  # (C,) Severity
    vru: Bools  # (C,) either is a vulnerable road user
    ttc: Floats  # (C,) smallest [s], inf: none
    pet: Floats  # (C,) [s], nan: none
    delta_v: Floats  # (C,) of the one whom it would change more [m/s]
    xy: Floats  # (C, 2) between the two [m]


class Meetings(NamedTuple):
    """What one minute holds; an encounter is a pair that came near in space or in time."""

    conflicts: Conflicts
    encounters_vru: int
    encounters_vehicle: int


class _Near(NamedTuple):
    """Moments at which a pair is near in time or in space: P pairs of samples."""

    i: Indices  # (P,) sample of the track with the smaller number
    j: Indices  # (P,)
    pair: Indices  # (P,) smaller track * T + larger track


def meetings(inputs: Inputs, tracks: Tracks) -> Meetings:
    """Find conflicts and encounters that begin within the minute.

    Tracks of two cameras are never paired: both may be of the same person. Nor are two pedestrians.
    """
    boxes = _boxes(tracks)
    limits = inputs.thresholds
    near = _near(tracks, limits.conflict_sd)
    distance = np.hypot(boxes.x[near.i] - boxes.x[near.j], boxes.y[near.i] - boxes.y[near.j])
    close = distance <= limits.encounter_distance
    met = _episodes(tracks, near, distance, close)
    ttc = time_to_collision(boxes.take(near.i), boxes.take(near.j))
    fast = _relative_speed(boxes, near.i, near.j) >= limits.conflict_speed
    # Boxes that overlap are badly measured: who collides was about to collide a moment before.
    approached = _episodes(tracks, near, ttc, (ttc > 0) & (ttc < limits.slight_ttc) & fast)
    lasting = approached.number * (PERIOD / MICROSECONDS) >= limits.conflict_time - 1e-9
    approached = Episodes._make(column[lasting] for column in approached)
    crossed = _crossed(tracks, boxes, limits)
    found = _join(inputs, tracks, boxes, near, ttc, approached, crossed)
    begun = met.pair[(met.begin >= inputs.begin) & (met.begin < inputs.end)]
    # Who came near in time only, faster than they came near in space, met as well.
    pair = found.a * len(tracks.device) + found.b
    apart = pair[~_were_close(tracks, near, close, pair, found.begin)]
    begun = np.concatenate((begun, apart))
    vru = _vulnerable(tracks, begun // len(tracks.device), begun % len(tracks.device))
    return Meetings(found, int(np.count_nonzero(vru)), int(np.count_nonzero(~vru)))


def safety_parts(inputs: Inputs, found: Meetings) -> Iterator[Part]:
    """Count conflicts by severity, type and who, and encounters by who."""
    cameras = sorted({camera.device for camera in inputs.site.cameras})
    observed = sum(inputs.camera_observed(device) for device in cameras)
    if observed == 0:
        return
    coverage = (observed, WANTED * len(cameras))
    conflicts = found.conflicts
    for (grade, severe), (kind, name), (vru, who) in product(
        SEVERITIES.items(), KINDS.items(), WHO.items()
    ):
        own = (conflicts.severity == grade) & (conflicts.kind == kind) & (conflicts.vru == vru)
        hard = conflicts.delta_v[own]
        yield part(
            "conflicts",
            f"{severe}/{name}/{who}",
            len(hard),
            total=hard.sum(),
            squares=(hard**2).sum(),
            peak=hard.max() if len(hard) else np.nan,
            coverage=coverage,
        )
    yield part("encounters", WHO[True], found.encounters_vru, coverage=coverage)
    yield part("encounters", WHO[False], found.encounters_vehicle, coverage=coverage)


def _boxes(tracks: Tracks) -> Boxes:
    return Boxes(
        tracks.fitted.xy[:, 0],
        tracks.fitted.xy[:, 1],
        tracks.fitted.velocity[:, 0],
        tracks.fitted.velocity[:, 1],
        tracks.heading,
        tracks.length[tracks.track],
        tracks.width[tracks.track],
    )


def _usable(tracks: Tracks, worst_sd: float) -> Indices:
    """Find the samples whose path and direction are known well enough.

    What nothing could name is left out: mostly a part of somebody else.
    """
    usable = tracks.fitted.whole & np.isfinite(tracks.heading) & (tracks.sd <= worst_sd)
    usable &= tracks.road_user[tracks.track] != RoadUser.UNKNOWN
    return np.flatnonzero(usable)


def _near(tracks: Tracks, worst_sd: float) -> _Near:
    """Pairs of one device's samples of one moment that may meet."""
    rows = _usable(tracks, worst_sd)
    track = tracks.track[rows]
    devices = int(tracks.device.max(initial=0)) + 1
    moment = tracks.step[rows] * devices + tracks.device[track]
    pairs = near_pairs(moment, tracks.fitted.xy[rows], FAR)
    walks = tracks.road_user[track] == RoadUser.PEDESTRIAN
    wanted = ~(walks[pairs.i] & walks[pairs.j])
    i, j = rows[pairs.i[wanted]], rows[pairs.j[wanted]]  # rows are sorted by track, and i < j
    return _Near(i, j, tracks.track[i] * len(tracks.device) + tracks.track[j])


def _episodes(tracks: Tracks, near: _Near, value: Floats, holds: Bools) -> Episodes:
    rows = np.flatnonzero(holds)
    time = tracks.step[near.i[rows]] * PERIOD
    found = episodes(near.pair[rows], time, value[rows], gap=GAP, span=SPAN)
    return found._replace(row=rows[found.row])


def _were_close(tracks: Tracks, near: _Near, close: Bools, pair: Indices, time: Times) -> Bools:
    """Which pairs were near in space around a moment."""
    if len(pair) == 0:
        return np.zeros(0, np.bool_)
    # Moments of one pair are further from those of the next than is looked for.
    first = int(tracks.step.min())
    width = int(tracks.step.max()) - first + 1 + 2 * SPAN // PERIOD
    keys = np.sort(near.pair[close] * width + tracks.step[near.i[close]] - first)
    at = pair * width + time // PERIOD - first
    after = np.searchsorted(keys, at - SPAN // PERIOD)
    before = np.searchsorted(keys, at + SPAN // PERIOD, side="right")
    return np.asarray(before > after)


def _crossed(tracks: Tracks, boxes: Boxes, limits: Thresholds) -> Encroachments:
    """Paths that crossed one soon after the other, of one device, not two pedestrians."""
    rows = _usable(tracks, limits.conflict_sd)
    track, step, path = tracks.track[rows], tracks.step[rows], boxes.take(rows)
    moved = np.zeros((len(rows), 2))
    goes_on = (np.diff(track) == 0) & (np.diff(step) == 1)
    between = np.diff(np.column_stack((path.x, path.y)), axis=0)[goes_on]
    moved[:-1][goes_on] = between * (MICROSECONDS / PERIOD)
    paths = Paths(track, step, path._replace(vx=moved[:, 0], vy=moved[:, 1]))
    horizon = round(limits.slight_pet * MICROSECONDS / PERIOD)
    pairs = crossing_candidates(paths, horizon=horizon)
    a, b = pairs.T
    walks = tracks.road_user == RoadUser.PEDESTRIAN
    pairs = pairs[(tracks.device[a] == tracks.device[b]) & ~(walks[a] & walks[b])]
    found = encroachments(paths, pairs, period=PERIOD)
    found = found._replace(row=rows[found.row], first_row=rows[found.first_row])
    speed = np.hypot(boxes.vx, boxes.vy)
    counts_as = (
        (found.pet < limits.slight_pet)
        & (found.pet >= limits.least_pet)
        & (_relative_speed(boxes, found.row, found.first_row) >= limits.conflict_speed)
        & (np.minimum(speed[found.row], speed[found.first_row]) >= MOVING)
    )
    return Encroachments._make(column[counts_as] for column in found)


def _join(
    inputs: Inputs,
    tracks: Tracks,
    boxes: Boxes,
    near: _Near,
    ttc: Floats,
    approached: Episodes,
    crossed: Encroachments,
) -> Conflicts:
    """Make one conflict of a pair's TTC and PET that belong together, and keep the minute's."""
    limits, number = inputs.thresholds, len(tracks.device)
    low, high = np.minimum(crossed.first, crossed.second), np.maximum(crossed.first, crossed.second)
    crossed_pair = low * number + high
    same = approached.pair[:, None] == crossed_pair
    same &= np.abs(approached.begin[:, None] - crossed.time) <= SPAN
    alone = ~same.any(axis=0)
    least = np.where(same, crossed.pet, np.inf).min(axis=1, initial=np.inf)
    pet = np.where(np.isfinite(least), least, np.nan)
    # Samples at which each is looked at: nearest in time, or entering after the other had left.
    i = np.concatenate((near.i[approached.row], crossed.row[alone]))
    j = np.concatenate((near.j[approached.row], crossed.first_row[alone]))
    pair = np.concatenate((approached.pair, crossed_pair[alone]))
    begin = np.concatenate((approached.begin, crossed.time[alone]))
    smallest = np.concatenate((ttc[approached.row], np.full(np.count_nonzero(alone), np.inf)))
    pet = np.concatenate((pet, crossed.pet[alone]))
    grade = np.maximum(
        severity(smallest, severe=limits.severe_ttc, slight=limits.slight_ttc),
        severity(pet, severe=limits.severe_pet, slight=limits.slight_pet),
    )
    a, b = pair // number, pair % number
    mass = np.array([MASS[RoadUser(user)] for user in tracks.road_user])
    relative = _relative_speed(boxes, i, j)
    hardest = delta_v(relative, np.minimum(mass[a], mass[b]), np.maximum(mass[a], mass[b]))
    fitted = tracks.fitted.xy
    columns = (
        a, b, begin, conflict_kind(tracks.heading[i], tracks.heading[j]), grade,
        _vulnerable(tracks, a, b), smallest, pet, hardest, (fitted[i] + fitted[j]) / 2,
    )  # fmt: skip
    now = np.flatnonzero((begin >= inputs.begin) & (begin < inputs.end))
    order = now[np.lexsort((b[now], a[now], begin[now]))]
    return Conflicts._make(column[order] for column in columns)


def _relative_speed(boxes: Boxes, i: Indices, j: Indices) -> Floats:
    return np.asarray(np.hypot(boxes.vx[i] - boxes.vx[j], boxes.vy[i] - boxes.vy[j]))


def _vulnerable(tracks: Tracks, a: Indices, b: Indices) -> Bools:
    weak = np.isin(tracks.road_user, list(VULNERABLE))
    return np.asarray(weak[a] | weak[b])
