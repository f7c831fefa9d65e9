"""From what is known of a device to the words of its page."""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

import msgspec

from api.console.rows import LATE_S, SILENT_S, Cell, Row, clock_cell, incident_row
from api.console.words import DASH, Words
from api.routers.commands import EXPIRY_S
from contracts.clock import to_micros
from contracts.events import CAMERA_FROZEN
from contracts.site import Site
from storage.metrics import Incident
from storage.overview import DeviceRow
from storage.remote import CommandRow, Configurations

HASH: Final = 12  # digits that are shown
_SNAPSHOT: Final = re.compile(r"[A-Za-z0-9-]{1,64}")
_NOWHERE: Final = object()


class Known(NamedTuple):
    """What the platform knows of a device."""

    row: DeviceRow
    site: Site
    simulated: bool
    conditions: list[str]
    configurations: Configurations
    commands: list[CommandRow]
    incidents: list[Incident]


class Found(msgspec.Struct):
    """A finding of a device's examination, as the device tells it."""

    name: str
    verdict: Literal["good", "note", "bad"]
    detail: str
    fix: str = ""


def state_rows(known: Known, now: datetime, words: Words) -> list[Row]:
    """Say how a device does, line by line."""
    row, state = known.row, known.row.state or {}
    age = None if row.last_seen is None else (now - row.last_seen).total_seconds()
    online = "never" if row.online is None else "online" if row.online else "offline"
    seen = words.time(row.last_seen, date=True) if age is not None else words("device.never")
    lines: list[tuple[str, Cell, str]] = [
        ("state", Cell(words(f"device.{online}"), online == "offline"), ""),
        ("since", Cell(words.time(row.since, date=True)), words.utc(row.since)),
        ("seen", Cell(seen, age is not None and age > SILENT_S), words.utc(row.last_seen)),
        ("camera", _camera(known, words), ""),
        ("agent", Cell(str(state.get("version", "")) or DASH), ""),
        ("latency", _latency(row.latency_p95, words), words("device.latency_hint")),
        ("clock", clock_cell(row.clock(now), words), words("device.clock_hint")),
        ("lost", Cell(words.number(row.lost_batches), row.lost_batches > 0), ""),
    ]
    if row.unconfirmed_rows:
        held = Cell(words.number(row.unconfirmed_rows), bad=True)
        lines.append(("held", held, words("device.unconfirmed_hint")))
    return [
        {"name": words(f"box.{name}"), "cell": cell, "hint": hint} for name, cell, hint in lines
    ]


def configuration(known: Configurations, words: Words) -> Row:
    """Say what is desired, what the device made of it, and where the two differ."""
    desired, reported, in_force = known
    applied = reported.applied if reported is not None else None
    changes: list[Row] | None = None  # nobody knows
    if in_force is not None or not applied:
        there = {} if in_force is None else in_force.config
        if desired is not None and there is not None:
            changes = differences(desired.config or {}, there)
    config = None if desired is None else desired.config
    return {
        "desired": desired and {
            "version": desired.version,
            "at": words.time(desired.desired_at, date=True),
            "utc": words.utc(desired.desired_at),
        },
        "reported": reported and {
            "version": reported.version,
            "state": reported.state,
            "word": words.known(f"configuration.{reported.state}", str(reported.state)),
            "reason": reported.reason,
            "at": words.time(reported.reported_at, date=True),
            "utc": words.utc(reported.reported_at),
            "applied": reported.applied or words("configuration.own_file"),
            "hash": (reported.config_hash or "")[:HASH],
            "whole_hash": reported.config_hash or "",
        },
        "behind": desired is not None and (reported is None or reported.version < desired.version),
        "changes": changes,
        "whole": json.dumps(config, ensure_ascii=False, indent=2) if config else "",
    }  # fmt: skip


def differences(desired: Mapping[str, Any], in_force: Mapping[str, Any]) -> list[Row]:
    """Keys whose value is not the same in both; what a side does not set is a dash.

    >>> differences({"camera": {"lines": [], "pace": "fast"}}, {"camera": {"pace": "fast"}})
    [{'key': 'camera.lines', 'desired': '[]', 'in_force': '–'}]
    """  # noqa: RUF002  # the dash is what is shown
    wanted, there = dict(_flat(desired)), dict(_flat(in_force))
    return [
        {"key": key, "desired": _text(wanted, key), "in_force": _text(there, key)}
        for key in sorted(wanted.keys() | there.keys())
        if wanted.get(key, _NOWHERE) != there.get(key, _NOWHERE)
    ]


def command_row(each: CommandRow, now: datetime, words: Words) -> Row:
    """Say what was asked, by whom, and what came of it."""
    task = each.task if isinstance(each.task, dict) else {}
    kind = str(task.get("type", each.task))
    answer = each.answer or {}
    waits = (now - each.asked_at).total_seconds() < EXPIRY_S
    state = each.state or ("waits" if waits else "silent")
    return {
        "id": each.command,
        "what": words.known(f"command.{kind}", kind),
        "more": " ".join(f"{key}={value}" for key, value in task.items() if key != "type"),
        "by": each.asked_by or words("command.at_broker"),
        "at": words.time(each.asked_at, date=True),
        "utc": words.utc(each.asked_at),
        "state": state,
        "word": words(f"command.{state}"),
        "reason": each.reason,
        "snapshot": _snapshot(answer.get("snapshot")) if kind == "snapshot" else "",
        **_answer(kind, answer, words),
    }


def incident(each: Incident, site: Site, now: datetime, words: Words) -> Row:
    """Say what happened, and under which id the camera keeps a picture of it."""
    kept = each.evidence.get("incident")
    if each.kind == CAMERA_FROZEN:
        kept = f"frozen-{to_micros(each.captured)}"
    return incident_row(each, site, now, words) | {"snapshot": _snapshot(kept)}


def _camera(known: Known, words: Words) -> Cell:
    state = known.row.state or {}
    if known.row.kind != "camera" and not state.get("camera"):
        return Cell(words("box.no_camera"))
    if not known.row.online or not state.get("camera"):
        return Cell(words("box.blind"), bad=True)
    wrong = [words(f"incident_kind.camera.{condition}") for condition in known.conditions]
    return Cell(", ".join(wrong) or words("box.sees"), bool(wrong))


def _latency(seconds: float | None, words: Words) -> Cell:
    return Cell(words.duration(seconds), seconds is not None and seconds > LATE_S)


def _answer(kind: str, answer: Mapping[str, Any], words: Words) -> Row:
    """Give the findings of an examination, worst first; of all else its values."""
    try:
        found = msgspec.convert(answer["findings"], list[Found]) if kind == "doctor" else None
    except (KeyError, msgspec.ValidationError):
        found = None
    if found is None:
        values = [f"{key}: {_json(value)}" for key, value in answer.items()]
        return {"findings": [], "counts": [], "values": values}
    order = ("bad", "note", "good")
    counts = [(name, sum(each.verdict == name for each in found)) for name in order]
    return {
        "findings": sorted(found, key=lambda each: order.index(each.verdict)),
        "counts": [(name, words(f"finding.{name}", n=words.number(n))) for name, n in counts if n],
        "values": [],
    }


def _snapshot(name: Any) -> str:
    return name if isinstance(name, str) and _SNAPSHOT.fullmatch(name) else ""


def _flat(table: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def _text(table: Mapping[str, Any], key: str) -> str:
    return _json(table[key]) if key in table else DASH


def _json(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
