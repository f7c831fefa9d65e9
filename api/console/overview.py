"""What the page shows of a site, read once for everybody who looks."""

import asyncio
from collections import OrderedDict
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from starlette.datastructures import State

from analytics.indicators.definitions import Definition
from api.routers.health import Health, read_health
from contracts.clock import from_micros
from contracts.metrics import BACKLOG_AGE, UPLINK_ROUND_TRIP
from contracts.site import Site
from storage.indicators import IndicatorValue, latest_values
from storage.metrics import Incident, MetricRow, list_incidents, list_metrics
from storage.overview import (
    DeviceRow,
    LatestRow,
    SiteRow,
    latest_scalars,
    list_devices,
    newest_window,
)

SPAN: Final = timedelta(minutes=30)
"""Of the charts."""

RECORD_AFTER: Final = timedelta(hours=6)
"""A site whose newest window is older shows its end as a record; else silence is a gap."""

INCIDENT_SPAN: Final = timedelta(hours=24)
INCIDENTS: Final = 200
WINDOW: Final = timedelta(minutes=5)
FRESH_S: Final = 2.0  # [s] that one reading serves all pages
SITES: Final = 100  # full: the site that was shown longest ago is read anew
ROWS: Final = 20_000  # of 30 minutes
SCALARS: Final = ("modem.rsrp", "modem.sinr", "modem.round_trip", UPLINK_ROUND_TRIP, BACKLOG_AGE)
SCALAR_AGE: Final = timedelta(minutes=10)


class Overview(NamedTuple):
    """One reading."""

    site: Site
    at: datetime  # end of the charts, whole minute
    now: datetime
    record: bool  # the site has been silent for long: what is shown is its past
    simulated: bool
    metrics: list[MetricRow]
    incidents: list[Incident]
    devices: list[DeviceRow]
    scalars: dict[tuple[str, str], LatestRow]
    health: Health
    indicators: list[tuple[Definition, IndicatorValue | None]]


class Overviews:
    """Reads overviews; pages that look at the same site share a reading."""

    def __init__(self, state: State) -> None:
        self._state = state  # the application's: its pool, its clock, its definitions
        self._read: OrderedDict[int, Overview] = OrderedDict()
        self._turn = asyncio.Lock()

    async def of(self, row: SiteRow) -> Overview:
        """Overview of a site, at most two seconds old."""
        async with self._turn:
            now = from_micros(self._state.clock())
            known = self._read.get(row.site)
            if known is not None and now - known.now < timedelta(seconds=FRESH_S):
                return known
            fresh = await self._fetch(row, now)
            self._read[row.site] = fresh
            self._read.move_to_end(row.site)
            if len(self._read) > SITES:
                self._read.popitem(last=False)
            return fresh

    async def _fetch(self, row: SiteRow, now: datetime) -> Overview:
        async with self._state.pool.connection(timeout=5) as connection:
            newest, simulated = await newest_window(connection, row.site) or (now, False)
            record = now - newest > RECORD_AFTER
            at = newest if record else now
            at = at.replace(second=0, microsecond=0) + timedelta(minutes=1)
            metrics = await list_metrics(
                connection,
                site=row.site,
                simulated=simulated,
                start=at - SPAN,
                end=at,
                metrics=["flow", "speed"],
                limit=ROWS,
            )
            incidents = await list_incidents(
                connection,
                site=row.site,
                simulated=simulated,
                start=at - INCIDENT_SPAN,
                end=at,
                limit=INCIDENTS,
            )
            devices = await list_devices(
                connection, now=now, window=WINDOW, site=row.site, retired=False, limit=100
            )
            scalars = await latest_scalars(
                connection,
                site=row.site,
                simulated=simulated,
                metrics=SCALARS,
                since=at - SCALAR_AGE,
            )
            values = await latest_values(connection, site=row.site, simulated=simulated)
        health = await read_health(self._state, now)
        latest = {value.definition: value for value in values}
        return Overview(
            site=Site.model_validate(row.plan),
            at=at,
            now=now,
            record=record,
            simulated=simulated,
            metrics=metrics,
            incidents=incidents,
            devices=devices,
            scalars={(each.device, each.metric): each for each in scalars},
            health=health,
            indicators=[(each, latest.get(each.id)) for each in self._state.definitions.values()],
        )
