"""Keep the values of the regular periods up with the windows under them."""

from datetime import UTC, datetime, timedelta
from typing import Final

from analytics.indicators.compute import compute
from analytics.indicators.definitions import load
from contracts.clock import Clock, from_micros
from storage.indicators import list_values
from storage.pool import AsyncConnection
from storage.windows import Window

EVERY: Final = 5
"""A running period is evaluated after every so many minutes, one that is over after each change."""

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MINUTE: Final = timedelta(minutes=1)


class Follower:
    """Evaluates each definition over its regular period when windows in it are closed."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def __call__(self, connection: AsyncConnection, windows: list[Window]) -> None:
        """Evaluate the periods that these windows lie in."""
        for length in sorted({definition.period for definition in load().values()}):
            periods: dict[tuple[int, bool, datetime], list[datetime]] = {}
            for site, minute, simulated in windows:
                start = minute - (minute - EPOCH) % length
                periods.setdefault((site, simulated, start), []).append(minute)
            for (site, simulated, start), minutes in sorted(periods.items()):
                if await self._is_due(connection, site, simulated, start, length, minutes):
                    await self._evaluate(connection, site, simulated, start, length)

    async def _is_due(
        self,
        connection: AsyncConnection,
        site: int,
        simulated: bool,
        start: datetime,
        length: timedelta,
        minutes: list[datetime],
    ) -> bool:
        if start + length <= from_micros(self._clock()):
            return True
        if any((minute + MINUTE - start) // MINUTE % EVERY == 0 for minute in minutes):
            return True
        known = await list_values(
            connection, site=site, simulated=simulated, start=start, end=start + length, limit=1
        )
        return not known

    async def _evaluate(
        self,
        connection: AsyncConnection,
        site: int,
        simulated: bool,
        start: datetime,
        length: timedelta,
    ) -> None:
        await compute(
            connection,
            site=site,
            simulated=simulated,
            start=start,
            end=start + length,
            clock=self._clock,
            definitions=[d for d in load().values() if d.period == length],
        )
