"""What analytics made of the span: metrics and indicator values, as lines of the table."""

from collections.abc import Iterator, Sequence
from typing import Final

from analytics.indicators.compute import compute
from analytics.indicators.definitions import load
from contracts.clock import utc_now
from storage.metrics import MetricRow, list_metrics
from storage.pool import StorageSettings, open_pool
from storage.report import Windows
from tepna.demo.table import Line, indicator_line

LEAST_COVERAGE: Final = 0.9
"""Share of the whole minutes that a simulated camera has to have seen."""


async def analysed(settings: StorageSettings, windows: Windows) -> list[Line]:
    """Read the span's metrics and compute its indicators.

    Only what is simulated has a ground plan here: a picture without one has no speeds, no pairs.
    """
    async with open_pool(settings, name="tepna demo") as pool, pool.connection() as connection:
        site, simulated, start, end = windows
        rows = await list_metrics(
            connection, site=site, simulated=simulated, start=start, end=end, level="hour"
        )
        values = await compute(
            connection, site=site, simulated=simulated, start=start, end=end, clock=utc_now
        )
    found = {value.definition: value for value in values}
    lines = list(_metric_lines(rows, wanted=windows.simulated))
    for name, definition in load().items():
        title, unit = definition.name.en, definition.unit
        lines.append(indicator_line(title, unit, found.get(name), sure=windows.simulated))
    return lines


def _metric_lines(rows: Sequence[MetricRow], *, wanted: bool) -> Iterator[Line]:
    flow = [row for row in rows if row.metric == "flow"]
    observed, span = sum(r.observed for r in flow), sum(r.wanted for r in flow)
    coverage = observed / span if span else 0.0
    least = LEAST_COVERAGE if wanted else 0.0
    said = f"at least {least:.0%}" if wanted else "more than nothing"
    yield Line("coverage of the count lines", f"{coverage:.0%}", said, coverage > least)
    if not wanted:
        return
    encounters = sum(row.n for row in rows if row.metric == "encounters")
    yield Line("encounters of road users", str(encounters), "> 0", encounters > 0)
    conflicts = sum(row.n for row in rows if row.metric == "conflicts")
    severe = sum(r.n for r in rows if r.metric == "conflicts" and r.part.startswith("severe"))
    told = f"{conflicts}, {severe} of them severe"
    yield Line("conflicts", told, "no more than encounters", conflicts <= encounters)
