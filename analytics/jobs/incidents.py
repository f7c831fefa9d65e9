"""Incidents of a window; their ids are derived from what they are, so recomputing keeps them."""

from collections.abc import Iterator
from typing import Any, Final
from uuid import UUID, uuid5

import numpy as np

from analytics.jobs.clocks import clock_of
from analytics.jobs.inputs import Inputs
from analytics.jobs.lights import StopLines
from analytics.jobs.safety import KINDS, WHO, Conflicts
from analytics.jobs.tracks import Tracks
from analytics.kernels.conflicts import Kind, Severity
from contracts.classes import RoadUser
from contracts.clock import from_micros
from contracts.events import CAMERA_BACK, CAMERA_EVENTS
from storage.windows import NewIncident

NAMESPACE: Final = UUID("5b1c7c3e-0a0e-5d1e-9d52-1e4f6c1d7a10")
NOTICE, SERIOUS, SEVERE = 1, 2, 3
RED_LIGHT: Final = {
    "red": ("red-light-running", SERIOUS),
    "insufficient": ("red-light-insufficient", NOTICE),
}
"""Kind and severity by the verdict; what is not claimed has a kind of its own."""


def conflict_incidents(
    inputs: Inputs, tracks: Tracks, conflicts: Conflicts
) -> Iterator[NewIncident]:
    """One incident for each severe conflict."""
    limits = inputs.thresholds
    for k in np.flatnonzero(conflicts.severity == Severity.SEVERE):
        pair = [int(conflicts.a[k]), int(conflicts.b[k])]
        device = int(tracks.device[pair[0]])
        ttc, pet = float(conflicts.ttc[k]), float(conflicts.pet[k])
        who = [
            {
                "boot": tracks.boot[t],
                "track": int(tracks.number[t]),
                "class": RoadUser(tracks.road_user[t]).name.lower(),
            }
            for t in pair
        ]
        begin = int(conflicts.begin[k])
        name = [inputs.names[device], *(f"{w['boot']}/{w['track']}" for w in who), begin]
        evidence = {
            "tracks": who,
            "type": KINDS[Kind(conflicts.kind[k])],
            "who": WHO[bool(conflicts.vru[k])],
            "ttc_s": ttc if np.isfinite(ttc) else None,
            "pet_s": pet if np.isfinite(pet) else None,
            "delta_v_m_s": float(conflicts.delta_v[k]),
            "thresholds": {"severe_ttc_s": limits.severe_ttc, "severe_pet_s": limits.severe_pet},
        }
        x, y = conflicts.xy[k].tolist()
        yield new_incident(inputs, "conflict", SEVERE, begin, device, (x, y), name, evidence)


def red_light_incidents(inputs: Inputs, passed: StopLines) -> Iterator[NewIncident]:
    """One incident for each vehicle that passed on red, or seems to: of that a notice only."""
    events = inputs.events
    for k in np.flatnonzero(passed.running | passed.insufficient):
        row, line = passed.row[k], inputs.site.lines[passed.line[k]]
        device, captured = int(events["device"][row]), int(events["captured"][row])
        boot, track = events["boot"][row].tobytes().hex(), int(events["track"][row])
        speed = float(events["value"][row])
        evidence = {
            "line": line.id,
            "approach": line.approach,
            "tracks": [
                {
                    "boot": boot,
                    "track": track,
                    "class": RoadUser(int(events["class"][row])).name.lower(),
                }
            ],
            "since_red_s": float(passed.offset[k]),
            "speed_m_s": speed if np.isfinite(speed) else None,
            "verdict": "red" if passed.running[k] else "insufficient",
            "clocks": _clocks(inputs, device, float(passed.bound[k])),
            "thresholds": {"red_tolerance_s": inputs.thresholds.red_tolerance},
        }
        middle = ((line.a[0] + line.b[0]) / 2, (line.a[1] + line.b[1]) / 2)
        name = [inputs.names[device], boot, track, line.id, captured]
        kind, level = RED_LIGHT[evidence["verdict"]]
        yield new_incident(inputs, kind, level, captured, device, middle, name, evidence)


def _clocks(inputs: Inputs, camera: int, bound: float) -> dict[str, Any]:
    """Say by how much the clocks may be apart, and each clock's offset and its bound."""
    names = {"camera": inputs.names[camera], "controller": inputs.site.signal_device or ""}
    found = {role: clock_of(inputs, name) for role, name in names.items()}
    return {
        "bound_s": bound if np.isfinite(bound) else None,
        **{
            role: None if clock is None else {"offset_s": clock.offset, "error_s": clock.error}
            for role, clock in found.items()
        },
    }


def camera_incidents(inputs: Inputs) -> Iterator[NewIncident]:
    """Take over what agents said of their cameras."""
    events = inputs.events
    for row in np.flatnonzero(np.isin(events["kind"], CAMERA_EVENTS)):
        kind, device = str(events["kind"][row]), int(events["device"][row])
        captured, value = int(events["captured"][row]), float(events["value"][row])
        evidence = {
            "object": str(events["object"][row]),
            "value": value if np.isfinite(value) else None,
        }
        level = NOTICE if kind == CAMERA_BACK else SERIOUS
        name = [inputs.names[device], str(events["object"][row]), captured]
        yield new_incident(inputs, kind, level, captured, device, (None, None), name, evidence)


def new_incident(
    inputs: Inputs,
    kind: str,
    level: int,
    captured: int,
    device: int,
    xy: tuple[float | None, float | None],
    name: list[Any],
    evidence: dict[str, Any],
) -> NewIncident:
    """Incident at a moment [us] and a place [m], with an id that follows from what it is."""
    whole = [inputs.site.pilot, inputs.site.id, inputs.window.simulated, kind, *name]
    return NewIncident(
        incident=uuid5(NAMESPACE, "\n".join(map(str, whole))),
        kind=kind,
        severity=level,
        captured=from_micros(captured),
        device=inputs.numbers[device],
        x=xy[0],
        y=xy[1],
        evidence=evidence,
    )
