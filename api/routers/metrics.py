"""Metrics: what was measured per minute or hour, zero, missing and insufficient told apart."""

from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import Annotated, Final, Literal, NamedTuple

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, Field

from analytics.derived import derive
from analytics.kernels.intervals import poisson_rate, wilson
from analytics.metrics import METRICS
from api.dependencies import Connection, Now, Simulated, Site
from api.errors import BadPeriodError
from api.frames import DIRECTIONS, NAMES
from api.paging import Cursor, Limit, Page, page, read_cursor
from contracts.classes import RoadUser
from storage.metrics import MetricCursor, MetricRow, list_metrics
from storage.overview import list_gaps

router = APIRouter(prefix="/v1/metrics", tags=["metrics"])

LONGEST: Final = {"minute": timedelta(days=31), "hour": timedelta(days=366)}
LENGTH: Final = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1)}
Level = Literal["minute", "hour"]
State = Literal["ok", "insufficient", "missing"]
ClassName = Literal[
    "all",
    "unknown",
    "pedestrian",
    "bicycle",
    "scooter",
    "motorcycle",
    "car",
    "van",
    "truck",
    "bus",
    "tram",
]
From = Annotated[AwareDatetime, Query(alias="from", examples=["2026-05-04T07:00:00Z"])]
To = Annotated[AwareDatetime, Query(examples=["2026-05-04T08:00:00Z"])]


class _Key(NamedTuple):
    start: datetime
    metric: str
    part: str
    direction: int
    road_user: int


class Limits(BaseModel):
    """95 % interval."""

    low: float
    high: float


class Bucket(BaseModel):
    """One metric of one part of a site in one minute or hour; units are in the names."""

    start: AwareDatetime
    end: AwareDatetime
    metric: str = Field(examples=["flow"])
    part: str = Field(examples=["south-in"], description="line, approach or device; '' the site")
    direction: Literal["in", "out", "none"]
    road_user: str = Field(serialization_alias="class", examples=["car"])
    state: State = Field(
        description="ok: a number, which may be zero; insufficient: too little was seen to state "
        "one; missing: nobody looked"
    )
    n: int
    values: dict[str, float | None] = Field(examples=[{"flow_veh_h": 240.0}])
    intervals: dict[str, Limits]
    coverage: float = Field(description="observed / wanted time")
    minimum_coverage: float
    peak: float | None
    minutes: int = Field(description="windows merged")
    provisional: bool


class Gap(BaseModel):
    """Half-open period of which no window was ever computed: nothing was heard of the site."""

    start: AwareDatetime
    end: AwareDatetime


class MetricPage(Page[Bucket]):
    """Buckets by start, metric, part, direction, class; those of a `gap` do not exist."""

    gaps: list[Gap]


class MetricModel(BaseModel):
    """What a metric is."""

    metric: str
    unit: str = Field(description="UCUM")
    title_cs: str
    title_en: str
    minimum_coverage: float


@router.get("/definitions")
async def get_definitions() -> list[MetricModel]:
    """Every metric that there is."""
    return [
        MetricModel(
            metric=metric.name,
            unit=metric.unit,
            title_cs=metric.title_cs,
            title_en=metric.title_en,
            minimum_coverage=metric.minimum_coverage,
        )
        for metric in METRICS.values()
    ]


@router.get("")
async def get_metrics(
    connection: Connection,
    now: Now,
    site: Site,
    start: From,
    to: To,
    level: Level = "minute",
    metric: Annotated[list[str] | None, Query(description="all if not given")] = None,
    part: Annotated[list[str] | None, Query()] = None,
    road_user: Annotated[list[ClassName] | None, Query(alias="class")] = None,
    simulated: Simulated = False,
    cursor: Cursor = None,
    limit: Limit = 1000,
) -> MetricPage:
    """Metrics of a site in [from, to).

    A class has a bucket where somebody of it was seen; the bucket of `all` is always there and
    tells whether somebody looked: where it is `ok`, a class without a bucket is zero.
    """
    start, end = _period(start, to, level, now)
    after: MetricCursor | None = read_cursor(cursor, _Key)
    rows = await list_metrics(
        connection,
        site=site.site,
        simulated=simulated,
        start=start,
        end=end,
        level=level,
        metrics=metric,
        parts=part,
        road_users=None if road_user is None else [_number(name) for name in road_user],
        after=after,
        limit=limit + 1,
    )
    limit_m_s = site.plan["speed_limit_km_h"] / 3.6
    found = page(
        rows,
        limit,
        lambda row: bucket(row, level, limit_m_s),
        lambda row: (row.start, row.metric, row.part, row.direction, row.road_user),
    )
    # A page answers for the time from its first bucket to its last one.
    since = start if after is None else after[0]
    until = end if found.next is None else rows[limit - 1].start
    gaps = (
        await list_gaps(connection, site=site.site, simulated=simulated, start=since, end=until)
        if until > since
        else []
    )
    spans = [Gap(start=first, end=last) for first, last in gaps]
    return MetricPage(items=found.items, next=found.next, gaps=spans)


