"""Tracks of a window on a common clock, and the queues that they show."""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytics.jobs.inputs import Inputs
from analytics.jobs.parts import part
from analytics.jobs.roads import WANTED
from analytics.kernels.arrays import Bools, Floats, Indices, Times, counts, sums
from analytics.kernels.paths import Smooth, inside, resample, smooth
from analytics.kernels.queue import halted, queues
from analytics.metrics import MOTOR
from contracts.classes import SIZE, RoadUser
from contracts.clock import MICROSECONDS
from contracts.site import Approach
from storage.windows import Part

PERIOD: Final = 100_000
"""Step of the common clock. [us]"""

LONGEST_GAP: Final = MICROSECONDS
"""Between points further apart a track is not known. [us]"""

FIT: Final = 5
"""Samples on either side by which a path is smoothed: a second in all."""

MOVING: Final = 0.5
"""Who is slower stands: his course is noise. [m/s]"""

QUEUE_STEPS: Final = 60
"""A queue is looked at once a second."""


LENGTHS: Final = np.array([SIZE[user][0] for user in RoadUser])
WIDTHS: Final = np.array([SIZE[user][1] for user in RoadUser])
"""Taken where no size was measured. [m]"""


class Tracks(NamedTuple):
    """T tracks at N samples, sorted by (track, step)."""

    device: Indices  # (T,) place among the site's devices
    boot: list[str]  # (T,) UUID in hexadecimal
    number: Indices  # (T,) the boot's own
    road_user: Indices  # (T,) class that most points have
    length: Floats  # (T,) [m]
    width: Floats  # (T,) [m]
    track: Indices  # (N,) in [0, T)
    step: Times  # (N,) moment / PERIOD
    xy: Floats  # (N, 2) [m]
    velocity: Floats  # (N, 2) [m/s]
    sd: Floats  # (N,) of the position [m]
    fitted: Smooth  # the same path without its trembling
    heading: Floats  # (N,) course of the fitted path, as measured where that stands [rad]


def read_tracks(inputs: Inputs) -> Tracks:
    """Join the points of each track; positions that are not known well enough are left out."""
    points = inputs.points
    good = np.isfinite(points["x"]) & np.isfinite(points["y"])
    good &= points["sd"] <= inputs.thresholds.position_sd
    p = {name: column[good] for name, column in points.items()}
    new = np.ones(len(p["track"]), np.bool_)
    new[1:] = np.any([p[n][1:] != p[n][:-1] for n in ("device", "boot", "track")], axis=0)
    first = np.flatnonzero(new)
    track = np.cumsum(new) - 1
    tracks, users = len(first), max(RoadUser) + 1
    user = np.clip(p["class"], 0, users - 1).astype(np.int64)
    votes = counts(track * users + user, tracks * users).reshape(tracks, users)
    road_user = votes.argmax(axis=1)
    heading = p["heading"].astype(float)
    values = np.column_stack(
        [p[n].astype(float) for n in ("x", "y", "vx", "vy", "sd")]
        + [np.cos(heading), np.sin(heading)]
    )
    samples = resample(track, p["captured"], values, period=PERIOD, longest_gap=LONGEST_GAP)
    xy = samples.values[:, :2]
    fitted = smooth(samples, xy, half=FIT, period=PERIOD / MICROSECONDS)
    measured = np.arctan2(samples.values[:, 6], samples.values[:, 5])
    vx, vy = fitted.velocity.T
    course = np.where(np.hypot(vx, vy) >= MOVING, np.arctan2(vy, vx), measured)
    return Tracks(
        device=p["device"][first].astype(np.int64),
        boot=[value.tobytes().hex() for value in p["boot"][first]],
        number=p["track"][first],
        road_user=road_user,
        length=_mean_size(track, p["length"], LENGTHS[road_user]),
        width=_mean_size(track, p["width"], WIDTHS[road_user]),
        track=samples.track,
        step=samples.step,
        xy=xy,
        velocity=samples.values[:, 2:4],
        sd=samples.values[:, 4],
        fitted=fitted,
        heading=course,
    )


def _mean_size(track: Indices, size: NDArray[Any], usual: Floats) -> Floats:
    """Mean of the sizes measured of each track, the class's usual one where none was."""
    known = np.isfinite(size) & (size > 0)
    number = counts(track[known], len(usual))
    total = sums(track[known], size[known].astype(float), len(usual))
    return np.where(number > 0, total / np.maximum(number, 1), usual)


def queue_parts(inputs: Inputs, tracks: Tracks) -> Iterator[Part]:
    """Vehicles in the longest jam of each approach, and its length, second by second.

    An approach is seen by the first device that counts on it; one that none looks at has no row.
    """
    speed = np.hypot(*tracks.velocity.T)
    standing = halted(
        tracks.track,
        tracks.step,
        speed,
        period=PERIOD / MICROSECONDS,
        slowest=inputs.thresholds.halt_speed,
        least=inputs.thresholds.halt_time,
    )
    each_second = MICROSECONDS // PERIOD
    first = inputs.begin // PERIOD
    motor = np.isin(tracks.road_user, [*MOTOR, RoadUser.TRAM, RoadUser.UNKNOWN])
    now = (tracks.step >= first) & (tracks.step < inputs.end // PERIOD)
    looked = standing & now & (tracks.step % each_second == 0) & motor[tracks.track]
    for approach in inputs.site.approaches:
        seeing = sorted({x.device for x in inputs.site.lines if x.approach == approach.id})
        observed = inputs.camera_observed(seeing[0]) if seeing else 0.0
        if observed > 0:
            own = looked & (tracks.device[tracks.track] == inputs.names.index(seeing[0]))
            yield from _queue(approach, tracks, own, (observed, WANTED), first // each_second)


def _queue(
    approach: Approach, tracks: Tracks, rows: Bools, coverage: tuple[float, float], first: int
) -> Iterator[Part]:
    here = np.flatnonzero(rows)
    here = here[inside(tracks.xy[here], np.array(approach.area))]
    found = queues(
        np.zeros(len(here), np.int64),
        tracks.step[here] // (MICROSECONDS // PERIOD) - first,
        _upstream(approach, tracks.xy[here]),
        tracks.length[tracks.track[here]],
        approaches=1,
        steps=QUEUE_STEPS,
    )
    # Seconds in which the camera did not look are not seconds without a queue.
    seconds = round(coverage[0])
    for metric, values in (("queue", found.vehicles[0]), ("queue_length", found.length[0])):
        yield part(
            metric,
            approach.id,
            seconds,
            total=values.sum(),
            squares=(values.astype(float) ** 2).sum(),
            peak=float(values.max()),
            coverage=coverage,
        )


def _upstream(approach: Approach, xy: Floats) -> Floats:
    """Distance [m] of points from the stop line, against the direction of travel."""
    a, b = np.array(approach.stop_line)
    across = np.array([b[1] - a[1], a[0] - b[0]]) / np.hypot(*(b - a))
    if (np.mean(approach.area, axis=0) - a) @ across < 0:
        across = -across
    return np.asarray((xy - a) @ across)
