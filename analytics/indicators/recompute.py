"""Back to the telemetry: compute a value again from the raw rows that its evidence names."""

from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from analytics.indicators import compute as computing
from analytics.indicators.definitions import load
from analytics.indicators.evaluate import Period, WindowEvidence, assess
from analytics.jobs.inputs import digests, document_digest, read_inputs, whole_digest
from analytics.jobs.window import code_version, compute
from analytics.metrics import Thresholds
from contracts.site import Site
from storage.indicators import (
    IndicatorValue,
    WindowRow,
    list_windows,
    read_evidence,
    read_value,
    revision_parts,
)
from storage.pool import AsyncConnection
from storage.windows import Part, Window, read_plan


class UnknownValueError(LookupError):
    """There is no indicator value of this id."""


class Recomputed(NamedTuple):
    """A value computed again."""

    stored: IndicatorValue
    identical: bool  # same evidence, same bits
    value: float | None
    changes: list[str]  # what is not as it was, a line for each


async def recompute(connection: AsyncConnection, value_id: UUID) -> Recomputed:
    """Compute a value again from telemetry, and say what differs from when it was recorded.

    Raises
    ------
    UnknownValueError
        If there is no such value.
    """
    stored = await read_value(connection, value_id)
    evidence = await read_evidence(connection, value_id)
    if stored is None or evidence is None:
        raise UnknownValueError(f"{value_id}: {UnknownValueError.__doc__}")
    changes = check(stored, evidence)
    definition = load().get(stored.definition)
    if definition is None or definition.digest != evidence["recipe"]["digest"]:
        changes.append(f"definition {stored.definition} is not version {stored.version} any more")
        return Recomputed(stored, identical=False, value=None, changes=changes)
    windows, parts = [], {}
    for named in evidence["windows"]:
        window, found, differing = await _window(connection, stored, evidence, named)
        windows.append(window)
        parts[window.minute] = [part for part in found if part.metric in definition.metrics]
        changes += differing
    changes += await _new_windows(connection, stored, {w.minute for w in windows})
    plan = Site.model_validate(await read_plan(connection, stored.site))
    until = datetime.fromisoformat(evidence["evaluated_until"])
    period = Period(stored.start, stored.end)
    outcome = assess(definition, plan, period, until, windows, parts)
    if computing.code_version() != evidence["code"]:
        changes.append(f"the evaluating code was {evidence['code']}")
    names = ("state", "value", "low", "high", "n", "coverage")
    for name in names:
        was, now = getattr(stored, name), getattr(outcome, name)
        if _bits(was) != _bits(now):
            changes.append(f"{name} was {was!r}, is {now!r}")
    again = computing.whole_evidence(outcome, simulated=stored.simulated)
    if not changes and bytes.fromhex(document_digest(again)) != stored.digest:
        changed = [key for key in again if again[key] != evidence.get(key)]
        changes.append(f"the evidence differs in {', '.join(changed)}")
    return Recomputed(stored, not changes, outcome.value, changes)


def check(stored: IndicatorValue, evidence: dict[str, Any]) -> list[str]:
    """Whether the evidence is still what its digest says; empty if it is."""
    found = document_digest(evidence)
    if found == stored.digest.hex():
        return []
    return [f"the evidence was changed: its digest is {found}, recorded {stored.digest.hex()}"]


async def _window(
    connection: AsyncConnection,
    stored: IndicatorValue,
    evidence: dict[str, Any],
    named: dict[str, Any],
) -> tuple[WindowEvidence, list[Part], list[str]]:
    """Compute one window of the evidence from raw rows."""
    minute = datetime.fromisoformat(named["minute"])
    thresholds = Thresholds(**evidence["thresholds"][named["inputs"]["thresholds"][1]])
    window = Window(stored.site, minute, stored.simulated)
    inputs = await read_inputs(connection, window, thresholds)
    tables = digests(inputs)
    row = WindowRow(minute, named["revision"], whole_digest(tables), code_version(), tables)
    fresh = computing.window_evidence(row)
    parts = sorted(compute(inputs).parts, key=lambda p: p[:4])
    at = minute.isoformat()
    changes = [
        _difference(at, table, was, now)
        for table, was in named["inputs"].items()
        if (now := fresh.inputs.get(table, [0, "none"])) != was
    ]
    if named["code"] != fresh.code:
        changes.append(f"{at}: the code was {named['code']}, is {fresh.code}")
    if not changes and named["digest"] != fresh.digest:
        changes.append(f"{at}: the input's digest was {named['digest']}, is {fresh.digest}")
    if not changes:
        kept = await revision_parts(
            connection,
            site=stored.site,
            minute=minute,
            simulated=stored.simulated,
            revision=named["revision"],
        )
        if kept and sorted(kept, key=lambda p: p[:4]) != parts:
            changes.append(f"{at}: the stored parts of revision {named['revision']} differ")
    return fresh._replace(revision=named["revision"]), parts, changes


def _difference(minute: str, table: str, was: list[Any], now: list[Any]) -> str:
    if was[0] == now[0]:
        return f"{minute}: {table} changed (was {was[1]}, is {now[1]})"
    return f"{minute}: {table} had {was[0]} rows ({was[1]}), has {now[0]} ({now[1]})"


async def _new_windows(
    connection: AsyncConnection, stored: IndicatorValue, known: set[datetime]
) -> list[str]:
    """Minutes of the period that had no data then and have some now."""
    first, last = Period(stored.start, stored.end).minutes
    present = await list_windows(
        connection, site=stored.site, simulated=stored.simulated, start=first, end=last
    )
    return [
        f"{window.minute.isoformat()}: had no data, has revision {window.revision}"
        for window in present
        if window.minute not in known
    ]


def _bits(value: float | str | None) -> str | None:
    return value.hex() if isinstance(value, float) else value
