"""A value from a definition and stored parts, with the evidence of how it came about."""

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from analytics.indicators.definitions import Definition, Input, IntervalMethod
from analytics.indicators.formula import Merged, evaluate
from analytics.kernels.intervals import CONFIDENCE, Interval, poisson_rate, wilson
from analytics.metrics import METRICS
from contracts.site import Site
from storage.windows import Part

MINUTE: Final = timedelta(minutes=1)
SHORT: Final = 16
"""Digits of an input's digest that the evidence keeps."""


class Period(NamedTuple):
    """Half-open; windows are those of every minute that it touches."""

    start: datetime
    end: datetime

    @property
    def minutes(self) -> tuple[datetime, datetime]:
        """The same, widened to whole minutes."""
        first = self.start.replace(second=0, microsecond=0)
        last = self.end.replace(second=0, microsecond=0)
        return first, last if last == self.end else last + MINUTE

    def seconds(self, minute: datetime, until: datetime) -> float:
        """Time [s] of the period that lies in a minute and before `until`."""
        begin, end = max(self.start, minute), min(self.end, minute + MINUTE, until)
        return max(0.0, (end - begin).total_seconds())


class WindowEvidence(NamedTuple):
    """What the parts of one minute were made from."""

    minute: datetime
    revision: int
    digest: str
    code: str
    inputs: dict[str, list[Any]]  # table: [rows, first digits of its digest]
    thresholds: dict[str, float]


class Outcome(NamedTuple):
    """A value, or why there is none, and the evidence."""

    state: str  # final, provisional, insufficient or missing
    value: float | None
    low: float | None
    high: float | None
    n: float
    coverage: float
    evidence: dict[str, Any]


def assess(
    definition: Definition,
    site: Site,
    period: Period,
    until: datetime,
    windows: Sequence[WindowEvidence],
    parts: Mapping[datetime, Sequence[Part]],
) -> Outcome:
    """Evaluate a definition.

    Parameters
    ----------
    until
        End of what is wanted: of the period, or the present while it runs.
    windows
        The minutes of the period that were computed, oldest first.
    parts
        Their parts.
    """
    rows = {name: _rows(i, site, parts) for name, i in definition.inputs.items()}
    merged = {name: merge(definition.inputs[name].metric, found) for name, found in rows.items()}
    coverages = {
        name: _coverage(i, site, period, until, parts) for name, i in definition.inputs.items()
    }
    coverage, observed = min(coverages.values()), any(coverages.values())
    names = {"speed_limit": site.speed_limit_km_h / 3.6}
    numerator = evaluate(definition.numerator, merged, names)
    denominator = evaluate(definition.denominator, merged, names)
    interval = _interval(definition, numerator, denominator)
    provisional = until < period.end or any(window.revision == 0 for window in windows)
    if not observed and denominator == 0:
        state, reason = "missing", "nothing was observed"
    elif coverage < definition.minimum_coverage:
        state, reason = "insufficient", "coverage is below the minimum"
    elif denominator == 0:
        state, reason = "insufficient", "there was no exposure"
    else:
        state, reason = "provisional" if provisional else "final", None
    known = reason is None
    evidence = {
        "recipe": _recipe(definition),
        "site": {"pilot": site.pilot, "name": site.id},
        "period": {"start": period.start.isoformat(), "end": period.end.isoformat()},
        "evaluated_until": until.isoformat(),
        "state": {"state": state, "reason": reason},
        "terms": {"numerator": numerator, "denominator": denominator, **names},
        "coverage": {"minimum": definition.minimum_coverage, **coverages},
        "rows": {name: len(found) for name, found in rows.items()},
        "thresholds": {w.inputs["thresholds"][1]: w.thresholds for w in windows},
        "windows": [_window(window) for window in windows],
        "exclusions": _exclusions(period, until, windows),
    }
    return Outcome(
        state,
        interval.value if known else None,
        interval.low if known else None,
        interval.high if known else None,
        denominator,
        coverage,
        evidence,
    )


def merge(metric: str, rows: Iterable[Part]) -> Merged:
    """Add rows up; sums are rounded once, so their order does not matter."""
    rows = list(rows)
    longest = max((len(row.histogram or []) for row in rows), default=0)
    histogram = [0] * longest
    for row in rows:
        for place, number in enumerate(row.histogram or []):
            histogram[place] += number
    return Merged(
        sum(row.n for row in rows),
        math.fsum(row.total for row in rows),
        histogram,
        METRICS[metric].edges,
    )


def _rows(wanted: Input, site: Site, parts: Mapping[datetime, Sequence[Part]]) -> list[Part]:
    named = set(wanted.wanted_parts(site))
    return [
        part
        for minute in sorted(parts)
        for part in parts[minute]
        if part.metric == wanted.metric and part.part in named and wanted.counts(part)
    ]


def _coverage(
    wanted: Input,
    site: Site,
    period: Period,
    until: datetime,
    parts: Mapping[datetime, Sequence[Part]],
) -> float:
    """Time observed by time wanted, over all parts that the site should have."""
    named = wanted.wanted_parts(site)
    total = max(0.0, (until - period.start).total_seconds()) * len(named)
    seen: list[float] = []
    for minute, rows in parts.items():
        most = period.seconds(minute, until)
        best = dict.fromkeys(named, 0.0)
        for row in rows:
            if row.metric == wanted.metric and row.part in best and wanted.covers(row):
                share = row.observed / row.wanted if row.wanted else 0.0
                best[row.part] = max(best[row.part], min(most, share * MINUTE.total_seconds()))
        seen += best.values()
    return min(1.0, math.fsum(seen) / total) if total > 0 else 0.0


def _interval(definition: Definition, numerator: float, denominator: float) -> Interval:
    match definition.interval:
        case IntervalMethod.WILSON:
            found = wilson(numerator, denominator)
        case IntervalMethod.POISSON_RATE:
            found = poisson_rate(numerator, denominator)
    return Interval(*(limit * definition.scale for limit in found))


def _recipe(definition: Definition) -> dict[str, Any]:
    return {
        "definition": definition.id,
        "version": definition.version,
        "digest": definition.digest,
        "numerator": definition.numerator,
        "denominator": definition.denominator,
        "scale": definition.scale,
        "unit": definition.unit,
        "interval": definition.interval.value,
        "confidence": CONFIDENCE,
        "inputs": {n: i.model_dump(mode="json") for n, i in definition.inputs.items()},
    }


def _window(window: WindowEvidence) -> dict[str, Any]:
    return {
        "minute": window.minute.isoformat(),
        "revision": window.revision,
        "digest": window.digest,
        "code": window.code,
        "inputs": window.inputs,
    }


def _exclusions(
    period: Period, until: datetime, windows: Sequence[WindowEvidence]
) -> list[dict[str, str]]:
    """Minutes that are not in the value, and why."""
    known = {window.minute for window in windows}
    minute, end = period.minutes
    excluded = []
    while minute < end:
        if minute not in known:
            reason = "no data" if minute < until else "not begun"
            excluded.append({"minute": minute.isoformat(), "reason": reason})
        minute += MINUTE
    return excluded