def bucket(row: MetricRow, level: Level, speed_limit: float) -> Bucket:
    """Present a row in display units; `speed_limit` in m/s."""
    definition = METRICS[row.metric]
    coverage = row.observed / row.wanted if row.wanted > 0 else 0.0
    state = state_of(row.observed, coverage, definition.minimum_coverage)
    told = state == "ok"
    values = derive(row, speed_limit=speed_limit) if told else {}
    values.pop("coverage", None)  # it has a field of its own
    return Bucket(
        start=row.start,
        end=row.start + LENGTH[level],
        metric=row.metric,
        part=row.part,
        direction=DIRECTIONS[row.direction],
        road_user=class_name(row.road_user),
        state=state,
        n=row.n,
        values={name: _number_or_none(value) for name, value in values.items()},
        intervals=_intervals(row, values),
        coverage=round(coverage, 4),
        minimum_coverage=definition.minimum_coverage,
        peak=row.peak,
        minutes=row.windows,
        provisional=row.provisional,
    )


def state_of(observed: float, coverage: float, minimum: float) -> State:
    """Tell a number from too little and from nothing.

    >>> state_of(0.0, 0.0, 0.8), state_of(30.0, 0.5, 0.8), state_of(60.0, 1.0, 0.8)
    ('missing', 'insufficient', 'ok')
    """
    if observed <= 0:
        return "missing"
    return "ok" if coverage >= minimum else "insufficient"


def class_name(number: int) -> str:
    """Name of a road-user class, `all` for -1."""
    return "all" if number < 0 else NAMES[number]


def _intervals(row: MetricRow, values: dict[str, float | None]) -> dict[str, Limits]:
    """95 % intervals of what is a count or a share; Poisson and Wilson."""
    found = {}
    if values.get("flow_veh_h") is not None:
        hours = row.observed / 3600
        found["flow_veh_h"] = poisson_rate(row.n, hours)
    share = values.get("within_limit")
    if share is not None and row.n > 0:
        found["within_limit"] = wilson(share * row.n, row.n)
    return {name: Limits(low=each.low, high=each.high) for name, each in found.items()}


def _period(
    start: datetime, to: datetime, level: Level, now: datetime
) -> tuple[datetime, datetime]:
    """Whole minutes (hours) in UTC; the future has no metrics, so it is no gap either."""
    first = _floor(start.astimezone(UTC), level)
    end = max(first, min(_ceiling(to.astimezone(UTC), level), _ceiling(now, level)))
    if to <= start:
        raise BadPeriodError(f"`to` ({to.isoformat()}) is not after `from` ({start.isoformat()})")
    if end - first > LONGEST[level]:
        raise BadPeriodError(f"at most {LONGEST[level].days} days of {level}s at a time")
    return first, end


def _floor(moment: datetime, level: Level) -> datetime:
    whole = moment.replace(second=0, microsecond=0)
    return whole.replace(minute=0) if level == "hour" else whole


def _ceiling(moment: datetime, level: Level) -> datetime:
    whole = _floor(moment, level)
    return whole if whole == moment else whole + LENGTH[level]


def _number(name: ClassName) -> int:
    return -1 if name == "all" else RoadUser[name.upper()].value


def _number_or_none(value: float | None) -> float | None:
    return value if value is not None and isfinite(value) else None
