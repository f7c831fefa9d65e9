"""Flow and speed at count lines."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from analytics.jobs.inputs import Inputs
from analytics.jobs.parts import ALL, part
from analytics.kernels.arrays import Indices, counts
from analytics.kernels.traffic import speed_parts
from analytics.metrics import KM_H, SPEED_EDGES
from contracts.classes import RoadUser
from contracts.events import CROSSING
from storage.windows import Part

WANTED: Final = 60.0
"""[s]"""

USERS: Final = (*RoadUser, ALL)
DIRECTIONS: Final = (1, -1)


def road_parts(inputs: Inputs) -> Iterator[Part]:
    """Flow and speed by line, direction and class, and of all classes.

    A line whose camera works has its rows even when nobody passes: that is zero. One whose camera
    does not work, and where nobody was seen, has none: that is missing.
    """
    lines = inputs.site.lines
    shape = (len(lines), len(DIRECTIONS), len(USERS))
    row, line = passages(inputs)
    direction = inputs.events["direction"][row]
    passed = np.isin(direction, DIRECTIONS)
    row, line, way = row[passed], line[passed], np.where(direction[passed] == 1, 0, 1)
    user = np.clip(inputs.events["class"][row], 0, max(RoadUser)).astype(np.int64)
    speed = inputs.events["value"][row]
    # Each passage counts for its class and for all classes.
    cell = np.concatenate(
        [
            np.ravel_multi_index((line, way, u), shape)
            for u in (user, np.full_like(user, len(RoadUser)))
        ]
    )
    cells = int(np.prod(shape))
    flow = counts(cell, cells)
    speeds = speed_parts(cell, np.tile(speed, 2), cells, bin_width=KM_H, bins=len(SPEED_EDGES) - 1)
    for k in range(cells):
        at, way_, user_ = np.unravel_index(k, shape)
        coverage = (inputs.camera_observed(lines[at].device), WANTED)
        known = USERS[user_] == ALL and coverage[0] > 0
        where = {
            "of": lines[at].id,
            "direction": DIRECTIONS[way_],
            "road_user": USERS[user_],
            "coverage": coverage,
        }
        if flow[k] or known:
            yield part("flow", n=flow[k], **where)
        if speeds.n[k] or known:
            yield part(
                "speed",
                n=speeds.n[k],
                total=speeds.total[k],
                squares=speeds.squares[k],
                inverse=speeds.inverse[k],
                peak=speeds.peak[k],
                histogram=speeds.histogram[k],
                **where,
            )


def passages(inputs: Inputs) -> tuple[Indices, Indices]:
    """Rows of events at which a line of the plan was passed, each seen by its own device.

    Returns
    -------
    (N,) int, (N,) int
        Row among the events, and which line of the plan.
    """
    rows, which = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    crossed = inputs.events["kind"] == CROSSING
    for k, line in enumerate(inputs.site.lines):
        if line.device in inputs.names:
            own = crossed & (inputs.events["device"] == inputs.names.index(line.device))
            found = np.flatnonzero(own & (inputs.events["object"] == line.id))
            rows.append(found)
            which.append(np.full(len(found), k))
    return np.concatenate(rows), np.concatenate(which)
