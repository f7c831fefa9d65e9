"""From an overview to the numbers of the charts."""

from collections import defaultdict
from datetime import datetime, timedelta
from typing import Final, Literal, NamedTuple

import numpy as np

from analytics.derived import derive
from analytics.metrics import METRICS
from api.console.overview import SPAN, Overview
from api.console.plan import counted_lines, group_of
from contracts.classes import RoadUser
from storage.metrics import MetricRow

GROUPS: Final = ("vehicles", "cyclists", "pedestrians")
BIN: Final = 5  # [km/h] of the chart; what is stored has 1
RECENT: Final = timedelta(minutes=15)
State = Literal["ok", "insufficient", "missing"]


class Minute(NamedTuple):
    """One bar of the flow chart."""

    start: datetime
    state: State
    running: bool
    counts: dict[str, int]


class Speeds(NamedTuple):
    """Speeds of vehicles; bins of 5 km/h from 0."""

    n: int
    bins: list[int]
    v85: float | None  # [km/h]
    within: float | None


def minutes(overview: Overview) -> list[Minute]:
    """Count each minute of the span; a minute without a window is missing, not zero."""
    lines = counted_lines(overview.site)
    rows: dict[datetime, list[MetricRow]] = defaultdict(list)
    for row in overview.metrics:
        if row.metric == "flow":
            rows[row.start].append(row)
    found = []
    for offset in range(int(SPAN / timedelta(minutes=1)), 0, -1):
        start = overview.at - timedelta(minutes=offset)
        counts = dict.fromkeys(GROUPS, 0)
        for row in rows[start]:
            group = _group(row.road_user)
            if group is not None and row.part in lines[group]:
                counts[group] += row.n
        running = any(row.provisional for row in rows[start])
        found.append(Minute(start, _state(rows[start], running=running), running, counts))
    return found


def line_flows(overview: Overview) -> dict[tuple[str, int], float | None]:
    """Road users per hour by line and direction, last quarter of an hour; None: not measured."""
    since = overview.at - RECENT
    n: dict[tuple[str, int], int] = defaultdict(int)
    observed: dict[tuple[str, int], dict[datetime, float]] = defaultdict(dict)
    for row in overview.metrics:
        if row.metric == "flow" and row.start >= since and row.direction:
            key = (row.part, row.direction)
            n[key] += row.n if row.road_user >= 0 else 0
            observed[key][row.start] = max(observed[key].get(row.start, 0.0), row.observed)
    seconds = {
        (line.id, direction): sum(observed[line.id, direction].values())
        for line in overview.site.lines
        for direction in (1, -1)
    }
    return {key: n[key] * 3600 / long if long > 0 else None for key, long in seconds.items()}


def speeds(overview: Overview) -> Speeds:
    """Histogram of the vehicles' speeds over the whole span."""
    rows = [
        row
        for row in overview.metrics
        if row.metric == "speed" and _group(row.road_user) == "vehicles" and row.histogram
    ]
    if not rows:
        return Speeds(0, [], None, None)
    width = max(len(row.histogram or ()) for row in rows)
    histogram = np.zeros(-(-width // BIN) * BIN, int)
    for row in rows:
        histogram[: len(row.histogram or ())] += row.histogram
    merged = rows[0]._replace(
        n=sum(row.n for row in rows),
        total=sum(row.total for row in rows),
        squares=sum(row.squares for row in rows),
        inverse=sum(row.inverse for row in rows),
        histogram=histogram.tolist(),
        observed=sum(row.observed for row in rows),
        wanted=sum(row.wanted for row in rows),
    )
    derived = derive(merged, speed_limit=overview.site.speed_limit_km_h / 3.6)
    bins = histogram.reshape(-1, BIN).sum(axis=1).tolist()
    return Speeds(merged.n, bins, derived.get("v85_km_h"), derived.get("within_limit"))


def _group(number: int) -> str | None:
    """Group of a class; None for "all", which would count everybody twice."""
    return group_of(RoadUser(number)) if number >= 0 else None


def _state(rows: list[MetricRow], *, running: bool) -> State:
    observed = sum(row.observed for row in rows)
    wanted = sum(row.wanted for row in rows)
    if observed <= 0:
        return "missing"
    enough = running or observed >= METRICS["flow"].minimum_coverage * wanted
    return "ok" if enough else "insufficient"
