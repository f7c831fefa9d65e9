"""Evaluate the definitions over a period and write the values down."""

import hashlib
from collections.abc import Iterable
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any, Final
from uuid import UUID, uuid5

from analytics.indicators.definitions import Definition, load
from analytics.indicators.evaluate import SHORT, Outcome, Period, WindowEvidence, assess
from analytics.jobs.inputs import document_digest
from contracts.clock import Clock, from_micros
from contracts.site import Site
from storage.indicators import (
    IndicatorValue,
    WindowRow,
    insert_value,
    last_of_period,
    list_parts,
    list_windows,
)
from storage.pool import AsyncConnection
from storage.windows import Part, read_plan

NAMESPACE: Final = UUID("8f2a4d70-6d4b-5c2f-8a55-0f6f8f2e9d11")
LONGEST_DAYS: Final = 366
"""Of a period: its windows are read at once."""


class PeriodError(ValueError):
    """A period must begin before it ends and be no longer than a year."""


async def compute(
    connection: AsyncConnection,
    *,
    site: int,
    simulated: bool,
    start: datetime,
    end: datetime,
    clock: Clock,
    definitions: Iterable[Definition] | None = None,
) -> list[IndicatorValue]:
    """Value of each definition for [start, end), written unless nothing changed since the last.

    Start and end need not be whole minutes: the windows are those that the period touches, and
    what is wanted is the time from start to end.

    Raises
    ------
    PeriodError
        If the period is none.
    """
    if not 0 < (end - start).total_seconds() <= LONGEST_DAYS * 86_400:
        raise PeriodError(f"{start} to {end}: {PeriodError.__doc__}")
    plan = Site.model_validate(await read_plan(connection, site))
    period = Period(start, end)
    values = []
    for definition in load().values() if definitions is None else definitions:
        async with connection.transaction():
            values.append(
                await _value(connection, definition, site, plan, simulated, period, clock)
            )
    return values


async def _value(
    connection: AsyncConnection,
    definition: Definition,
    site: int,
    plan: Site,
    simulated: bool,
    period: Period,
    clock: Clock,
) -> IndicatorValue:
    first, last = period.minutes
    windows = await list_windows(connection, site=site, simulated=simulated, start=first, end=last)
    rows = await list_parts(
        connection,
        site=site,
        simulated=simulated,
        start=first,
        end=last,
        metrics=definition.metrics,
    )
    parts: dict[datetime, list[Part]] = {window.minute: [] for window in windows}
    for minute, part in rows:
        parts[minute].append(part)
    now = from_micros(clock())
    until = min(now, period.end)
    evidence_of = [window_evidence(window) for window in windows]
    outcome = assess(definition, plan, period, until, evidence_of, parts)
    before = await last_of_period(
        connection,
        site=site,
        simulated=simulated,
        definition=definition.id,
        start=period.start,
        end=period.end,
    )
    evidence = whole_evidence(outcome, simulated=simulated)
    digest = bytes.fromhex(document_digest(evidence))
    if before is not None and before.digest == digest:
        return before
    supersedes = None if before is None else before.value_id
    value = _record(definition, outcome, site, simulated, period, now, digest, supersedes)
    await insert_value(connection, value, evidence)
    return value


def _record(
    definition: Definition,
    outcome: Outcome,
    site: int,
    simulated: bool,
    period: Period,
    now: datetime,
    digest: bytes,
    supersedes: UUID | None,
) -> IndicatorValue:
    return IndicatorValue(
        value_id=uuid5(NAMESPACE, f"{site} {digest.hex()} {supersedes}"),
        definition=definition.id,
        version=definition.version,
        code=code_version(),
        site=site,
        simulated=simulated,
        start=period.start,
        end=period.end,
        recorded_at=now,
        state=outcome.state,
        value=outcome.value,
        low=outcome.low,
        high=outcome.high,
        n=outcome.n,
        coverage=outcome.coverage,
        digest=digest,
        supersedes=supersedes,
    )


def whole_evidence(outcome: Outcome, *, simulated: bool) -> dict[str, Any]:
    """Evidence of a value; the digest is of this."""
    return outcome.evidence | {"simulated": simulated, "code": code_version()}


def window_evidence(window: WindowRow) -> WindowEvidence:
    """Evidence of one window."""
    tables: dict[str, dict[str, Any]] = {
        name: table for name, table in window.inputs.items() if "digest" in table
    }
    return WindowEvidence(
        minute=window.minute,
        revision=window.revision,
        digest=window.digest.hex(),
        code=window.code,
        inputs={n: [t.get("rows", 1), t["digest"][:SHORT]] for n, t in sorted(tables.items())},
        thresholds=window.inputs["thresholds"]["values"],
    )


@cache
def code_version() -> str:
    """Digest of the code that evaluates."""
    whole = hashlib.sha256()
    modules = [p for p in files("analytics.indicators").iterdir() if p.name.endswith(".py")]
    modules.append(files("analytics.kernels") / "intervals.py")
    modules.append(files("analytics.kernels") / "traffic.py")
    for path in sorted(modules, key=lambda path: path.name):
        whole.update(f"\0{path.name}\0".encode() + path.read_bytes())
    return whole.hexdigest()[:SHORT]
