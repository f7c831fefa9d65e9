"""From an overview to the words of the page."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, NamedTuple

from api.console.overview import Overview
from api.console.words import MINUS, Words
from api.routers.incidents import SEVERITY
from contracts.metrics import BACKLOG_AGE, UNUSABLE, UPLINK_ROUND_TRIP
from contracts.site import Site
from storage.clocks import ClockEstimate
from storage.indicators import IndicatorValue
from storage.metrics import Incident
from storage.overview import DeviceRow

SHOWN: Final = 60  # incidents; older ones are a number
WEAK_RSRP: Final = -110.0  # [dBm] below it a link is marked, as below the next ones
WEAK_SINR: Final = 0.0  # [dB]
SLOW_MS: Final = 150.0
OLD_S: Final = 10.0
LATE_S: Final = 1.0  # the promise: captured to queryable
SILENT_S: Final = 30.0
CLOCK_OFF_S: Final = 1.0  # what happened at once must not seem to have happened one by one
Row = dict[str, Any]


class Cell(NamedTuple):
    """One number of the device table; bad ones are coloured."""

    text: str
    bad: bool = False


def camera_rows(overview: Overview, words: Words) -> list[Row]:
    """Cameras in the order of the plan."""
    online = {row.name: bool(row.online) for row in overview.devices}
    states = {row.name: row.state or {} for row in overview.devices}
    serving = {name: s.get("camera") and s.get("picture_url") for name, s in states.items()}
    return [
        {
            "device": f"{overview.site.pilot}/{camera.device}",
            "name": words.of(camera.name.cs, camera.name.en),
            "online": online.get(camera.device, False) and bool(serving.get(camera.device)),
        }
        for camera in overview.site.cameras
    ]


def incident_rows(overview: Overview, words: Words) -> list[Row]:
    """Newest incidents first."""
    return [
        incident_row(each, overview.site, overview.at, words) for each in overview.incidents[:SHOWN]
    ]


def device_rows(overview: Overview, words: Words) -> list[Row]:
    """Devices with their links."""
    return [_device(row, overview, words) for row in overview.devices]


def part_rows(overview: Overview, words: Words) -> list[Row]:
    """Parts of the platform and how each does."""
    health = overview.health
    late = words.duration(health.ingest.latency_p95_s)
    told = {
        "database": "",
        "broker": "",
        "ingest": late if health.ingest.batches else "",
        "analytics": words("part.waiting", n=words.number(health.analytics.dirty_windows)),
    }
    rows: list[Row] = [
        {"name": name, "state": getattr(health, name).state, "detail": detail}
        for name, detail in told.items()
    ]
    rows += [
        {
            "name": "worker",
            "state": worker.state,
            "detail": words(
                "part.held",
                worker=worker.worker,
                n=words.number(worker.held_messages),
                age=words.duration(worker.oldest_s),
            ),
        }
        for worker in health.ingest.workers
    ]
    if letters := health.ingest.dead_letters:
        detail = words.number(letters)
        rows.append({"name": "dead_letters", "state": "degraded", "detail": detail})
    return rows


def indicator_rows(overview: Overview, words: Words) -> list[Row]:
    """Cards: a value with all that belongs to it, or the word for why there is none."""
    rows = []
    for definition, value in overview.indicators:
        unit, scale = _display_unit(definition.unit)
        row: Row = {
            "name": words.of(definition.name.cs, definition.name.en),
            "unit": unit,
            "state": "never" if value is None else value.state,
            "told": value is not None and value.value is not None,
            "id": None if value is None else value.value_id,
        }
        if value is not None:
            row |= _value(value, scale, words)
        rows.append(row)
    return rows


def _value(value: IndicatorValue, scale: float, words: Words) -> Row:
    digits = 2 if abs((value.value or 0.0) * scale) < 10 else 1  # noqa: PLR2004
    told = value.value is not None

    def number(of: float | None) -> str:
        return words.number(None if of is None else of * scale, digits)

    has_interval = told and value.low is not None and value.high is not None
    return {
        "value": number(value.value),
        "interval": words("indicator.interval", low=number(value.low), high=number(value.high))
        if has_interval
        else "",
        "coverage": words("indicator.coverage", share=words.percent(value.coverage)),
        "n": words("indicator.n", n=words.number(value.n)),
    }


def _display_unit(ucum: str) -> tuple[str, float]:
    """Give the unit as people write it, and what a stored value is multiplied with."""
    if ucum == "1":
        return "%", 100.0
    if ucum.startswith("10*-"):  # per so many, as the name says
        return "", 1.0
    return ucum.replace("{", "").replace("}", ""), 1.0


def incident_row(each: Incident, site: Site, at: datetime, words: Words) -> Row:
    """One incident; of one that is not of the day of `at` the date is told, too."""
    today = each.captured.date() == at.date()
    return {
        "id": each.incident,
        "at_ms": round(each.captured.timestamp() * 1000),
        "iso": each.captured.isoformat(),
        "time": words.time(each.captured, date=not today),
        "utc": words.utc(each.captured),
        "kind": words.known(f"incident_kind.{each.kind}", each.kind),
        "detail": _detail(each, site, words),
        "severity": SEVERITY[each.severity],
        "x": each.x,
        "y": each.y,
    }


def _detail(each: Incident, site: Site, words: Words) -> str:
    """Say in a few words what is known: type, who, where, how near."""
    places = {part.id: words.of(part.name.cs, part.name.en) for part in site.approaches}
    places |= {line.id: words.of(line.name.cs, line.name.en) for line in site.lines}
    evidence = each.evidence
    kind, place = evidence.get("type"), _place(evidence)
    users = [
        words.known(f"road_user.{track.get('class')}", "") for track in evidence.get("tracks", [])
    ]
    measures = [
        words(f"incident.{name}", value=words.number(evidence[name], 1))
        for name in ("ttc_s", "pet_s", "since_red_s", "lasted_s")
        if evidence.get(name) is not None
    ]
    texts = [
        words.known(f"conflict.{kind}", str(kind)) if kind else "",
        " \N{MULTIPLICATION SIGN} ".join(filter(None, users)),
        places.get(place, str(place)) if place else "",
        *measures[:1],
    ]
    return " · ".join(filter(None, texts))


def _place(evidence: dict[str, Any]) -> Any:
    place = evidence.get("approach") or evidence.get("line") or evidence.get("place")
    return None if place == "camera" else place  # its kind says that already


def _device(row: DeviceRow, overview: Overview, words: Words) -> Row:
    name = f"{row.pilot}/{row.name}"
    age = None if row.last_seen is None else (overview.now - row.last_seen).total_seconds()
    state = "never" if row.online is None else "online" if row.online else "offline"

    lost, held = row.lost_batches, row.unconfirmed_rows
    return {
        "device": name,
        "name": row.name,
        "state": state,
        "lost": words("device.lost", n=words.number(lost)) if lost else "",
        "held": words("device.unconfirmed", n=words.number(held)) if held else "",
        "seen": words("device.never") if age is None else words.duration(max(1.0, round(age))),
        "seen_utc": words.utc(row.last_seen),
        "cells": [
            *_link_cells(name, overview, words),
            Cell(
                words.duration(row.latency_p95),
                row.latency_p95 is not None and row.latency_p95 > LATE_S,
            ),
            clock_cell(row.clock(overview.now), words),
        ],
    }


def _link_cells(device: str, overview: Overview, words: Words) -> list[Cell]:
    """Latest readings of the radio link and the outbox; flagged ones are coloured, too."""

    def cell(
        *metrics: str, write: Callable[[float | None], str], bad: Callable[[float], bool]
    ) -> Cell:
        found = (overview.scalars.get((device, metric)) for metric in metrics)
        each = next((each for each in found if each is not None), None)
        if each is None:
            return Cell(write(None))
        return Cell(write(each.value), bool(each.quality & UNUSABLE) or bad(each.value))

    return [
        cell(
            "modem.rsrp",
            write=lambda value: _with_unit(value, "dBm", words),
            bad=lambda value: value < WEAK_RSRP,
        ),
        cell(
            "modem.sinr",
            write=lambda value: _with_unit(value, "dB", words, 1),
            bad=lambda value: value < WEAK_SINR,
        ),
        cell(
            "modem.round_trip",
            UPLINK_ROUND_TRIP,
            write=lambda value: _with_unit(value, "ms", words),
            bad=lambda value: value > SLOW_MS,
        ),
        cell(BACKLOG_AGE, write=words.duration, bad=lambda value: value > OLD_S),
    ]


def clock_cell(clock: ClockEstimate | None, words: Words) -> Cell:
    """How far a clock is off where that is certain, else how well it is known."""
    if clock is None:
        return Cell(words.duration(None))
    if not clock.is_off:
        return Cell(f"\N{PLUS-MINUS SIGN}{words.duration(clock.error)}")
    sign = "+" if clock.offset > 0 else MINUS
    return Cell(sign + words.duration(abs(clock.offset)), abs(clock.offset) > CLOCK_OFF_S)


def _with_unit(value: float | None, unit: str, words: Words, digits: int = 0) -> str:
    number = words.number(value, digits)
    return number if value is None else f"{number}\N{NARROW NO-BREAK SPACE}{unit}"
